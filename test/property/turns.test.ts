import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AGEING_US } from '../../src/batching/best-effort.ts';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../src/batching/travel.ts';
import { knownCurve } from '../support/known-curve.ts';
import { BareRequest as Request, type TravellerSpec } from '../support/traveller.ts';

/** Queues on lanes whose times are known, and a clock. */
class World {
  nowUs = 0;
  readonly scheduler: PlanScheduler<Request>;
  readonly queues: PlanQueue<Request>[];

  constructor(lanesOf: readonly (readonly number[])[], maxBatchRows: number, us: (rows: number) => number) {
    this.scheduler = new PlanScheduler(1 + Math.max(...lanesOf.flat()));
    const rest = { maxBatchRows, queueRows: 1e6, queueBytes: 1e9, sloUs: 0 };
    this.queues = lanesOf.map((lanes) => this.scheduler.open({ ...rest, lanes, curve: knownCurve(us) }));
  }

  give(queue: number, change: TravellerSpec = {}): Request | null {
    const request = new Request({ arrivalUs: this.nowUs, ...change });
    return this.scheduler.arrive(this.queues[queue] as PlanQueue<Request>, request, this.nowUs) === null
      ? request
      : null;
  }

  /** Starts what can start, and lets the batch that ends first end. Null where nothing runs. */
  step(ran = true): Batch<Request, PlanQueue<Request>> | null {
    while (this.scheduler.next(this.nowUs, []) !== null);
    let first: Batch<Request, PlanQueue<Request>> | null = null;
    for (const batch of this.scheduler.lanes) {
      if (batch !== null && (first === null || endOf(batch) < endOf(first))) first = batch;
    }
    if (first === null) return null;
    this.nowUs = endOf(first);
    this.scheduler.finish(first, this.nowUs, ran);
    for (const request of first.requests) request.state = 'ENDED';
    return first;
  }
}

const endOf = ({ startedUs, queue, rows }: Batch<Request, PlanQueue<Request>>) => startedUs + queue.spec.curve.at(rows);

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);
const check = <T>(property: fc.IProperty<T>, numRuns = 60) => fc.assert(property, { seed, numRuns });

const priority = fc.integer({ min: 1, max: 3 });
const machine = { most: fc.integer({ min: 1, max: 32 }), baseUs: fc.integer({ min: 0, max: 2000 }) };
const usOf = (baseUs: number) => (rows: number) => baseUs + 100 * rows;

describe('who comes back', () => {
  test('finds a class that floods no more than a batch and its share ahead of him, whatever was served before', () => {
    const history = fc.array(fc.record({ priority, rows: fc.integer({ min: 1, max: 20_000 }) }), { maxLength: 3 });
    check(
      fc.property(history, priority, priority, fc.record(machine), (before, comes, floods, { most, baseUs }) => {
        const world = new World([[0]], most, usOf(baseUs));
        for (const { priority, rows } of before) {
          for (let i = 0; i < rows; i += most) {
            for (let k = 0; k < most; k++) world.give(0, { priority });
            while (world.step() !== null);
          }
        }
        for (let i = 0; i < 1000; i++) world.give(0, { priority: floods });
        world.step();
        const request = world.give(0, { priority: comes, tenant: 'other' });
        let rows = 0;
        while (request?.state !== 'ENDED') rows += world.step()?.rows ?? 0;
        // Of the ninth part that the last class has, one row is one in ten.
        expect(rows).toBeLessThanOrEqual(10 + 2 * most);
      }),
    );
  });

  test('finds a model that floods no more than a few batches ahead of him, whatever was served before', () => {
    const history = fc.array(fc.record({ queue: fc.nat(2), batches: fc.integer({ min: 1, max: 2000 }) }), {
      maxLength: 3,
    });
    const lanes = fc.constantFrom<number[][][]>([[0], [0], [0]], [[0, 1], [0], [0]], [[0], [0, 1], [1]]);
    check(
      fc.property(history, lanes, fc.record(machine), fc.boolean(), (before, lanes, { most, baseUs }, ran) => {
        const world = new World(lanes, most, usOf(baseUs));
        for (const { queue, batches } of before) {
          for (let i = 0; i < batches; i++) {
            for (let k = 0; k < most; k++) world.give(queue);
            while (world.step(ran) !== null);
          }
        }
        for (let i = 0; i < 1000; i++) world.give(1);
        world.step();
        const request = world.give(0);
        let batches = 0;
        while (request?.state !== 'ENDED') batches += world.step() === null ? 0 : 1;
        expect(batches).toBeLessThanOrEqual(2 * world.scheduler.lanes.length);
      }),
    );
  });
});

test('a class that waits has something within a second and the batches then under way, however large the others are', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 3, maxLength: 3 });
  check(
    fc.property(
      sizes,
      fc.constantFrom('', 'a', 'b'),
      fc.integer({ min: 10, max: 10_000 }),
      (sizes, shapeKey, rowUs) => {
        const world = new World([[0]], 32, (rows) => rowUs * rows);
        const lastUs = [0, 0, 0];
        const longest = Math.max(32, ...sizes) * rowUs;
        for (let batches = 0; batches < 300; batches++) {
          for (let i = 0; i < 3; i++) {
            const rows = sizes[i] as number;
            for (let k = 0; k < Math.max(1, 32 / rows); k++)
              world.give(0, { priority: 1 + i, rows, shapeKey: i > 0 ? shapeKey : '' });
          }
          const batch = world.step();
          for (const request of batch?.requests ?? []) lastUs[request.priority - 1] = world.nowUs;
          for (const us of lastUs) expect(world.nowUs - us).toBeLessThanOrEqual(AGEING_US + 4 * longest);
        }
      },
    ),
  );
});

test('best effort has a tenth of each lane that it may use, whatever other lanes and models do', () => {
  const lanes = fc.constantFrom<number[][][]>([[1], [0]], [[0], [0]], [[0, 1], [0]], [[0, 1], [1]], [[0], [0, 1]]);
  const loads = fc.record({ us: fc.integer({ min: 100, max: 3000 }), others: fc.boolean(), promised: fc.boolean() });
  check(
    fc.property(lanes, loads, (lanes, { us, others, promised }) => {
      const world = new World(lanes, 0, () => us);
      const free = [0, 0];
      const all = [0, 0];
      while (world.nowUs < 1500 * us) {
        while ((world.queues[0] as PlanQueue<Request>).bestEffort.requests < 20) world.give(0);
        if (others) world.give(1, promised ? { deadlineUs: world.nowUs + 20 * us } : {});
        while (world.give(0, { deadlineUs: world.nowUs + 20 * us }) !== null);
        const batch = world.step();
        if (batch === null || !lanes[0]?.includes(batch.lane)) continue;
        all[batch.lane] = (all[batch.lane] ?? 0) + 1;
        if (batch.requests[0]?.deadlineUs === Number.POSITIVE_INFINITY) free[batch.lane] = (free[batch.lane] ?? 0) + 1;
      }
      for (const lane of lanes[0] ?? []) expect((free[lane] as number) / (all[lane] as number)).toBeGreaterThan(0.08);
    }),
    30,
  );
}, 10_000);
