import { describe, expect, test } from 'vitest';
import { chooseThreads, instanceBounds } from '../../../src/pipeline/threads.ts';

/** What is chosen for a row of 40 ms that so many threads divide perfectly; and what was tried. */
async function chosen(sloMs: number, cores: number, rowUs = 40_000): Promise<[number, number[]]> {
  const tried: number[] = [];
  const threads = await chooseThreads({ rowUs, sloUs: sloMs * 1000, cores }, async (count) => {
    tried.push(count);
    return rowUs / count;
  });
  return [threads, tried];
}

describe('threads of an instance', () => {
  test.each([
    ['one where no target is stated', 0, 8, 40_000, 1, []],
    ['one where one makes the target', 80, 8, 40_000, 1, []],
    ['as few as make it', 40, 8, 40_000, 2, [2]],
    ['all cores where only they do', 14, 6, 40_000, 6, [2, 4, 6]],
    ['as few as answer in time at all where none is quick enough for more', 15, 4, 40_000, 4, [2, 4]],
    ['one where one answers in time and more do not do better', 45, 1, 40_000, 1, []],
    ['one where one answers in time already and none makes twice', 50, 1, 40_000, 1, []],
    ['one where none answers in time', 5, 4, 40_000, 1, [2, 4]],
    ['one where a row is quick', 1, 8, 4_000, 1, []],
    ['one where the model could not be measured', 1, 8, Number.POSITIVE_INFINITY, 1, []],
  ] as const)('are %s', async (_what, sloMs, cores, rowUs, threads, tried) => {
    expect(await chosen(sloMs, cores, rowUs)).toEqual([threads, tried]);
  });

  test('are not more where more are no quicker', async () => {
    const need = { rowUs: 40_000, sloUs: 60_000, cores: 8 };
    expect(await chooseThreads(need, async () => 41_000)).toBe(1);
  });
});

test.each([
  [{ min: 1, max: null }, 4, 4, { min: 1, max: 4 }],
  [{ min: 2, max: 3 }, 4, 4, { min: 2, max: 3 }],
  [{ min: 1, max: 9 }, 4, 4, { min: 1, max: 4 }],
  [{ min: 9, max: null }, 4, 4, { min: 4, max: 4 }],
  [{ min: 1, max: null }, 4, 4 / 3, { min: 1, max: 1 }],
  [{ min: 2, max: null }, 4, 1, { min: 2, max: 2 }],
])('instances %o on %i workers, of which the cores carry %d, are %o', (stated, workers, carried, bounds) => {
  expect(instanceBounds(stated, workers, carried)).toEqual(bounds);
});
