import { describe, expect, it } from 'vitest';
import type { Result } from '../../../../bench/scheduler/contest.ts';
import type { Score } from '../../../../bench/scheduler/tally.ts';
import { defaultTriton } from '../../../../bench/scheduler/triton.ts';
import {
  duels,
  isBest,
  isStationary,
  lateOf,
  ofLimit,
  rejectOf,
  standingOf,
  standings,
} from '../../../../bench/scheduler/verdict.ts';

const NOTHING: Score = {
  offered: 1_000,
  good: 0,
  late: 0,
  refused: 0,
  dropped: 0,
  broken: 0,
  unfinished: 0,
  rejectUs: 0,
  sojournUs: 0,
  batches: 1,
  events: 1,
};

function result(scores: Record<string, Partial<Score>>, of: Partial<Result> = {}): Result {
  return {
    cell: { curve: 'affine', load: 2, arrivals: 'poisson', tightness: 'tight', seed: 1 },
    curve: 'affine',
    sigma: 0.05,
    shift: 1,
    lanes: 1,
    mostRows: 8,
    targetUs: 10_000,
    capacity: 1,
    ceiling: 1,
    attainable: 500,
    atOnce: 250,
    limit: 400,
    swept: defaultTriton(8),
    scores: Object.fromEntries(Object.entries(scores).map(([name, score]) => [name, { ...NOTHING, ...score }])),
    ...of,
  };
}

describe('the verdict over cells', () => {
  it('takes 3 % below the best rival for beside it, and more not', () => {
    const cells = [97, 96, 120, 0].map((good) => result({ a: { good }, b: { good: 100 }, c: { good: 50 } }));
    expect(duels(cells, 'a').map(isBest)).toEqual([true, false, true, false]);
    expect(duels(cells, 'a').map(({ rival }) => rival)).toEqual(['b', 'b', 'b', 'b']);
    expect(standingOf(cells, 'a').best).toBe(0.5);
    expect(isBest(duels([result({ a: {}, b: {} })], 'a')[0] as never)).toBe(true);
  });

  it('measures goodput by what is attainable, and by the plain limit', () => {
    const cells = [500, 100].map((good) => result({ a: { good }, b: {} }));
    expect(standingOf(cells, 'a')).toMatchObject({ goodput: 0.6, least: 0.2 });
    expect(cells.map((cell) => ofLimit(cell, 'a'))).toEqual([1.25, 0.25]);
    expect(duels(cells, 'a').map(({ attained, attainedAtOnce }) => [attained, attainedAtOnce])).toEqual([
      [1, 2],
      [0.2, 0.4],
    ]);
  });

  it('judges lateness apart where there is much noise', () => {
    const cells = [
      result({ a: { good: 99, late: 1 }, b: {} }),
      result({ a: { good: 50, late: 50 }, b: {} }, { sigma: 0.2 }),
    ];
    expect(standingOf(cells, 'a')).toMatchObject({ lateCalm: 0.01, lateNoisy: 0.5 });
    expect(lateOf(cells, 'a')).toBeCloseTo(51 / 200, 9);
  });

  it('counts every rejection once in the time to reject', () => {
    const cells = [result({ a: { refused: 30, rejectUs: 100 } }), result({ a: { dropped: 10, rejectUs: 5_000 } })];
    expect(rejectOf(cells, 'a')).toBeCloseTo((30 * 0.01 + 10 * 0.5) / 40, 9);
    expect(rejectOf([result({ a: { good: 1 } })], 'a')).toBe(0);
  });

  it('puts the best first, and knows who did not take part and what is stationary', () => {
    const cells = [result({ a: { good: 1 }, b: { good: 2 } })];
    expect(standings(cells).map(({ name }) => name)).toEqual(['b', 'a']);
    expect(() => standingOf(cells, 'c')).toThrow(/did not take part/);
    expect([result({}), result({}, { shift: 2 })].map(isStationary)).toEqual([true, false]);
  });
});
