import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kneeOf, LatencyCurve } from '../../src/batching/curve.ts';
import { Random } from '../../src/load/random.ts';
import { logNormal, profileOf } from '../support/service-times.ts';

const us = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: 1, max: 1e7 }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 0, -0, -1, 1e-3, 5e-324, 10_000_000, 3.6e9, 3.6e9 + 1, 1e308) },
);
const rows = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 70 }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, -1, 1e9, Number.POSITIVE_INFINITY) },
);
const observation = fc.record({ rows, us, times: fc.constantFrom(1, 1, 1, 5, 40) });
const point = fc.record({ rows, us });

function checkOrder(curve: LatencyCurve): void {
  let before = 0;
  for (let n = 0; n <= curve.mostRows + 3; n++) {
    const now = curve.at(n);
    if (!(Number.isFinite(now) && now > 0 && now >= before)) throw new Error(`at(${n}) is ${now} after ${before}`);
    before = now;
  }
  if (!(Number.isFinite(curve.spread) && curve.spread >= 0)) throw new Error(`the spread is ${curve.spread}`);
}

describe('the learned curve', () => {
  test('is finite, above zero and never falling, whatever is observed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 3, 7, 64),
        fc.array(point, { maxLength: 10 }),
        fc.array(observation, { maxLength: 60 }),
        (most, prior, seen) => {
          const curve = new LatencyCurve(most, prior);
          checkOrder(curve);
          let revision = curve.revision;
          for (const o of seen) {
            for (let i = 0; i < o.times; i++) curve.observe(o.rows, o.us);
            checkOrder(curve);
            expect(curve.revision).toBeGreaterThanOrEqual(revision);
            revision = curve.revision;
          }
          for (const p of curve.points()) expect(p.us).toBe(curve.at(p.rows));
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('is learned anew, 50 batches of each size, whatever was observed before', () => {
    fc.assert(
      fc.property(
        fc.array(observation, { maxLength: 40 }),
        fc.double({ min: 20, max: 1e5, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (seen, fixed, perRow) => {
          const curve = new LatencyCurve(16, []);
          for (const o of seen) for (let i = 0; i < o.times; i++) curve.observe(o.rows, o.us);
          const truth = (n: number): number => fixed * (1 + perRow * n);
          for (let i = 0; i < 800; i++) curve.observe(1 + ((i * 7) % 16), truth(1 + ((i * 7) % 16)));
          for (let n = 1; n <= 16; n++) expect(Math.abs(Math.log(curve.at(n) / truth(n)))).toBeLessThan(0.2);
        },
      ),
      { numRuns: 1500 },
    );
  });

  const truth = fc
    .record({
      fixed: fc.double({ min: 100, max: 20_000, noNaN: true }),
      perRow: fc.double({ min: 0, max: 3000, noNaN: true }),
      tile: fc.constantFrom(1, 1, 4, 8, 16),
      cliffAt: fc.integer({ min: 2, max: 200 }),
      cliff: fc.double({ min: 1, max: 2.5, noNaN: true }),
    })
    .map(({ fixed, perRow, tile, cliffAt, cliff }) => (n: number) => {
      return (fixed + perRow * Math.ceil(n / tile) * tile) * (n >= cliffAt ? cliff : 1);
    });

  test('comes back within 200 batches of a machine that changes its speed', () => {
    fc.assert(
      fc.property(truth, fc.constantFrom(0.5, 0.67, 1.5, 2), fc.nat(), (f, speed, seed) => {
        const random = new Random(seed);
        const noise = logNormal(0.1);
        const curve = new LatencyCurve(64, profileOf(f, 64));
        const run = (batches: number, factor: number): void => {
          for (let i = 0; i < batches; i++) {
            const n = 1 + Math.floor(random.uniform() * 64);
            curve.observe(n, f(n) * factor * noise(random));
          }
        };
        for (const factor of [1, speed, 1]) {
          run(factor === 1 ? 400 : 200, factor);
          let sum = 0;
          for (let n = 1; n <= 64; n++) sum += Math.abs(Math.log(curve.at(n) / (f(n) * factor)));
          expect(sum / 64).toBeLessThan(0.1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('has its knee within 5 % of the most rows per second, and at 1 where time is in proportion', () => {
    const line = fc.tuple(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.double({ min: 1, max: 1e4, noNaN: true }));
    fc.assert(
      fc.property(line, fc.integer({ min: 1, max: 200 }), ([fixed, perRow], most) => {
        const at = (n: number): number => fixed + perRow * n;
        const curve = new LatencyCurve(
          most,
          Array.from({ length: most }, (_, i) => ({ rows: i + 1, us: at(i + 1) })),
        );
        const knee = kneeOf(curve, most);
        expect(knee / at(knee)).toBeGreaterThanOrEqual((0.95 * most) / at(most));
        expect(kneeOf({ at: (n) => perRow * n }, most)).toBe(1);
      }),
      { numRuns: 1500 },
    );
  });
});
