import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Pace } from '../../../src/core/pace.ts';

/** Who makes so many steps of so many microseconds, and in which turn of the event loop each of them was made. */
async function walk(walkers: number, steps: number, stepUs: number): Promise<number[][]> {
  let nowUs = 0;
  let turns = 0;
  let walking = true;
  const pace = new Pace({ nowUs: () => nowUs });
  const counting = (async () => {
    for (; walking; turns++) await turn();
  })();
  const made = await Promise.all(
    Array.from({ length: walkers }, async () => {
      const mine: number[] = [];
      for (let i = 0; i < steps; i++) {
        while (pace.over()) await pace.turn();
        nowUs += stepUs;
        mine.push(turns);
      }
      return mine;
    }),
  );
  walking = false;
  await counting;
  return made;
}

describe('long work', () => {
  it('is done at once where it is short', async () => {
    expect(await walk(1, 5, 100)).toEqual([[0, 0, 0, 0, 0]]);
  });

  it('goes on in a later turn where it is long', async () => {
    const [mine] = await walk(1, 12, 1_000);
    // Three steps go over the share of a turn: the last one is not cut short.
    const perTurn = new Map<number, number>();
    for (const one of mine as number[]) perTurn.set(one, (perTurn.get(one) ?? 0) + 1);
    expect([...perTurn.values()]).toEqual([3, 3, 3, 3]);
  });

  it('of several is done in turn, whoever has more of it: each turn has one share for all', async () => {
    const made = await walk(4, 6, 5_000);
    expect(made.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    for (const mine of made) {
      mine.slice(1).forEach((at, i) => {
        expect(at - (mine[i] as number)).toBeLessThanOrEqual(4);
      });
    }
  });

  it('of several that is short is done in the same turn', async () => {
    const turns = (await walk(6, 3, 600)).flat();
    expect(new Set(turns).size).toBe(5);
  });
});
