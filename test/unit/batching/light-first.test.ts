import { beforeEach, describe, expect, test } from 'vitest';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest } from '../../support/traveller.ts';

const MOST_ROWS = 4;
const us = (rows: number) => 100 + rows;
const FULL_US = us(MOST_ROWS);
const FAR_US = 100 * FULL_US;

describe('a tenant that asks for less than its share, beside a flood', () => {
  let scheduler: PlanScheduler<BareRequest>;
  let queue: PlanQueue<BareRequest>;

  beforeEach(() => {
    scheduler = new PlanScheduler<BareRequest>(1);
    queue = scheduler.open({
      maxBatchRows: MOST_ROWS,
      lanes: [0],
      queueRows: 100,
      queueBytes: 1e9,
      sloUs: 0,
      curve: knownCurve(us),
    });
    // The lane is busy, so that what comes waits.
    come('flood', 1, FULL_US);
    scheduler.next(0, []);
  });

  function come(tenant: string, count: number, deadlineUs: number, rows = 1): BareRequest[] {
    return Array.from({ length: count }, () => {
      const request = new BareRequest({ tenant, rows, deadlineUs });
      expect(scheduler.arrive(queue, request, 0)).toBeNull();
      return request;
    });
  }

  /** The shares become known; the next batch leaves, and the one after it. */
  function leave(): BareRequest[][] {
    const flood = queue.flows.known('flood', 2);
    if (flood === null) throw new Error('the flood has come');
    queue.flows.offer(flood, 1e6, true, 0);
    const mostPerUs = MOST_ROWS / FULL_US;
    queue.flows.refresh(
      { rows: MOST_ROWS, us, everyUs: FULL_US, mostPerUs, budgetUs: FULL_US, seated: queue.seated },
      0,
    );
    return [us(1), us(1) + FULL_US].map((nowUs) => {
      const running = scheduler.lanes[0];
      if (running !== null && running !== undefined) scheduler.finish(running, nowUs, true);
      return scheduler.next(nowUs, [])?.requests ?? [];
    });
  }

  test('leaves with the next batch instead of the last who came before it', () => {
    const flood = come('flood', 12, FAR_US);
    const [light] = come('light', 1, FAR_US);
    expect(leave()[0]).toEqual([light, ...flood.slice(0, 3)]);
  });

  test('does not go ahead of who would be late in a later batch', () => {
    const flood = come('flood', 4, us(1) + FULL_US);
    come('flood', 4, FAR_US);
    const [light] = come('light', 1, FAR_US);
    const [next, after] = leave();
    expect(next).toEqual(flood);
    expect(after?.[0]).toBe(light);
    expect(after).toHaveLength(MOST_ROWS);
  });

  test('takes the places of several where it brings several rows', () => {
    const flood = come('flood', 6, FAR_US);
    const [light] = come('light', 1, FAR_US, 2);
    const [next, after] = leave();
    expect(next).toEqual([light, ...flood.slice(0, 2)]);
    expect(after?.map((request) => flood.indexOf(request)).sort()).toEqual([2, 3, 4, 5]);
  });

  test('leaves its fair part of each batch to the flood', () => {
    come('flood', 12, FAR_US);
    come('light', 4, FAR_US);
    for (const batch of leave())
      expect(batch.map(({ tenant }) => tenant)).toEqual(['light', 'light', 'flood', 'flood']);
  });

  test('changes nothing for a single tenant', () => {
    const flood = come('flood', 8, FAR_US);
    expect(leave()).toEqual([flood.slice(0, 4), flood.slice(4)]);
  });
});
