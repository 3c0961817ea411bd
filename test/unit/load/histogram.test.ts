import { describe, expect, it } from 'vitest';
import { HIGHEST_US, LatencyHistogram, NO_QUANTILES } from '../../../src/load/histogram.ts';
import { Random } from '../../../src/load/random.ts';

/** The value at a quantile by sorting everything. */
function exact(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(quantile * sorted.length) - 1, 0)] as number;
}

describe('a histogram of times', () => {
  it('has quantiles within three digits of sorting, and mean, least and greatest exactly', () => {
    const random = new Random(5);
    const values = Array.from({ length: 20_000 }, () => Math.round(random.exponential(40_000)));
    const histogram = new LatencyHistogram();
    for (const us of values) histogram.record(us);
    const found = histogram.quantiles();
    const figures = [
      [0.5, found.p50],
      [0.9, found.p90],
      [0.95, found.p95],
      [0.99, found.p99],
      [0.999, found.p999],
    ] as const;
    for (const [q, us] of figures) expect(Math.abs(us / exact(values, q) - 1)).toBeLessThan(0.001);
    expect(found.min).toBe(Math.min(...values));
    expect(found.max).toBe(Math.max(...values));
    expect(found.mean).toBeCloseTo(values.reduce((sum, us) => sum + us, 0) / values.length, 6);
    expect(found.count).toBe(values.length);
  });

  it('says 0 of nothing', () => {
    const empty = new LatencyHistogram();
    expect(empty.quantiles()).toEqual(NO_QUANTILES);
    expect(empty.distribution()).toEqual({ ...NO_QUANTILES, points: [] });
  });

  it('never says more than the greatest or less than the least', () => {
    const histogram = new LatencyHistogram();
    histogram.record(1_234_567);
    expect(histogram.quantiles()).toMatchObject({ min: 1_234_567, p50: 1_234_567, p999: 1_234_567, max: 1_234_567 });
  });

  it('takes an hour for an hour, and what is outside its range for the border', () => {
    const histogram = new LatencyHistogram();
    histogram.record(3.6e9);
    expect(histogram.at(0.5)).toBe(3.6e9);
    histogram.record(1e15);
    histogram.record(-3);
    expect(histogram.quantiles()).toMatchObject({ count: 3, min: 0, max: HIGHEST_US });
  });

  it('adds another as if everything had been recorded in one', () => {
    const parts = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
    const whole = new LatencyHistogram();
    const random = new Random(6);
    for (let i = 0; i < 3000; i++) {
      const us = random.exponential(700);
      (parts[i % 2] as LatencyHistogram).record(us);
      whole.record(us);
    }
    for (const part of parts.slice(1)) (parts[0] as LatencyHistogram).add(part);
    expect((parts[0] as LatencyHistogram).distribution()).toEqual(whole.distribution());
  });

  it('has points for a plot that rise in both and are denser towards 1', () => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 10_000; us++) histogram.record(us);
    const { points } = histogram.distribution();
    expect(points[0]).toEqual([0, 1]);
    expect(points.at(-1)).toEqual([1, 10_000]);
    for (let i = 1; i < points.length; i++) {
      expect(points[i]?.[0]).toBeGreaterThan(points[i - 1]?.[0] as number);
      expect(points[i]?.[1]).toBeGreaterThanOrEqual(points[i - 1]?.[1] as number);
    }
    expect(points.filter(([quantile]) => quantile > 0.99 && quantile < 1).length).toBeGreaterThan(20);
  });
});
