import { describe, expect, test } from 'vitest';
import { BestEffort } from '../../../src/batching/best-effort.ts';
import { Flow } from '../../../src/batching/flow.ts';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request } from '../../support/traveller.ts';

const curve = knownCurve((rows) => rows);
const spec = { maxBatchRows: 64, lanes: [0], queueRows: 1e6, queueBytes: 1e6, sloUs: 0, curve };
const queue: PlanQueue<Request> = new PlanScheduler<Request>(1).open(spec);

/** Best effort of tenants who always have more, and what they have had. */
class Stock {
  readonly #waiting = new BestEffort<Request>();
  readonly #flows = new Map<string, Flow<Request>>();
  readonly rows: Record<string, number> = {};
  readonly offered: Record<string, number> = { large: 0 };

  offer(tenant: string, rows: number, shapeKey = ''): void {
    this.offered[tenant] = (this.offered[tenant] ?? 0) + rows;
    const flow = this.#flows.get(tenant) ?? new Flow<Request>(queue, tenant, 2);
    this.#flows.set(tenant, flow);
    this.#waiting.push(flow, new Request({ tenant, rows, shapeKey }));
  }

  /** Takes a batch of at most `most` rows. @returns its rows */
  take(most: number): number {
    let left = most;
    this.#waiting.rewind();
    const { shapeKey } = this.#waiting.first(0) as Request;
    for (;;) {
      const request = this.#waiting.companion(shapeKey, left, 0);
      if (request === null) return most - left;
      this.#waiting.charge(request.place as Flow<Request>, request.rows, 0);
      this.#waiting.remove(request.place as Flow<Request>, request);
      this.rows[request.tenant] = (this.rows[request.tenant] ?? 0) + request.rows;
      left -= request.rows;
    }
  }
}

describe('best effort', () => {
  test.each([
    [20, 1],
    [60, 3],
    [5, 7],
  ])('gives a tenant with requests of %d rows as many rows as one with requests of %d', (large, small) => {
    const stock = new Stock();
    const rows = 100 * large;
    for (let i = 0; i < rows; i += large) stock.offer('large', large);
    for (let i = 0; i < rows; i += small) stock.offer('small', small);
    for (let taken = 0; taken < rows; ) taken += stock.take(64);
    // Requests as large as a batch fit at its beginning only.
    expect((stock.rows.large as number) / rows).toBeGreaterThan(0.4);
    expect((stock.rows.small as number) / rows).toBeGreaterThan(0.4);
  });

  test('gives a tenant who waits until one large request has run before he sends the next no more than the others', () => {
    const stock = new Stock();
    for (let i = 0; i < 2_000; i++) for (const tenant of ['one', 'two', 'three']) stock.offer(tenant, 1);
    for (let taken = 0; taken < 4_000; ) {
      if ((stock.rows.large ?? 0) === stock.offered.large) stock.offer('large', 16);
      taken += stock.take(32);
    }
    expect((stock.rows.large as number) / 4_000).toBeGreaterThan(0.2);
    expect((stock.rows.large as number) / 4_000).toBeLessThan(0.3);
  });

  test('leaves no room in a batch because only who has had more than his turns can fill it', () => {
    const stock = new Stock();
    for (let i = 0; i < 8; i++) stock.offer('large', 20);
    stock.offer('other', 1, 'elsewhere');
    const batches = [stock.take(64), stock.take(64), stock.take(64)];
    expect(batches.toSorted()).toEqual([1, 60, 60]);
  });
});

describe('time that is kept free for best effort', () => {
  test('is not kept on a lane that is down, nor for who has gone', () => {
    const scheduler = new PlanScheduler<Request>(2);
    const curve = knownCurve(() => 1000);
    const queue = scheduler.open({ ...spec, maxBatchRows: 4, curve });
    const other = scheduler.open({ ...spec, maxBatchRows: 4, lanes: [0, 1], curve });
    const free = Array.from({ length: 100 }, () => new Request());
    for (const request of free) scheduler.arrive(queue, request, 0);
    let nowUs = 0;
    const promise = (to: PlanQueue<Request>) => {
      scheduler.arrive(to, new Request({ arrivalUs: nowUs, deadlineUs: nowUs + 3_500 }), nowUs);
    };
    const finish = () => {
      nowUs += 1000;
      scheduler.finish(scheduler.lanes[0] as NonNullable<(typeof scheduler.lanes)[0]>, nowUs, true);
    };
    // Until it is owed a batch, and has not had it.
    for (let i = 0; i < 100 && (queue.reservedUs === 0 || scheduler.lanes[0]?.bestEffortRows !== 0); i++) {
      if (i > 0) finish();
      for (let many = 0; many < 20; many++) promise(queue);
      while (scheduler.next(nowUs, [], []) !== null);
    }
    finish();
    promise(other);
    expect(other.reservedUs).toBe(1000);
    scheduler.setUp(0, false);
    promise(other);
    expect(other.reservedUs).toBe(0);
    scheduler.setUp(0, true);
    promise(other);
    expect(other.reservedUs).toBe(1000);
    for (const request of free) if (request.state === 'WAITING') scheduler.cancel(request);
    promise(other);
    expect(other.reservedUs).toBe(0);
  });

  test('is none on the lanes of a model of which none waits, and for which no other waits', () => {
    const taken = [false, true].map((beside) => {
      const scheduler = new PlanScheduler<Request>(2);
      const curve = knownCurve(() => 1000);
      const queue = scheduler.open({ ...spec, maxBatchRows: 1, curve });
      const other = scheduler.open({ ...spec, maxBatchRows: 1, lanes: [1], curve });
      if (beside) for (let i = 0; i < 10; i++) scheduler.arrive(other, new Request(), 0);
      while (scheduler.next(0, []) !== null);
      const deadlineUs = 30_000;
      const all = Array.from({ length: 40 }, () => scheduler.arrive(queue, new Request({ deadlineUs }), 0));
      return all.filter((refusal) => refusal === null).length;
    });
    expect(taken[1]).toBe(taken[0]);
  });
});

test('a batch that hung is not held against the best effort of its model for as long as that took', () => {
  const scheduler = new PlanScheduler<Request>(1);
  const curve = knownCurve(() => 1000);
  const queues = [0, 1].map(() => scheduler.open({ ...spec, maxBatchRows: 1, curve }));
  for (const queue of queues) for (let i = 0; i < 300; i++) scheduler.arrive(queue, new Request(), 0);
  let nowUs = 0;
  const run = (us: number) => {
    const batch = scheduler.next(nowUs, []);
    if (batch === null) throw new Error('nothing runs');
    nowUs += us;
    scheduler.finish(batch, nowUs, true);
    return batch.queue;
  };
  const hung = run(1e9);
  const ran = Array.from({ length: 200 }, () => run(1000));
  expect(ran.filter((queue) => queue === hung).length).toBeGreaterThan(90);
});
