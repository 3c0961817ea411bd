import { describe, expect, test } from 'vitest';
import type { LoadFigures } from '../../../src/load/figures.ts';
import { limitOf, search } from '../../../src/load/ramp.ts';
import { holds } from '../../../src/load/units.ts';
import { figures, open } from '../../support/load-figures.ts';

/** A server that holds every rate up to `capacity`. */
function server(capacity: number): { asked: number[]; held: (rate: number) => Promise<boolean> } {
  const asked: number[] = [];
  const held = async (rate: number) => {
    asked.push(rate);
    return rate <= capacity;
  };
  return { asked, held };
}

const loadFigures = (more: Partial<LoadFigures> = {}) => figures(open(100), 1000, more);
const going = new AbortController().signal;

describe('the search for the highest rate', () => {
  test.each([
    [1000, 1000],
    [1000, 873],
    [1000, 1300],
    [1000, 255],
    [1000, 40],
    [10, 14],
  ])('with a guess of %d finds a capacity of %d close by, in at most 15 runs', async (guess, capacity) => {
    const { asked, held } = server(capacity);
    const found = await search(guess, held, going);
    expect(found).toBeLessThanOrEqual(capacity);
    expect(found).toBeGreaterThanOrEqual(capacity / 1.05 - 1e-9);
    expect(asked.length).toBeLessThanOrEqual(15);
  });

  test('ends at the highest rate that it may ask for where everything holds', async () => {
    const { asked, held } = server(Number.POSITIVE_INFINITY);
    expect(await search(1000, held, going)).toBe(Math.max(...asked));
  });

  test('finds 0 where nothing holds, after a bounded number of runs', async () => {
    const { asked, held } = server(0);
    expect(await search(1000, held, going)).toBe(0);
    expect(asked.length).toBeLessThanOrEqual(9);
  });

  test('asks no more once it is ended, and keeps what held', async () => {
    const { asked, held } = server(1000);
    const stop = new AbortController();
    const stopping = async (rate: number) => {
      if (asked.length === 1) stop.abort();
      return held(rate);
    };
    expect(await search(1000, stopping, stop.signal)).toBe(500);
    expect(asked).toEqual([250, 500]);
  });
});

describe('what a search ran into', () => {
  const at = (rate: number, ok: number, why = '') => {
    const run = figures(open(rate), 1000, { ok, late: 1000 - ok });
    return { ...run, generator: { ...run.generator, void: why } };
  };

  test.each([
    ['the deadline, where the next rate was too much', [at(100, 1000), at(200, 1000), at(250, 500)], 'deadline'],
    ['the generator, where it was late at the next rate', [at(200, 1000), at(250, 900, 'late')], 'generator'],
    [
      'the deadline, where one try of the next rate was no run at all',
      [at(200, 1000), at(250, 9, 'late'), at(250, 9)],
      'deadline',
    ],
    ['nothing, where no higher rate was tried', [at(100, 1000), at(200, 1000)], 'search'],
  ])('is %s', (_name, runs, limit) => {
    expect(limitOf(200, runs)).toBe(limit);
  });
});

describe('a rate is held', () => {
  const good = loadFigures({ ok: 990, late: 10 });

  test('where 99 of 100 requests due were answered well and in time', () => {
    expect(holds(good)).toBe(true);
    expect(holds(loadFigures({ ok: 989, late: 11 }))).toBe(false);
  });

  test('not where the rest was refused, failed or never answered', () => {
    const refusal = { ...loadFigures().latency, count: 11 };
    const refused = [{ code: 'OVERLOADED', status: 503, count: 11, timeToRefuse: refusal, retryAfter: 11 }];
    expect(holds(loadFigures({ ok: 989, late: 0, refused }))).toBe(false);
    const errors = { connect: 0, reset: 6, timeout: 5, malformed: 0 };
    expect(holds(loadFigures({ ok: 989, late: 0, errors }))).toBe(false);
    expect(holds(loadFigures({ ok: 989, late: 0, unanswered: 11 }))).toBe(false);
  });

  test('by a late generator too: its lateness is in the times that were kept', () => {
    expect(holds({ ...good, generator: { ...good.generator, void: 'late' } })).toBe(true);
  });

  test('not where nothing was due', () => {
    expect(holds(loadFigures({ ok: 0, late: 0 }))).toBe(false);
  });
});
