import { expect, test } from 'vitest';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch } from '../../../src/batching/travel.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request, type TravellerSpec } from '../../support/traveller.ts';

/** When best effort leaves that comes after a second, beside a flood of promises and other best effort that fits into its batches. */
function leavesUs(fits: TravellerSpec, odd: TravellerSpec): number {
  const us = (rows: number) => 1000 + 100 * rows;
  const scheduler = new PlanScheduler<Request>(1);
  const queue = scheduler.open({
    maxBatchRows: 32,
    lanes: [0],
    queueRows: 4096,
    queueBytes: 1e9,
    sloUs: 0,
    curve: knownCurve(us),
  });
  const one = new Request({ arrivalUs: 1e6, ...odd });
  const streams = [
    { nextUs: 0, everyUs: 45, come: (us: number) => new Request({ arrivalUs: us, deadlineUs: us + 50_000 }) },
    { nextUs: 0, everyUs: 500, come: (us: number) => new Request({ arrivalUs: us, ...fits }) },
    { nextUs: 1e6, everyUs: Number.POSITIVE_INFINITY, come: () => one },
  ];
  let endUs = Number.POSITIVE_INFINITY;
  for (;;) {
    const nowUs = Math.min(endUs, ...streams.map(({ nextUs }) => nextUs));
    if (one.state === 'RUNNING' || nowUs > 10e6) return nowUs;
    if (endUs === nowUs) scheduler.finish(scheduler.lanes[0] as Batch<Request, PlanQueue<Request>>, nowUs, true);
    for (const stream of streams) {
      if (stream.nextUs !== nowUs) continue;
      stream.nextUs += stream.everyUs;
      const request = stream.come(nowUs);
      const refusal = scheduler.arrive(queue, request, nowUs);
      if (request === one) expect(refusal).toBeNull();
    }
    const batch = scheduler.next(nowUs, [], []);
    if (batch !== null) endUs = nowUs + us(batch.rows);
  }
}

const FITS = { tenant: 'fits' };

test.each<[string, TravellerSpec, TravellerSpec]>([
  ['is larger than its seats', {}, { rows: 30 }],
  ['has another shape', {}, { shapeKey: 'other' }],
  ['is larger than what others send', FITS, { rows: 30 }],
  ['is larger than what others send, for whom it waits too', FITS, { tenant: 'large', rows: 30 }],
  ['has another shape than what others send', FITS, { shapeKey: 'other' }],
])('best effort that %s is not starved by what fits into the batches of a flood', (_, fits, odd) => {
  expect(leavesUs(fits, odd)).toBeLessThan(5e6);
});
