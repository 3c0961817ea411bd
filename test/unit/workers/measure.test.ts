import { describe, expect, it } from 'vitest';
import { measureRun } from '../../../src/workers/measure.ts';

function scripted(times: readonly number[]): { runs: () => number; run: () => Promise<number> } {
  let runs = 0;
  return { runs: () => runs, run: async () => times[Math.min(runs++, times.length - 1)] as number };
}

describe('what a batch takes', () => {
  it('is the least of several runs: the first one warms up', async () => {
    const { run, runs } = scripted([900, 300, 180, 250]);
    expect(await measureRun(run)).toBe(180);
    expect(runs()).toBe(101);
  });

  it('is learned from one run where the model is slow', async () => {
    const { run, runs } = scripted([500_000]);
    expect(await measureRun(run)).toBe(500_000);
    expect(runs()).toBe(1);
  });

  it('is unknown where the model refuses to run on zeros', async () => {
    const { run, runs } = scripted([Number.POSITIVE_INFINITY]);
    expect(await measureRun(run)).toBe(Number.POSITIVE_INFINITY);
    expect(runs()).toBe(1);
  });
});
