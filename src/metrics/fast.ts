/**
 * Counters and histograms that the hot path can afford: typed arrays, a few integer operations a record, no allocation.
 * They know nothing of Prometheus; `metrics.ts` reads them at scrape time.
 */

/** A histogram with buckets at 1, 2 and 5 times powers of ten, or at bounds of its own. */
export class FastHistogram {
  /** Upper bounds, in the recorded unit. */
  readonly bounds: readonly number[];
  /** One per bound and one for what lies above them all; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Records one value; the search is over a dozen bounds, most often the lower ones. */
  record(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
    this.count++;
  }
}

/** Bounds for durations in microseconds: 50 us to 10 s. */
export const DURATION_BOUNDS_US: readonly number[] = [
  50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
  5_000_000, 10_000_000,
];

/** Bounds for rows of a batch. */
export const ROW_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
