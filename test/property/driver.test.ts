import { describe, expect, test } from 'vitest';
import { Driver, type Passage } from '../../src/batching/driver.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../src/batching/travel.ts';
import type { Lane, RunRequest, RunResult } from '../../src/core/instance.ts';
import { Random } from '../../src/load/random.ts';
import { knownCurve } from '../support/known-curve.ts';
import { BareRequest } from '../support/traveller.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const MEAN_GAP_US = 50;
const PATIENCE_US = 10_000;
const RESULT: RunResult = { outputs: [], runUs: 1 };
const curve = knownCurve((rows) => 1_000 + 100 * rows);
const SPEC = { maxBatchRows: 64, lanes: [0], queueRows: 4096, queueBytes: 1e9, sloUs: 0, curve };

class Request extends BareRequest {
  told = 0;
}

/** One lane on virtual time, and everybody who was ever brought to it. */
class World implements Passage<Request> {
  nowUs = 0;
  readonly all: Request[] = [];
  readonly driver: Driver<Request>;
  readonly #queue;
  #endUs = Number.POSITIVE_INFINITY;
  #end: (result: RunResult) => void = () => undefined;

  constructor() {
    const lane = { id: 0, ready: true, run: () => this.#run() } as unknown as Lane;
    const clock = { nowUs: () => this.nowUs };
    this.driver = new Driver<Request>(clock, [lane], new PlanScheduler<Request>(1), this, () => undefined);
    this.#queue = this.driver.open(SPEC);
  }

  board(batch: Batch<Request>): RunRequest {
    this.#endUs = this.nowUs + curve.at(batch.rows);
    return { session: 0, inputs: [], outputs: [] };
  }
  arrived(batch: Batch<Request>): void {
    for (const request of batch.requests) {
      if (request.state !== 'RUNNING') continue;
      request.state = 'ENDED';
      request.told++;
    }
  }
  failed = (request: Request): number => request.told++;
  expired = (request: Request): number => request.told++;
  displaced = (request: Request): number => request.told++;
  left(): void {}

  async arrive(rows: number, patienceUs: number): Promise<void> {
    const request = new Request({ rows, arrivalUs: this.nowUs, deadlineUs: this.nowUs + patienceUs });
    this.all.push(request);
    if (this.driver.submit(this.#queue, request) !== null) request.told++;
    await turns();
  }

  /** Batches end that do so by then. */
  async until(nowUs: number): Promise<void> {
    while (this.#endUs <= nowUs && this.#endUs < Number.POSITIVE_INFINITY) {
      this.nowUs = this.#endUs;
      this.#endUs = Number.POSITIVE_INFINITY;
      this.#end(RESULT);
      await turns();
    }
    if (nowUs < Number.POSITIVE_INFINITY) this.nowUs = nowUs;
  }

  #run(): Promise<RunResult> {
    return new Promise((resolve) => {
      this.#end = resolve;
    });
  }
}

/** The looks at the sockets, and what the end of a run starts. */
async function turns(): Promise<void> {
  for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the driver', () => {
  // A request that takes others' places and is refused after all; then nobody comes who would have them told.
  test.each(SEEDS)('tells everybody what became of him, though nobody comes any more: seed %d', async (seed) => {
    const random = new Random(seed);
    for (let stops = 20_000; stops <= 45_000; stops += 1_000) {
      const world = new World();
      for (;;) {
        const nextUs = world.nowUs + random.exponential(MEAN_GAP_US);
        if (nextUs > stops) break;
        await world.until(nextUs);
        await world.arrive(1, PATIENCE_US);
      }
      await world.arrive(64, PATIENCE_US * (0.9 + 0.2 * random.uniform()));
      await world.until(Number.POSITIVE_INFINITY);
      expect(world.all.filter(({ told }) => told !== 1)).toEqual([]);
      await world.driver.idle();
      world.driver.dispose();
    }
  });
});
