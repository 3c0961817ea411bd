/** Models on lanes of their own and on shared ones: what one is promised on a lane is not lost to the other. */

import { describe, expect, test } from 'vitest';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../../src/batching/travel.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest, type TravellerSpec } from '../../support/traveller.ts';

type Queue = PlanQueue<BareRequest>;

/** Two lanes. */
class TwoLanes {
  readonly #scheduler = new PlanScheduler<BareRequest>(2);

  open(lanes: readonly number[], us: (rows: number) => number, maxBatchRows = 0): Queue {
    const curve = knownCurve(us, Math.max(1, maxBatchRows));
    return this.#scheduler.open({ maxBatchRows, lanes, queueRows: 1000, queueBytes: 1e9, sloUs: 0, curve });
  }

  admit(queue: Queue, nowUs: number, spec: TravellerSpec): BareRequest {
    const request = new BareRequest({ arrivalUs: nowUs, ...spec });
    expect(this.#scheduler.arrive(queue, request, nowUs)).toBeNull();
    return request;
  }

  /** So many come who could not be in time on idle lanes either. */
  refuse(queue: Queue, times: number, nowUs: number): void {
    for (let i = 0; i < times; i++) {
      const request = new BareRequest({ arrivalUs: nowUs, deadlineUs: nowUs + 1 });
      expect(this.#scheduler.arrive(queue, request, nowUs)?.kind).toBe('impossible');
    }
  }

  leaves(request: BareRequest): void {
    this.#scheduler.cancel(request);
  }

  next(nowUs: number): Batch<BareRequest, Queue> {
    const batch = this.#scheduler.next(nowUs, []);
    if (batch === null) throw new Error('nobody waits for a free lane');
    return batch;
  }

  finish(batch: Batch<BareRequest, Queue>, nowUs: number): void {
    this.#scheduler.finish(batch, nowUs, true);
  }
}

/** The lane of a batch of one, and who is in it. */
function told({ lane, requests }: Batch<BareRequest, Queue>): readonly unknown[] {
  return [lane, requests.length, requests[0]?.shapeKey];
}

describe('the lane that was looked at for a new batch is the one that it has', () => {
  test('though somebody before it leaves', () => {
    const lanes = new TwoLanes();
    const anywhere = lanes.open([0, 1], () => 200);
    const first = lanes.open([0], () => 100);
    lanes.admit(first, 0, { deadlineUs: 1_000 });
    const running = lanes.next(0);
    lanes.admit(anywhere, 0, { deadlineUs: 1_000 });
    const beside = lanes.next(0);
    // Each lane is taken until 400 by then.
    const goes = lanes.admit(first, 0, { deadlineUs: 250 });
    lanes.admit(first, 0, { deadlineUs: 310, shapeKey: 'second' });
    lanes.admit(first, 0, { deadlineUs: 410, shapeKey: 'third' });
    lanes.admit(anywhere, 0, { deadlineUs: 5_000, shapeKey: 'patient' });
    // In time only on lane 1, before the patient one.
    lanes.admit(anywhere, 0, { deadlineUs: 420, shapeKey: 'hurried' });
    lanes.leaves(goes);
    lanes.finish(running, 100);
    const before = lanes.next(100);
    expect(told(before)).toEqual([0, 1, 'second']);
    lanes.finish(before, 200);
    lanes.finish(beside, 200);
    expect(told(lanes.next(200))).toEqual([0, 1, 'third']);
    expect(told(lanes.next(200))).toEqual([1, 1, 'hurried']);
  });

  test('though somebody has to stand back for it first', () => {
    const lanes = new TwoLanes();
    const anywhere = lanes.open([0, 1], (rows) => 500 + 100 * rows, 4);
    const first = lanes.open([0], (rows) => 10 * rows);
    // So many are offered while two batches run that the next ones are expected to be full.
    for (const at of [0, 1]) lanes.admit(anywhere, 0, { deadlineUs: 10_000, shapeKey: `${at}` });
    const [one, other] = [lanes.next(0), lanes.next(0)];
    lanes.refuse(anywhere, 300, 10);
    lanes.finish(one, 600);
    lanes.finish(other, 600);
    lanes.admit(first, 600, { rows: 100, deadlineUs: 10_000 });
    lanes.next(600);
    lanes.admit(anywhere, 600, { deadlineUs: 10_000 });
    const running = lanes.next(600);
    // Lane 0 is taken until 1610, with nothing to spare, and lane 1 until 1200.
    lanes.admit(first, 600, { deadlineUs: 1610 });
    // In time on lane 1 if nobody joins it.
    const standsBy = lanes.admit(anywhere, 600, { deadlineUs: 1900, shapeKey: 'stands by' });
    expect(standsBy.place).toMatchObject({ firm: null, lane: 1 });
    // In time on lane 1, joined by others or not, and on no other.
    lanes.admit(anywhere, 600, { deadlineUs: 2150, shapeKey: 'firm' });
    expect(standsBy.state).toBe('ENDED');
    lanes.admit(anywhere, 600, { deadlineUs: 9_000, shapeKey: 'patient' });
    lanes.finish(running, 1200);
    expect(told(lanes.next(1200))).toEqual([1, 1, 'firm']);
  });
});

test('a lane takes what is planned on it, in whatever order the lanes of a model are named', () => {
  const lanes = new TwoLanes();
  const anywhere = lanes.open([1, 0], () => 200);
  const first = lanes.open([0], () => 100);
  lanes.admit(anywhere, 0, { deadlineUs: 1_000, shapeKey: 'patient' });
  lanes.admit(first, 0, { deadlineUs: 100, shapeKey: 'hurried' });
  expect(told(lanes.next(0))).toEqual([0, 1, 'hurried']);
  expect(told(lanes.next(0))).toEqual([1, 1, 'patient']);
});
