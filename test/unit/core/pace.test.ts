import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Pace, type Pacing } from '../../../src/core/pace.ts';

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
    expect(await walk(1, 5, 25)).toEqual([[0, 0, 0, 0, 0]]);
  });

  it('goes on in a later turn where it is long', async () => {
    const [mine] = await walk(1, 12, 250);
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
    const turns = (await walk(6, 3, 150)).flat();
    expect(new Set(turns).size).toBe(5);
  });

  it('of who joins while others wait is done in turn with theirs', async () => {
    let nowUs = 0;
    const pace = new Pace({ nowUs: () => nowUs });
    const order: string[] = [];
    const work = async (name: string, steps: number) => {
      for (let i = 0; i < steps; i++) {
        while (pace.over()) await pace.turn();
        nowUs += 5_000;
        order.push(name);
      }
    };
    const long = [work('a', 6), work('b', 6)];
    while (order.length < 3) await turn();
    await work('c', 2);
    expect(order.slice(3).filter((name) => name !== 'c').length).toBeLessThanOrEqual(4);
    await Promise.all(long);
    expect(order).toHaveLength(14);
  });

  it('ends where nobody wants it any more, and those behind it go on', async () => {
    let nowUs = 0;
    const pace = new Pace({ nowUs: () => nowUs });
    let isWanted = true;
    const made = { wanted: 0, other: 0 };
    const work = async (name: keyof typeof made, pacing: Pacing) => {
      for (let i = 0; i < 6; i++) {
        while (pacing.over()) await pacing.turn();
        nowUs += 5_000;
        made[name]++;
      }
    };
    const ended = expect(
      work(
        'wanted',
        pace.while(() => isWanted),
      ),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    const other = work('other', pace);
    while (made.wanted < 2) await turn();
    isWanted = false;
    await Promise.all([ended, other]);
    expect(made).toEqual({ wanted: 2, other: 6 });
  });

  it('does not hold up a batch that looks at the sockets four times by more than 2 ms and the steps under way', async () => {
    let nowUs = 0;
    const pace = new Pace({ nowUs: () => nowUs });
    let walking = true;
    const work = (async () => {
      while (walking) {
        while (pace.over()) await pace.turn();
        nowUs += 100;
      }
    })();
    await turn();
    const sinceUs = nowUs;
    for (let look = 0; look < 4; look++) await new Promise((resolve) => setImmediate(resolve));
    expect(nowUs - sinceUs).toBeLessThanOrEqual(4 * 600);
    walking = false;
    await work;
  });
});
