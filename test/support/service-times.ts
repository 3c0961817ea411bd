/** How long batches take on machines that never were: shapes of true curves, and noise around them. Microseconds. */

import type { Random } from '../../src/load/random.ts';

/** A true time per rows. */
export type TrueCurve = (rows: number) => number;

/** One of each kind that is met. */
export const TRUE_CURVES: Readonly<Record<string, TrueCurve>> = {
  affine: (n) => 2000 + 1000 * n,
  'nearly flat': (n) => 5000 + 400 * n,
  'in proportion': (n) => 1000 * n,
  constant: () => 3000,
  'padded to powers of two': (n) => 1000 + 500 * 2 ** Math.ceil(Math.log2(n)),
  'tiles of eight': (n) => 500 + 1000 * Math.ceil(n / 8),
  'a cliff at 16': (n) => (2000 + 300 * n) * (n >= 16 ? 1.8 : 1),
};

/** What the true time is multiplied by. */
export type Noise = (random: Random) => number;

/** Log-normal, and one batch in two hundred takes four times as long. */
export function logNormal(sigma: number, stalls = 0.005): Noise {
  return (random) => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    const stall = random.uniform() < stalls ? 4 : 1;
    return Math.exp(sigma * radius * Math.cos(2 * Math.PI * random.uniform())) * stall;
  };
}

/** Heavy-tailed, with median 1. */
export function pareto(shape: number): Noise {
  return (random) => (1 - random.uniform()) ** (-1 / shape) * 2 ** (-1 / shape);
}

/** Points at powers of two, as a profile has them, each `factor` of the truth. */
export function profileOf(truth: TrueCurve, mostRows: number, factor = 1): { rows: number; us: number }[] {
  const points = [];
  for (let rows = 1; rows <= mostRows; rows *= 2) points.push({ rows, us: truth(rows) * factor });
  return points;
}
