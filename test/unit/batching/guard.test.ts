import { describe, expect, it } from 'vitest';
import { Guard } from '../../../src/batching/guard.ts';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest } from '../../support/traveller.ts';

const SPREAD = 0.2;

describe('the guard', () => {
  it('stretches by what slow batches take beyond the expected, until it knows better', () => {
    expect(new Guard().ratio(SPREAD)).toBe(SPREAD);
  });

  it('grows with what is late to three times that, and says that it can do no more', () => {
    const guard = new Guard();
    const ratios = Array.from({ length: 20 }, () => {
      guard.observe(8, 8);
      return guard.ratio(SPREAD);
    });
    expect(ratios).toEqual(ratios.toSorted((a, b) => a - b));
    expect(ratios[0]).toBeGreaterThan(1.3 * SPREAD);
    expect(ratios.at(-1)).toBeCloseTo(3 * SPREAD);
    expect(guard.saturated).toBe(true);
    guard.observe(8, 0);
    expect(guard.saturated).toBe(false);
  });

  it('shrinks to nothing while nobody is late, and never below', () => {
    const guard = new Guard();
    for (let i = 0; i < 2_000; i++) guard.observe(8, 0);
    expect(guard.ratio(SPREAD)).toBe(0);
  });

  it('stands still where a few in a thousand are late, and learns nothing where nobody was promised anything', () => {
    const guard = new Guard();
    for (let i = 0; i < 100; i++) guard.observe(1000, 8);
    for (let i = 0; i < 100; i++) guard.observe(0, 0);
    expect(guard.ratio(SPREAD)).toBeCloseTo(SPREAD);
  });
});

describe('the guard of a version in service', () => {
  const BATCH_US = 1_000;

  /** So many requests, each alone on a free lane, whose batches take so many times what is expected. @returns now */
  function serve(
    scheduler: PlanScheduler<BareRequest>,
    queue: PlanQueue<BareRequest>,
    many: number,
    times: number,
    fromUs = 0,
  ) {
    let nowUs = fromUs;
    for (let i = 0; i < many; i++) {
      nowUs += 10 * BATCH_US;
      scheduler.arrive(queue, new BareRequest({ arrivalUs: nowUs, deadlineUs: nowUs + 1.5 * BATCH_US }), nowUs);
      const batch = scheduler.next(nowUs, []);
      if (batch === null) throw new Error('the lane is free');
      scheduler.finish(batch, nowUs + times * BATCH_US, true);
    }
    return nowUs;
  }

  it('is seen to have come to its bound where promises are broken again and again, and to have left it', () => {
    const scheduler = new PlanScheduler<BareRequest>(1);
    const curve = { ...knownCurve(() => BATCH_US), spread: SPREAD };
    const room = { maxBatchRows: 8, queueRows: 100, queueBytes: 1e9, sloUs: 0 };
    const queue = scheduler.open({ ...room, lanes: [0], curve });
    const shown = () => scheduler.view(queue, 1e9);
    expect(shown()).toMatchObject({ guard: SPREAD, guardSaturated: false, late: 0 });
    const nowUs = serve(scheduler, queue, 20, 2);
    expect(shown()).toMatchObject({ guardSaturated: true, late: 20 });
    expect(shown().guard).toBeCloseTo(3 * SPREAD);
    serve(scheduler, queue, 100, 1, nowUs);
    expect(shown()).toMatchObject({ guardSaturated: false, late: 20 });
    expect(shown().guard).toBeLessThan(3 * SPREAD);
  });
});
