/** Whatever the clock does, what is learned stays sane: stalls, leaps, and arrivals that are told a little late. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LatencyCurve } from '../../src/batching/curve.ts';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../src/batching/travel.ts';
import { BareRequest } from '../support/traveller.ts';

const seed = Number(process.env.SEED ?? 20_261_129);
console.log(`seed ${seed}`);

const MOST_ROWS = 16;
const us = (rows: number) => 1_000 + 100 * rows;
/** What has come is told as of a little earlier: bytes lie in the kernel for a while (http/turn.ts). */
const TOLD_LATE_US = 5_000;
/** Requests of the calm time, and the pause before each: after the first half, three seconds, nobody is refused. */
const CALM = 300;
const PAUSE_US = 20_000;

type Running = Batch<BareRequest, PlanQueue<BareRequest>>;

const passes = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0.25) },
  { weight: 3, arbitrary: fc.constantFrom(1e6, 6e7, 3.6e9, 1e13) },
);
interface Event {
  readonly passesUs: number;
  readonly arrivals: number;
  readonly rows: number;
  /** Time from an arrival to its deadline. */
  readonly patienceUs: number;
  /** How much later than it came an arrival is told. */
  readonly earlierUs: number;
  readonly ends: boolean;
  readonly ran: boolean;
}

const event = fc.record<Event>({
  passesUs: passes,
  arrivals: fc.integer({ min: 0, max: 6 }),
  rows: fc.integer({ min: 1, max: 20 }),
  patienceUs: fc.constantFrom(1_200, 50_000, 1e15, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
  earlierUs: fc.integer({ min: 0, max: TOLD_LATE_US }),
  ends: fc.boolean(),
  ran: fc.constantFrom(true, true, true, false),
});

/** One lane of one model, and a clock that does what it likes. */
class World {
  readonly #scheduler = new PlanScheduler<BareRequest>(1);
  readonly queue: PlanQueue<BareRequest>;
  #running: Running | null = null;
  #nowUs = 1e6;

  constructor() {
    const prior = [1, 4, 16].map((rows) => ({ rows, us: us(rows) }));
    const room = { maxBatchRows: MOST_ROWS, queueRows: 1_000, queueBytes: 1e9, sloUs: 0 };
    this.queue = this.#scheduler.open({ ...room, lanes: [0], curve: new LatencyCurve(MOST_ROWS, prior) });
  }

  play({ passesUs, arrivals, rows, patienceUs, earlierUs, ends, ran }: Event): void {
    this.#nowUs += passesUs;
    for (let i = 0; i < arrivals; i++) {
      const arrivalUs = this.#nowUs - earlierUs;
      const request = new BareRequest({ rows, arrivalUs, deadlineUs: arrivalUs + patienceUs });
      if (this.#scheduler.foresee(this.queue, '', rows, 1, request.deadlineUs, arrivalUs) !== null) continue;
      this.#scheduler.arrive(this.queue, request, this.#nowUs);
    }
    this.#start();
    if (ends) this.#end(ran);
    this.#start();
    this.#scheduler.sweep(this.#nowUs, []);
  }

  /** Every figure that is shown or decided by. */
  figures(): number[] {
    const view = this.#scheduler.view(this.queue, this.#nowUs);
    const { targetUs, kneeRows, batchRows, guard, offeredRowsPerS, servedRowsPerS, capacityRowsPerS } = view;
    const { drainUs, busyPerUs, comingPerUs, turnaround, spec } = this.queue;
    return [
      ...[targetUs, kneeRows, batchRows, guard, offeredRowsPerS, servedRowsPerS, capacityRowsPerS],
      ...[drainUs, busyPerUs, comingPerUs, turnaround.ratio, spec.curve.spread],
      ...view.curve.map((point) => point.us),
    ];
  }

  /** Single requests with time enough come for a few seconds. @returns who was refused */
  calm(): boolean[] {
    this.#scheduler.clear(this.queue, []);
    this.#end(false);
    return Array.from({ length: CALM }, () => {
      this.#nowUs += PAUSE_US;
      const request = new BareRequest({ arrivalUs: this.#nowUs, deadlineUs: this.#nowUs + 10 * us(1) });
      const refused = this.#scheduler.arrive(this.queue, request, this.#nowUs) !== null;
      this.#start();
      this.#nowUs += us(1);
      this.#end(true);
      return refused;
    });
  }

  #start(): void {
    this.#running ??= this.#scheduler.next(this.#nowUs, []);
  }

  #end(ran: boolean): void {
    if (this.#running === null) return;
    this.#scheduler.finish(this.#running, this.#nowUs, ran);
    this.#running = null;
  }
}

test('figures are numbers, and the model is served as ever three seconds later, however long it stalled', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 80 }), (events) => {
      const world = new World();
      for (const event of events) {
        world.play(event);
        for (const figure of world.figures()) {
          expect(Number.isFinite(figure)).toBe(true);
          expect(figure).toBeGreaterThanOrEqual(0);
        }
      }
      const refused = world.calm();
      expect(refused.slice(CALM / 2)).toEqual(new Array(CALM / 2).fill(false));
      expect(world.queue.spec.curve.at(1) / us(1)).toBeCloseTo(1, 1);
    }),
    { seed, numRuns: 1_000 },
  );
}, 20_000);
