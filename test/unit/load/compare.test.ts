import { describe, expect, test } from 'vitest';
import { compareReports, comparisonText, type LoadComparison, median } from '../../../src/load/compare.ts';
import type { LoadFigures } from '../../../src/load/figures.ts';
import { figures, open, reportOf } from '../../support/load-figures.ts';

/** Runs at 100/s, one for each goodput. */
function runs(goodputs: readonly number[], more: Partial<LoadFigures> = {}): LoadFigures[] {
  return goodputs.map((goodput) => figures(open(100), 900, { goodput, ...more }));
}

function goodputOf({ ratios }: LoadComparison) {
  return ratios.find((ratio) => ratio.figure === 'goodput');
}

describe('two reports', () => {
  test('are compared by the ratio of their medians, with an interval that holds it', () => {
    const { loads } = compareReports(
      reportOf(runs([90, 100, 110, 95, 105])),
      reportOf(runs([190, 200, 210, 180, 220])),
    );
    const goodput = goodputOf(loads[0] as LoadComparison);
    expect(goodput?.ratio).toBe(2);
    const [low, high] = goodput?.interval ?? [0, 0];
    expect(low).toBeGreaterThan(1.6);
    expect(low).toBeLessThan(2);
    expect(high).toBeGreaterThan(2);
    expect(high).toBeLessThan(2.5);
  });

  test('with one run each have a ratio and no interval, and say so', () => {
    const comparison = compareReports(reportOf(runs([100])), reportOf(runs([150])));
    expect(goodputOf(comparison.loads[0] as LoadComparison)).toMatchObject({ ratio: 1.5, interval: null });
    expect(comparisonText(comparison)).toMatch(/goodput +1\.500 +no interval: one run each$/m);
    const uneven = compareReports(reportOf(runs([100])), reportOf(runs([150, 151])));
    expect(comparisonText(uneven)).toContain('no interval: fewer than 5 runs each');
  });

  test('that are the same show no difference; a better one is called so by what the figure means', () => {
    const same = [95, 100, 105, 98, 102];
    expect(comparisonText(compareReports(reportOf(runs(same)), reportOf(runs(same))))).toMatch(
      /goodput.*no difference shown$/m,
    );
    const slow = Array.from({ length: 5 }, () => figures(open(100), 2000));
    const text = comparisonText(compareReports(reportOf(slow), reportOf(runs(same))));
    expect(text).toMatch(/p50 +0\.45\d .*B is better$/m);
    expect(comparisonText(compareReports(reportOf(runs(same)), reportOf(slow)))).toMatch(/p99 +2\.\d+ .*A is better$/m);
  });

  test('are compared load by load, and a load of only one of them is named', () => {
    const closed = figures({ kind: 'closed', concurrency: 8 }, 900);
    const { loads } = compareReports(reportOf([...runs([1]), closed]), reportOf([closed, figures(open(200), 900)]));
    expect(loads.map(({ load, runs: found }) => [load, ...found])).toEqual([
      ['100/s poisson, 64 connections', 1, 0],
      ['8 at once, 64 connections', 1, 1],
      ['200/s poisson, 64 connections', 0, 1],
    ]);
    const text = comparisonText({ loads, capacity: null, doubts: [] });
    expect(text).toContain('100/s poisson, 64 connections: only in A');
    expect(text).toContain('200/s poisson, 64 connections: only in B');
  });

  test('of overloads meet at the multiples of their capacities, and these are compared too', () => {
    const of = (rate: number) =>
      reportOf([figures(open(0.5 * rate), 900), figures(open(2 * rate), 900)], {
        kind: 'overload',
        capacity: { rate, heldDeadlineMs: 50, limitedBy: 'deadline' },
      });
    const comparison = compareReports(of(100), of(130));
    expect(comparison.capacity).toBeCloseTo(1.3);
    expect(comparison.loads.map(({ load, runs: found }) => [load, ...found])).toEqual([
      ['0.50 x capacity, 64 connections', 1, 1],
      ['2.00 x capacity, 64 connections', 1, 1],
    ]);
    expect(comparisonText(comparison)).toMatch(/^capacity +1\.300/m);
  });

  test('leave void runs out, and say what makes them doubtful', () => {
    const bad = runs([1], { generator: { ...figures(open(1), 1).generator, void: 'lag' } });
    const machine = { cpu: 'another', cores: 1, node: '1', platform: 'x' };
    const b = reportOf(runs([100], { deadlineMs: 9 }), { machine, model: 'other', complete: false });
    const comparison = compareReports(reportOf([...bad, ...runs([100])]), b);
    expect(comparison.loads[0]?.runs).toEqual([1, 1]);
    expect(comparison.doubts).toHaveLength(5);
    for (const words of [
      'different machines',
      'different models',
      'deadlines',
      '1 of 2 runs of A are void',
      'B is incomplete',
    ]) {
      expect(comparisonText(comparison)).toContain(words);
    }
  });

  test('of which A is 0 have no ratio, and without runs there is nothing to say', () => {
    const zero = compareReports(reportOf(runs([0, 0, 0, 0, 0])), reportOf(runs([1, 1, 1, 1, 1])));
    expect(goodputOf(zero.loads[0] as LoadComparison)).toMatchObject({ ratio: null, interval: null });
    expect(comparisonText(zero)).toMatch(/goodput +- +no interval: A is 0$/m);
    expect(comparisonText(compareReports(reportOf([]), reportOf([])))).toContain('neither has a run');
  });

  test('have the middle run, or the mean of the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
  });
});
