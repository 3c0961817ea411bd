import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodeSpeed } from '../../src/preprocess/decode-speed.ts';

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);
const check = <T>(property: fc.IProperty<T>) => fc.assert(property, { seed, numRuns: 500 });

test('absurd timings never poison: while fewer than half are, the estimate is between those that are not', () => {
  const honest = fc.double({ min: 0.1, max: 10, noNaN: true });
  const absurd = fc.oneof(
    fc.double(),
    fc.constantFrom(Number.NaN, -1, 0, 1e-300, 1e300, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  );
  const work = fc.integer({ min: 1, max: 1e7 });
  // In turn, so that half of those remembered are honest, whichever they are.
  const timings = fc.array(fc.tuple(honest, work, fc.option(absurd), work), { minLength: 3, maxLength: 60 });
  check(
    fc.property(timings, (timings) => {
      const model = {};
      const speed = new DecodeSpeed();
      for (const [ratio, work, tookUs, absurdWork] of timings) {
        speed.learn(model, work, ratio * work);
        if (tookUs !== null) speed.learn(model, absurdWork, tookUs);
        speed.learn(model, work, ratio * work);
      }
      const ratios = timings.map(([ratio]) => ratio);
      for (const us of [speed.us(1e6), speed.us(1e6, model)]) {
        expect(us).toBeGreaterThanOrEqual(Math.floor(Math.min(1, ...ratios) * 1e6));
        expect(us).toBeLessThanOrEqual(Math.ceil(Math.max(1, ...ratios) * 1e6));
      }
    }),
  );
});
