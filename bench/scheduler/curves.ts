/** True service times, drawn at random: how long n rows take, how much that scatters, and whether it changes mid-run. */

import type { CurvePoint } from '../../src/core/scheduling.ts';
import type { Random } from '../../src/load/random.ts';
import { between, logBetween, normal, oneOf } from './draw.ts';

/** The families that curves are drawn from. */
export const CURVE_KINDS = ['affine', 'steps', 'cliff', 'flat', 'noisy', 'drifting'] as const;

/** One of them. */
export type CurveKind = (typeof CURVE_KINDS)[number];

/** What scatters and changes. */
export interface Weather {
  /** Of the logarithm of a service time. */
  readonly sigma: number;
  /** Share of batches that take `STALL` times as long. */
  readonly stalls: number;
  /** From `SHIFT_AT` on, times are multiplied by this; 1 = never. */
  readonly shift: number;
}

const STALL = 4;
/** Where in a run, as a share of it, a drifting curve changes. */
export const SHIFT_AT = 0.5;
/** Rows per second within this of the best are the knee. */
const KNEE = 0.97;

/** The truth about one model on one machine. */
export class TrueCurve {
  readonly mostRows: number;
  /** Said in tables. */
  readonly name: string;
  readonly weather: Weather;
  readonly #us: Float64Array;

  /** @param us time of n rows at index n - 1, microseconds, above 0 and never falling */
  constructor(name: string, us: Float64Array, weather: Weather = { sigma: 0, stalls: 0, shift: 1 }) {
    this.name = name;
    this.#us = us;
    this.mostRows = us.length;
    this.weather = weather;
  }

  /** Mean time of a batch before any shift and without stalls, microseconds. @param rows 1 to `mostRows` */
  at(rows: number): number {
    return this.#us[rows - 1] as number;
  }

  /** Time that one batch takes. @param share how much of the run has passed */
  draw(rows: number, share: number, random: Random): number {
    const { sigma, stalls, shift } = this.weather;
    // The mean of a log-normal is kept at 1, so that noise does not change capacity.
    const noise = sigma === 0 ? 1 : Math.exp(sigma * normal(random) - (sigma * sigma) / 2);
    const stall = stalls > 0 && random.uniform() < stalls ? STALL : 1;
    return this.at(rows) * noise * stall * (share >= SHIFT_AT ? shift : 1);
  }

  /** The batch with most rows per second among those that take at most `longestUs`, the smaller of equals; 1 where none does. */
  bestRows(longestUs: number): number {
    let best = 1;
    for (let rows = 2; rows <= this.mostRows; rows++) {
      if (this.at(rows) <= longestUs && rows * this.at(best) > best * this.at(rows)) best = rows;
    }
    return best;
  }

  /** Most rows per second of `lanes` lanes with batches of at most `longestUs`, stalls counted. */
  rowsPerS(lanes: number, longestUs: number): number {
    const rows = this.bestRows(longestUs);
    return (lanes * rows * 1e6) / (this.at(rows) * (1 + this.weather.stalls * (STALL - 1)));
  }

  /** Smallest batch that reaches 97 % of the best rows per second. */
  knee(): number {
    const best = this.bestRows(Number.POSITIVE_INFINITY);
    const enough = (KNEE * best) / this.at(best);
    let rows = 1;
    while (rows / this.at(rows) < enough) rows++;
    return rows;
  }

  /** What a profile at load finds: 1, 2, 4, 8 ... rows and the most, each the quickest of three noisy batches. */
  profile(random: Random): CurvePoint[] {
    const points: CurvePoint[] = [];
    for (let rows = 1; rows <= this.mostRows; rows = nextProfiled(rows, this.mostRows)) {
      const us = Math.min(this.draw(rows, 0, random), this.draw(rows, 0, random), this.draw(rows, 0, random));
      points.push({ rows, us });
    }
    return points;
  }
}

function nextProfiled(rows: number, most: number): number {
  return rows < most ? Math.min(2 * rows, most) : most + 1;
}

/** A curve from a function of rows. */
export function curveOf(name: string, mostRows: number, us: (rows: number) => number, weather?: Weather): TrueCurve {
  return new TrueCurve(
    name,
    Float64Array.from({ length: mostRows }, (_, i) => us(i + 1)),
    weather,
  );
}

/** A curve of the family, everything else drawn. */
export function drawCurve(kind: CurveKind, random: Random): TrueCurve {
  const most = Math.round(logBetween(16, 128, random));
  switch (kind) {
    case 'affine':
      return affine(most, calm(random), random);
    case 'steps':
      return steps(most, calm(random), random);
    case 'cliff':
      return cliff(most, calm(random), random);
    case 'flat':
      return flat(most, calm(random), random);
    case 'noisy': {
      const shape = oneOf([affine, steps, cliff], random);
      return shape(most, { sigma: between(0.05, 0.3, random), stalls: between(0, 0.01, random), shift: 1 }, random);
    }
    case 'drifting': {
      const shape = oneOf([affine, steps, cliff], random);
      return shape(most, { ...calm(random), shift: oneOf([0.5, 1.5, 2], random) }, random);
    }
  }
}

function calm(random: Random): Weather {
  return { sigma: between(0, 0.05, random), stalls: 0, shift: 1 };
}

/** Time of one row, and the share of it that every further row costs. */
function line(random: Random): (rows: number) => number {
  const oneUs = logBetween(300, 20_000, random);
  const slope = logBetween(0.02, 0.8, random);
  return (rows) => oneUs * (1 + slope * (rows - 1));
}

function affine(most: number, weather: Weather, random: Random): TrueCurve {
  return curveOf('affine', most, line(random), weather);
}

function steps(most: number, weather: Weather, random: Random): TrueCurve {
  const base = line(random);
  const tile = oneOf([4, 8, 16, 32, 0], random);
  const padded = (rows: number) => (tile === 0 ? 2 ** Math.ceil(Math.log2(rows)) : tile * Math.ceil(rows / tile));
  return curveOf(
    tile === 0 ? 'steps of powers of two' : `steps of ${tile}`,
    most,
    (rows) => base(padded(rows)),
    weather,
  );
}

function cliff(most: number, weather: Weather, random: Random): TrueCurve {
  const base = line(random);
  const edge = Math.round(between(4, most, random));
  const fall = between(1.3, 2.5, random);
  return curveOf(`cliff at ${edge}`, most, (rows) => base(rows) * (rows < edge ? 1 : fall), weather);
}

function flat(most: number, weather: Weather, random: Random): TrueCurve {
  const oneUs = logBetween(300, 20_000, random);
  const slope = oneOf([between(0.9, 1, random), between(0, 0.005, random)], random);
  const name = slope > 0.5 ? 'proportional' : 'constant';
  return curveOf(name, most, (rows) => oneUs * (1 + slope * (rows - 1)), weather);
}
