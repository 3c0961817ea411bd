import { describe, expect, test } from 'vitest';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../../src/batching/travel.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request } from '../../support/traveller.ts';

const BATCH_US = 1_000;
const spec = {
  maxBatchRows: 8,
  lanes: [0],
  queueRows: 100,
  queueBytes: 1e6,
  sloUs: 0,
  curve: knownCurve(() => BATCH_US),
};

type Running = Batch<Request, PlanQueue<Request>>;

/** A batch fails after its time, and all of it goes back. */
function fail(scheduler: PlanScheduler<Request>, batch: Running | null, nowUs: number): void {
  if (batch === null) throw new Error('nothing runs');
  scheduler.finish(batch, nowUs, false);
  for (const request of batch.requests.toReversed()) scheduler.retryAlone(batch.queue, request);
}

/** Who leaves in each of the next batches, by his number among all. */
function leaving(scheduler: PlanScheduler<Request>, fromUs: number, all: readonly Request[]): number[][] {
  const left: number[][] = [];
  for (let nowUs = fromUs; ; nowUs += BATCH_US) {
    const batch = scheduler.next(nowUs, [], []);
    if (batch === null) return left;
    left.push(batch.requests.map((request) => all.indexOf(request)));
    scheduler.finish(batch, nowUs + BATCH_US, true);
  }
}

describe('who has to run again because his batch failed', () => {
  test.each([
    ['has no deadline', Number.POSITIVE_INFINITY],
    ['has much more time', 1e9],
  ])(
    'takes no place from who was promised one, where he %s: one by one, in the order in which they came',
    (_, deadlineUs) => {
      const scheduler = new PlanScheduler<Request>(1);
      const queue = scheduler.open(spec);
      const failed = Array.from({ length: 8 }, () => new Request({ deadlineUs }));
      for (const request of failed) expect(scheduler.arrive(queue, request, 0)).toBeNull();
      const batch = scheduler.next(0, []);
      const promised = new Request({ arrivalUs: 1, deadlineUs: 2.5 * BATCH_US });
      expect(scheduler.arrive(queue, promised, 1)).toBeNull();
      fail(scheduler, batch, BATCH_US);
      const left = leaving(scheduler, BATCH_US, [promised, ...failed]);
      expect(left).toEqual([[0], [1], [2], [3], [4], [5], [6], [7], [8]]);
    },
  );

  test('goes first where he has less time', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open(spec);
    const failed = Array.from({ length: 3 }, () => new Request({ deadlineUs: 9 * BATCH_US }));
    for (const request of failed) scheduler.arrive(queue, request, 0);
    const batch = scheduler.next(0, []);
    const promised = new Request({ arrivalUs: 1, deadlineUs: 20 * BATCH_US });
    scheduler.arrive(queue, promised, 1);
    fail(scheduler, batch, BATCH_US);
    expect(leaving(scheduler, BATCH_US, [...failed, promised])).toEqual([[0], [1], [2], [3]]);
  });

  test('has a batch of his own soon also beside a flood, whose batches he cannot share', () => {
    const us = (rows: number) => 1000 + 100 * rows;
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open({ ...spec, maxBatchRows: 32, queueRows: 4096, curve: knownCurve(us) });
    let nowUs = 0;
    let again: readonly Request[] = [];
    for (let endUs = 0; nowUs < 2e6; nowUs += 50) {
      const running = scheduler.lanes[0] ?? null;
      if (running !== null && nowUs >= endUs) {
        const fails = again.length === 0 && nowUs > 1e6;
        if (fails) fail(scheduler, running, nowUs);
        else scheduler.finish(running, nowUs, true);
        if (fails) again = running.requests.filter(({ deadlineUs }) => deadlineUs === Number.POSITIVE_INFINITY);
      }
      scheduler.arrive(queue, new Request({ arrivalUs: nowUs, deadlineUs: nowUs + 50_000 }), nowUs);
      if (nowUs % 500 === 0) scheduler.arrive(queue, new Request({ arrivalUs: nowUs }), nowUs);
      const batch = scheduler.next(nowUs, [], []);
      if (batch !== null) endUs = nowUs + us(batch.rows);
    }
    expect(again.length).toBeGreaterThan(2);
    expect(again.filter(({ state }) => state === 'WAITING')).toEqual([]);
  });

  test('waits from then on: a lane that was free meanwhile had no pause between two batches', () => {
    const scheduler = new PlanScheduler<Request>(2);
    const queue = scheduler.open({ ...spec, lanes: [0, 1] });
    scheduler.arrive(queue, new Request(), 0);
    const quick = scheduler.next(0, []);
    scheduler.arrive(queue, new Request(), 1);
    const hung = scheduler.next(1, []);
    if (quick === null) throw new Error('nothing runs');
    scheduler.finish(quick, BATCH_US, true);
    scheduler.setUp(1, false);
    fail(scheduler, hung, 10_000 * BATCH_US);
    expect(scheduler.next(10_000 * BATCH_US, [])?.lane).toBe(0);
    expect(queue.turnaround.ratio).toBe(0);
  });

  test('teaches nothing of what lies between batches, nor does who comes behind a batch that failed at once', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open(spec);
    scheduler.arrive(queue, new Request(), 0);
    const batch = scheduler.next(0, []);
    if (batch === null) throw new Error('nothing runs');
    scheduler.arrive(queue, new Request(), 0);
    scheduler.finish(batch, 5, false);
    scheduler.next(30, []);
    expect(queue.turnaround.ratio).toBe(0);
  });
});
