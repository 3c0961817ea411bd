import { expect, test } from 'vitest';
import { bestSteady, connectionsFor } from '../../../bench/runner/steady.ts';
import type { LoadFigures } from '../../../src/load/figures.ts';
import { figures, open } from '../../support/load-figures.ts';

/** Serves up to `most`, and of what is beyond it the less the more it is. */
const server =
  (most: number, asked: number[]) =>
  async (rate: number): Promise<LoadFigures> => {
    asked.push(rate);
    return { ...figures(open(rate), 1_000), goodput: rate <= most ? rate : Math.max(0, most - 2 * (rate - most)) };
  };

test('the climb ends at the rate that brought most, wherever the guess was', async () => {
  for (const guess of [500, 1_000, 2_000]) {
    const asked: number[] = [];
    const { rate, goodput } = await bestSteady(guess, server(1_000, asked));
    expect(rate).toBeGreaterThan(700);
    expect(rate).toBeLessThan(1_200);
    expect(goodput).toBeGreaterThan(700);
    expect(asked).toEqual(asked.toSorted((a, b) => a - b));
    // Nothing is asked for far beyond the best.
    expect(asked.at(-1)).toBeLessThan(2 * rate);
  }
});

test('a server that answers nothing well has no steady rate', async () => {
  await expect(bestSteady(100, server(-1_000, []))).rejects.toThrow(/not one answer/);
});

test('connections are enough for what is under way, and bounded', () => {
  expect([connectionsFor(10, 10), connectionsFor(1_000, 100), connectionsFor(1e6, 1_000)]).toEqual([64, 200, 2_048]);
});
