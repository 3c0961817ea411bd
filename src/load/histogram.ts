/**
 * Times of a run as an HdrHistogram: what is recorded costs a few nanoseconds and no memory, however long the run.
 * Mean, least and greatest are exact; quantiles have three significant digits. Only importer of hdr-histogram-js.
 */

import { build, type Histogram } from 'hdr-histogram-js';
import type { Distribution, Quantiles } from './figures.ts';

/** Longest time that is told apart from longer ones, microseconds: 66 minutes. Anything over it counts as this. */
export const HIGHEST_US = 4_000_000_000;

/** Points for a plot in each halving of the distance to quantile 1. */
const POINTS_PER_HALF = 5;

/** Quantiles of nothing. */
export const NO_QUANTILES: Quantiles = Object.freeze({
  count: 0,
  mean: 0,
  min: 0,
  p50: 0,
  p90: 0,
  p95: 0,
  p99: 0,
  p999: 0,
  max: 0,
});

/** A growing collection of times in microseconds. Its memory is taken once (some 200 KB) and never grows. */
export class LatencyHistogram {
  readonly #counts: Histogram;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  constructor() {
    this.#counts = build({
      bitBucketSize: 64,
      autoResize: false,
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_US,
      numberOfSignificantValueDigits: 3,
    });
  }

  /** How many were recorded. */
  get count(): number {
    return this.#counts.totalCount;
  }

  /** Adds a time; below 0 it counts as 0 (two clocks read out of turn), above `HIGHEST_US` as that. */
  record(us: number): void {
    const whole = Math.round(Math.min(Math.max(us, 0), HIGHEST_US));
    this.#counts.recordValue(whole);
    this.#sum += whole;
    if (whole < this.#min) this.#min = whole;
    if (whole > this.#max) this.#max = whole;
  }

  /** Adds everything that `other` holds. */
  add(other: LatencyHistogram): void {
    if (other.count === 0) return;
    this.#counts.add(other.#counts);
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The time that a share `quantile` (0 to 1) of all keeps; 0 where there is none. */
  at(quantile: number): number {
    if (this.count === 0) return 0;
    if (quantile <= 0) return this.#min;
    return Math.min(Math.max(this.#counts.getValueAtPercentile(quantile * 100), this.#min), this.#max);
  }

  /** The figures of a report. */
  quantiles(): Quantiles {
    if (this.count === 0) return NO_QUANTILES;
    return {
      count: this.count,
      mean: this.#sum / this.count,
      min: this.#min,
      p50: this.at(0.5),
      p90: this.at(0.9),
      p95: this.at(0.95),
      p99: this.at(0.99),
      p999: this.at(0.999),
      max: this.#max,
    };
  }

  /** The same with points for a plot: from quantile 0 on, five in every halving of what is left, and 1. */
  distribution(): Distribution {
    const points: [number, number][] = [];
    for (let i = 0; i / POINTS_PER_HALF < Math.log2(Math.max(this.count, 1)); i++) {
      const quantile = 1 - 2 ** (-i / POINTS_PER_HALF);
      points.push([quantile, this.at(quantile)]);
    }
    if (this.count > 0) points.push([1, this.#max]);
    return { ...this.quantiles(), points };
  }
}
