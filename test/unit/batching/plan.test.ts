import { describe, expect, test } from 'vitest';
import { BareTraveller } from '../../../bench/runner/schedulers.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { knownCurve } from '../../support/known-curve.ts';

const BATCH_US = 100;
const MOST_ROWS = 4;
const spec = {
  maxBatchRows: MOST_ROWS,
  lanes: [0],
  queueRows: 100,
  queueBytes: 1e9,
  sloUs: 0,
  curve: knownCurve((rows) => BATCH_US + rows),
};

function traveller(tenant: string, deadlineUs: number): BareTraveller {
  const request = new BareTraveller(tenant);
  request.again(0, deadlineUs);
  return request;
}

describe('a planned batch that is used again', () => {
  test('knows nobody who was in it before', () => {
    const scheduler = new PlanScheduler<BareTraveller>(1);
    const queue = scheduler.open(spec);
    const hurried = traveller('a', 10 * BATCH_US);
    expect(scheduler.arrive(queue, hurried, 0)).toBeNull();
    const before = hurried.place;
    const first = scheduler.next(0, []);
    expect(first?.requests).toEqual([hurried]);
    const patient = traveller('b', 1_000 * BATCH_US);
    expect(scheduler.arrive(queue, patient, 1)).toBeNull();
    expect(patient.place).toBe(before);
    expect(patient.place).toMatchObject({ head: patient, tail: patient, firm: patient, requests: 1, rows: 1 });
    expect(patient.place).toMatchObject({ firstDeadlineUs: 1_000 * BATCH_US, alone: false, trial: false });
  });

  test('is shared by others again though its last passenger ran alone', () => {
    const scheduler = new PlanScheduler<BareTraveller>(1);
    const queue = scheduler.open(spec);
    const failed = traveller('a', 100 * BATCH_US);
    scheduler.arrive(queue, failed, 0);
    const first = scheduler.next(0, []);
    if (first === null) throw new Error('the lane is free');
    scheduler.finish(first, BATCH_US, false);
    scheduler.retryAlone(queue, failed);
    const alone = failed.place;
    expect(scheduler.next(BATCH_US, [])?.requests).toEqual([failed]);
    const together = [traveller('a', 100 * BATCH_US), traveller('b', 100 * BATCH_US)];
    for (const request of together) expect(scheduler.arrive(queue, request, BATCH_US)).toBeNull();
    for (const request of together) expect(request.place).toBe(alone);
  });

  test('a batch under way keeps its requests, whoever boards after them', () => {
    const scheduler = new PlanScheduler<BareTraveller>(2);
    const queue = scheduler.open({ ...spec, lanes: [0, 1] });
    const [one, other] = [traveller('', 100 * BATCH_US), traveller('', 100 * BATCH_US)];
    scheduler.arrive(queue, one, 0);
    const first = scheduler.next(0, []);
    scheduler.arrive(queue, other, 1);
    const second = scheduler.next(1, []);
    expect(first?.requests).toEqual([one]);
    expect(second?.requests).toEqual([other]);
  });
});
