import { beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../../src/batching/journal.ts';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { QueueSpec, Traveller, TravelState } from '../../../src/batching/travel.ts';
import { knownCurve } from '../../support/known-curve.ts';

/** Times somebody asked a request whose it is. */
let asked = 0;

class Request implements Traveller {
  readonly rows: number;
  readonly bytes = 10;
  readonly shapeKey = '';
  readonly arrivalUs: number;
  readonly deadlineUs: number;
  readonly tenant: string;
  readonly priority = 2;
  alone = false;
  state: TravelState = 'NEW';
  place: unknown = null;
  #flow: unknown = null;
  previous: this | null = null;
  next: this | null = null;

  constructor(rows: number, arrivalUs: number, deadlineUs = Number.POSITIVE_INFINITY, tenant = '') {
    this.rows = rows;
    this.arrivalUs = arrivalUs;
    this.deadlineUs = deadlineUs;
    this.tenant = tenant;
  }

  get flow(): unknown {
    asked++;
    return this.#flow;
  }

  set flow(flow: unknown) {
    this.#flow = flow;
  }
}

const MS = 1000;
const curve = knownCurve(() => 10 * MS);
let scheduler: PlanScheduler<Request>;
let queue: PlanQueue<Request>;

function opened(change: Partial<QueueSpec> = {}): void {
  scheduler = new PlanScheduler<Request>(2);
  const spec = { maxBatchRows: 8, lanes: [0], queueRows: 8, queueBytes: 1e6, sloUs: 0, curve };
  queue = scheduler.open({ ...spec, ...change });
}

/** One arrives, and leaves at once where it can. */
function arrive(rows: number, nowUs: number, deadlineUs?: number, tenant?: string, arrivalUs = nowUs) {
  const refusal = scheduler.arrive(queue, new Request(rows, arrivalUs, deadlineUs, tenant), nowUs);
  return { refusal, batch: scheduler.next(nowUs, []) };
}

const latest = (nowUs: number) => scheduler.view(queue, nowUs).decisions[0]?.what;

beforeEach(() => opened());

describe('the reason of a refusal', () => {
  it('is the bound that was met, with what waits', () => {
    arrive(1, 0);
    arrive(8, 1 * MS);
    expect(arrive(1, 2 * MS).refusal?.kind).toBe('queueRows');
    expect(latest(2 * MS)).toBe('refused by queueRows: 8 rows wait');
    opened({ queueBytes: 15 });
    arrive(1, 0);
    arrive(1, 1 * MS);
    expect(arrive(1, 2 * MS).refusal?.kind).toBe('queueBytes');
    expect(latest(2 * MS)).toBe('refused by queueBytes: 10 bytes wait');
  });

  it("is its tenant's share where there is room for others", () => {
    opened({ maxBatchRows: 1, queueRows: 40, curve: knownCurve(() => MS) });
    let nowUs = 0;
    for (let running = arrive(1, nowUs, undefined, 'a').batch; nowUs < 500 * MS; nowUs += MS) {
      if (running !== null) scheduler.finish(running, nowUs, true);
      running = arrive(1, nowUs, undefined, 'b').batch;
      for (let i = 0; i < 3; i++) arrive(1, nowUs, undefined, 'a');
    }
    const refused = scheduler
      .view(queue, nowUs)
      .decisions.map(({ what }) => what)
      .find((what) => what.startsWith('refused'));
    expect(refused).toMatch(/^refused by its tenant's share of queueRows: \d+ rows wait$/);
  });

  it('is that the plan has no place, where nothing could be foretold', () => {
    const journal = new Journal();
    const refusal = { kind: 'busy', predictedUs: Number.POSITIVE_INFINITY, leftUs: 50 * MS, retryAfterUs: 0 } as const;
    journal.refused(1, 'busy', refusal, { rows: 1, bytes: 1, planned: 1 });
    expect(journal.decisions()[0]?.what).toBe('refused: no place in the plan, deadline 50 ms');
  });

  it('is that no instance is up, which is for nobody else’s sake', () => {
    queue.lost = true;
    expect(arrive(1, 0).refusal?.kind).toBe('lost');
    expect([latest(0), queue.refused]).toEqual(['refused: no instance is up', 0]);
  });

  it('is what the plan foretells, against the deadline', () => {
    arrive(8, 0);
    expect(arrive(1, 1 * MS, 16 * MS).refusal?.kind).toBe('busy');
    expect(latest(1 * MS)).toMatch(/^refused: finish predicted 1\d\.?\d* ms, deadline 15 ms$/);
    expect(arrive(1, 3 * MS, 8 * MS).refusal?.kind).toBe('impossible');
    expect(latest(3 * MS)).toBe('refused, impossible on any server: finish predicted 10 ms, deadline 5.0 ms');
  });
});

describe('the reason of a batch', () => {
  it('says how long its oldest request waited although an instance was free', () => {
    arrive(1, 0.4 * MS, undefined, '', 0);
    expect(latest(0.4 * MS)).toBe(
      'batch of 1 on lane 0: all that waited; waited 0.4 ms, an instance was free; 0 go on waiting',
    );
  });

  it('says how long its oldest request waited, wherever that stands in it', () => {
    scheduler.arrive(queue, new Request(1, 5 * MS), 8 * MS);
    scheduler.arrive(queue, new Request(1, 1 * MS), 8 * MS);
    scheduler.next(8 * MS, []);
    expect(latest(8 * MS)).toContain('; waited 7.0 ms, an instance was free;');
  });

  it('says so of a wait for an instance, however short', () => {
    const { batch } = arrive(1, 0);
    if (batch === null) throw new Error('nothing runs');
    arrive(1, 9.7 * MS);
    scheduler.finish(batch, 10 * MS, true);
    scheduler.next(10 * MS, []);
    expect(latest(10 * MS)).toBe(
      'batch of 1 on lane 0: all that waited; waited 0.3 ms for an instance; 0 go on waiting',
    );
  });
});

describe('the picture of who waits', () => {
  it('has the oldest of every flow, with a deadline or without, and asks each request once', () => {
    const tenants = 50;
    opened({ maxBatchRows: 4, queueRows: 1e6, curve: knownCurve(() => 1) });
    arrive(4, 0);
    for (let i = 0; i < 4 * tenants; i++) {
      scheduler.arrive(queue, new Request(1, i, i % 2 === 0 ? 1e9 : undefined, `t${i % tenants}`), i);
    }
    asked = 0;
    const nowUs = 4 * tenants;
    const { waiting } = scheduler.view(queue, nowUs);
    expect(asked).toBeLessThanOrEqual(4 * tenants);
    expect(waiting.map(({ tenant, oldestUs }) => [tenant, oldestUs])).toEqual(
      Array.from({ length: tenants }, (_, i) => [`t${i}`, nowUs - i]),
    );
  });
});
