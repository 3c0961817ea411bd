import { describe, expect, it } from 'vitest';
import { curveOf, profile } from '../../../src/pipeline/profile.ts';

/** A lane on which nothing takes time: it says how long batches take, and remembers which were run. */
function lane(truth: (rows: number, run: number) => number, hopUs = 0) {
  const runs: number[] = [];
  const attempt = async (rows: number) => {
    runs.push(rows);
    const runUs = truth(rows, runs.length);
    return { runUs, us: runUs + hopUs };
  };
  return { runs, attempt, spentUs: () => runs.reduce((sum, rows, i) => sum + truth(rows, i + 1) + hopUs, 0) };
}

const sizes = (points: readonly { readonly rows: number }[]): number[] => points.map(({ rows }) => rows);

describe('the profile of a model', () => {
  it('doubles the rows up to the cap, which need not be a power of two', async () => {
    const { attempt } = lane((rows) => 100 + rows);
    expect(sizes(await profile(attempt, 48))).toEqual([1, 2, 4, 8, 16, 32, 48]);
    expect(sizes(await profile(attempt, 1))).toEqual([1]);
  });

  it('keeps the least of several runs, the first of which warms up', async () => {
    const { attempt, runs } = lane((rows, run) => (run === 1 ? 9000 : 300 + 10 * rows + (run % 3) * 100), 40);
    const points = await profile(attempt, 2);
    expect(points).toEqual([
      { rows: 1, runUs: 310, us: 350 },
      { rows: 2, runUs: 320, us: 360 },
    ]);
    expect(runs.length).toBeGreaterThan(100);
    expect(curveOf(points, true)).toEqual([
      { rows: 1, us: 310 },
      { rows: 2, us: 320 },
    ]);
    expect(curveOf(points, false)[0]).toEqual({ rows: 1, us: 350 });
  });

  it('ends where more rows are of no use', async () => {
    expect(sizes(await profile(lane((rows) => 1200 * rows).attempt, 1024))).toEqual([1, 2]);
    const saturating = lane((rows) => 500 * Math.max(4, rows));
    expect(sizes(await profile(saturating.attempt, 1024)).at(-1)).toBe(8);
  });

  it('goes on where batches are so short that it does not matter', async () => {
    expect(sizes(await profile(lane((rows) => 5 * rows).attempt, 32)).at(-1)).toBe(32);
  });

  it('gives a slow model one size, or two, and little time', async () => {
    const resnet = lane((rows, run) => 34_000 * rows + (run === 1 ? 20_000 : 0));
    expect(sizes(await profile(resnet.attempt, 1024)).length).toBeLessThanOrEqual(2);
    expect(resnet.spentUs()).toBeLessThanOrEqual(160_000);
    const slower = lane(() => 500_000);
    expect(await profile(slower.attempt, 1024)).toEqual([{ rows: 1, runUs: 500_000, us: 500_000 }]);
    expect(slower.runs).toEqual([1]);
  });

  it('counts what was spent before, and is not ended by it', async () => {
    const { attempt } = lane((rows) => 20 + rows);
    expect(sizes(await profile(attempt, 32, 10_000_000)).at(-1)).toBe(32);
    const late = lane((rows) => 34_000 * rows);
    await profile(late.attempt, 1024, 90_000);
    expect(late.spentUs()).toBeLessThanOrEqual(100_000);
  });

  it('is not ended by a stall where batches are short', async () => {
    const { attempt } = lane((rows, run) => (run === 2 ? 400_000 : 20 + rows));
    expect(sizes(await profile(attempt, 32)).at(-1)).toBe(32);
  });

  it('looks just above sizes where a step may stand', async () => {
    const padded = lane((rows) => 500 + 100 * 2 ** Math.ceil(Math.log2(rows)));
    const points = await profile(padded.attempt, 32);
    expect(sizes(points)).toEqual([1, 2, 4, 5, 8, 9, 16, 17, 32]);
    expect(points.find(({ rows }) => rows === 17)?.us).toBe(3700);
  });

  it('is empty where the model does not run, and ends where a larger batch does not', async () => {
    expect(await profile(async () => null, 8)).toEqual([]);
    const attempt = async (rows: number) => (rows > 4 ? null : { runUs: 100 + rows, us: 100 + rows });
    expect(sizes(await profile(attempt, 1024))).toEqual([1, 2, 4]);
  });
});
