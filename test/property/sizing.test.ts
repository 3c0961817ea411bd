/** How large batches are, and what is said of the capacity: on curves drawn at random that are known from the start. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { knownCurve } from '../support/known-curve.ts';
import type { BareRequest } from '../support/traveller.ts';
import { play } from '../support/virtual-traffic.ts';

const seed = Number(process.env.SEED ?? 20_261_129);
console.log(`seed ${seed}`);
const check = <T>(property: fc.IProperty<T>, numRuns: number) => fc.assert(property, { seed, numRuns });

interface Drawn {
  readonly fixed: number;
  readonly perRow: number;
  readonly tile: number;
  readonly lanes: number;
  readonly most: number;
  /** The target in times of a row alone. */
  readonly times: number;
}

const drawn = fc.record<Drawn>({
  fixed: fc.integer({ min: 0, max: 20_000 }),
  perRow: fc.integer({ min: 1, max: 2_000 }),
  tile: fc.constantFrom(1, 1, 4, 8),
  lanes: fc.integer({ min: 1, max: 4 }),
  most: fc.integer({ min: 1, max: 200 }),
  times: fc.double({ min: 2.1, max: 60, noNaN: true }),
});

const usOf =
  ({ fixed, perRow, tile }: Drawn) =>
  (rows: number) =>
    fixed + perRow * tile * Math.ceil(rows / tile);

function opened(drawn: Drawn) {
  const { lanes, most, times } = drawn;
  const us = usOf(drawn);
  const sloUs = times * us(1);
  const scheduler = new PlanScheduler<BareRequest>(lanes);
  const room = { queueRows: 1e6, queueBytes: 1e9 };
  const all = Array.from({ length: lanes }, (_, lane) => lane);
  const queue = scheduler.open({ maxBatchRows: most, lanes: all, ...room, sloUs, curve: knownCurve(us, most) });
  return { us, sloUs, view: scheduler.view(queue, 0) };
}

/** Most rows per microsecond of batches that leave time for `waits` of one more. */
function bestPerUs({ most, lanes }: Drawn, us: (rows: number) => number, sloUs: number, waits: number): number {
  let best = lanes / us(1);
  for (let n = 2; n <= most && (1 + waits) * us(n) <= sloUs; n++) best = Math.max(best, (lanes * n) / us(n));
  return best;
}

describe('the size of batches', () => {
  test('serves within 5 % of the most that sizes do which fit the target twice, and fits it', () => {
    check(
      fc.property(drawn, (drawn) => {
        const { us, sloUs, view } = opened(drawn);
        const { batchRows } = view;
        expect(batchRows).toBeGreaterThanOrEqual(1);
        expect(batchRows).toBeLessThanOrEqual(drawn.most);
        expect(us(batchRows)).toBeLessThan(sloUs);
        expect((drawn.lanes * batchRows) / us(batchRows)).toBeGreaterThan(0.95 * bestPerUs(drawn, us, sloUs, 1));
      }),
      2_000,
    );
  });

  test('is 1 where time is in proportion to rows', () => {
    check(
      fc.property(drawn, (drawn) => {
        expect(opened({ ...drawn, fixed: 0, tile: 1 }).view).toMatchObject({ batchRows: 1, kneeRows: 1 });
      }),
      500,
    );
  });
});

describe('the capacity', () => {
  test('is what the lanes do at the target with nobody turned away', () => {
    check(
      fc.property(drawn, (drawn) => {
        const { us, sloUs, view } = opened(drawn);
        const best = bestPerUs(drawn, us, sloUs, 1 / drawn.lanes);
        expect(view.capacityRowsPerS / 1e6 / best).toBeGreaterThan(0.85);
        expect(view.capacityRowsPerS / 1e6 / best).toBeLessThan(1.001);
      }),
      2_000,
    );
  });

  test('can be offered but for a tenth, and hardly anybody is refused or late', () => {
    check(
      fc.property(drawn, fc.nat(1e6), (drawn, chance) => {
        const patient = { ...drawn, times: Math.max(6, drawn.times) };
        const { us, sloUs, view } = opened(patient);
        const ratePerUs = (0.9 * view.capacityRowsPerS) / 1e6;
        const machine = { lanes: drawn.lanes, mostRows: drawn.most, us, queueRows: 4096, sloUs };
        const untilUs = 6_000 / ratePerUs;
        const stream = { name: 'all', ratePerUs, patienceUs: sloUs };
        const fate = play(machine, [stream], untilUs, untilUs / 3, chance).all;
        expect(((fate?.refused ?? 0) + (fate?.late ?? 0)) / (fate?.offered ?? 1)).toBeLessThan(0.08);
      }),
      60,
    );
  }, 20_000);
});
