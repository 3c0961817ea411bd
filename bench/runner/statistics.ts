/** Intervals by a seeded bootstrap: the same samples give the same interval. */

import { median } from '../../src/load/compare.ts';
import { Random } from '../../src/load/random.ts';

const RESAMPLES = 2_000;

/** 95 % interval of the median. */
export function interval(values: readonly number[], seed = 1): readonly [number, number] {
  const random = new Random(seed);
  const resample = () => median(values.map(() => values[Math.floor(random.uniform() * values.length)] as number));
  const medians = Array.from({ length: RESAMPLES }, resample).sort((a, b) => a - b);
  return [medians[0.025 * RESAMPLES] as number, medians[0.975 * RESAMPLES - 1] as number];
}
