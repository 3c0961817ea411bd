import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Placement } from '../../../src/core/model.ts';
import { firstPlacement, inlineRows, Placing } from '../../../src/pipeline/placement.ts';

const SECOND_US = 1_000_000;

/** A version that is moved whenever that is decided. */
class Moved {
  readonly #placing: Placing;
  now: Placement;
  moves = 0;
  movedUs = 0;

  constructor(now: Placement) {
    this.now = now;
    this.#placing = new Placing(now);
  }

  look(us: number, slowUs: number, nowUs: number, busy = 0, loadUs = 0): void {
    const next = this.#placing.decide({ us, slowUs }, busy, nowUs);
    if (next === this.now) return;
    this.moves++;
    this.movedUs = nowUs;
    this.now = next;
    this.#placing.moved(next, loadUs, nowUs);
  }

  /** Where it is after five seconds of the same times. */
  after(us: number, slowUs: number, fromS: number): Placement {
    for (let i = 0; i <= 50; i++) this.look(us, slowUs, fromS * SECOND_US + i * 100_000);
    return this.now;
  }
}

describe('where batches run', () => {
  test('is the front thread at first where they are quicker than the way to a worker and back', () => {
    expect([15, 249, 250, 10_000, Number.POSITIVE_INFINITY].map(firstPlacement)).toEqual([
      'inline',
      'inline',
      'worker',
      'worker',
      'worker',
    ]);
  });

  test.each([
    ['inline', 400, 500, 'inline'],
    ['inline', 501, 600, 'worker'],
    ['inline', 100, 1_001, 'worker'],
    ['worker', 130, 150, 'worker'],
    ['worker', 124, 150, 'inline'],
    ['worker', 100, 501, 'worker'],
    ['worker', Number.NaN, Number.NaN, 'worker'],
    ['inline', Number.NaN, Number.NaN, 'inline'],
  ] as const)('is decided with a band: %s with batches of %i us, slow ones %i us: %s', (from, us, slowUs, to) => {
    expect(new Placing(from).decide({ us, slowUs }, 0, 0)).toBe(from);
    const placing = new Placing(from);
    placing.decide({ us, slowUs }, 0, 0);
    expect(placing.decide({ us, slowUs }, 0, SECOND_US)).toBe(to);
  });

  test('does not change for what lasted less than a second', () => {
    const placing = new Placing('inline');
    const slow = { us: 5_000, slowUs: 9_000 };
    for (const nowUs of [0, 300_000, 900_000]) expect(placing.decide(slow, 0, nowUs)).toBe('inline');
    expect(placing.decide({ us: 100, slowUs: 150 }, 0, 950_000)).toBe('inline');
    expect(placing.decide(slow, 0, 1_000_000)).toBe('inline');
    expect(placing.decide(slow, 0, 1_900_000)).toBe('inline');
    expect(placing.decide(slow, 0, 2_000_000)).toBe('worker');
  });

  test('is the front thread again after ten seconds for who left it, whatever a worker that shares its core makes of its times', () => {
    const moved = new Moved('inline');
    expect(moved.after(300, 1_100, 0)).toBe('worker');
    const leftUs = moved.movedUs;
    moved.look(400, 3_000, leftUs + 9_900_000);
    expect(moved.now).toBe('worker');
    moved.look(400, 3_000, leftUs + 10_000_000);
    expect(moved.now).toBe('inline');
  });

  test('is a worker for good for who was never elsewhere, or takes far too long', () => {
    expect(new Moved('worker').after(400, 600, 100)).toBe('worker');
    const moved = new Moved('inline');
    expect(moved.after(2_000, 3_000, 0)).toBe('worker');
    for (let s = 10; s < 2_000; s += 10) expect(moved.after(1_001, 3_000, s)).toBe('worker');
  });

  test('is not tried where one thread would not do its work, nor where loading it there holds that up', () => {
    const busy = new Moved('inline');
    expect(busy.after(300, 1_100, 0)).toBe('worker');
    for (let s = 15; s < 100; s += 1) busy.look(300, 400, s * SECOND_US, 0.6);
    expect(busy.now).toBe('worker');
    busy.look(300, 400, 100 * SECOND_US, 0.4, 60_000);
    expect(busy.now).toBe('inline');
    expect(busy.after(600, 900, 200)).toBe('worker');
    for (let s = 210; s < 2_000; s += 1) busy.look(300, 400, s * SECOND_US);
    expect(busy.now).toBe('worker');
  });

  test('is tried later where it could not be moved', () => {
    const placing = new Placing('inline');
    const quick = { us: 300, slowUs: 400 };
    placing.failed(0);
    placing.moved('worker', 0, SECOND_US);
    expect(placing.decide(quick, 0, 11 * SECOND_US)).toBe('inline');
    placing.failed(11 * SECOND_US);
    expect(placing.decide(quick, 0, 30 * SECOND_US)).toBe('worker');
    expect(placing.decide(quick, 0, 31 * SECOND_US)).toBe('inline');
  });

  test('is tried ever less often where it does not last, and as soon as at first where it does', () => {
    const moved = new Moved('inline');
    const away = (us: number) => {
      const fromUs = moved.movedUs;
      for (let i = 1; moved.now === 'worker'; i++) moved.look(us, us, fromUs + i * 1_000_000);
      return (moved.movedUs - fromUs) / SECOND_US;
    };
    const rests = Array.from({ length: 9 }, () => {
      moved.after(600, 900, moved.movedUs / SECOND_US + 1);
      return away(300);
    });
    expect(rests).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
    moved.after(600, 900, moved.movedUs / SECOND_US + 601);
    expect(away(300)).toBe(10);
  });

  test('changes rarely for times that keep within a factor of four', () => {
    const times = fc.array(fc.double({ min: 0.5, max: 2, noNaN: true }), { minLength: 50, maxLength: 200 });
    const middle = fc.double({ min: 1, max: 100_000, noNaN: true });
    fc.assert(
      fc.property(middle, times, fc.constantFrom('inline' as const, 'worker' as const), (around, factors, from) => {
        const moved = new Moved(from);
        factors.forEach((factor, i) => {
          moved.look(around * factor, around * factor, i * 500_000);
        });
        // A hundred seconds at most: three rests, of 10, 20 and 40.
        expect(moved.moves).toBeLessThanOrEqual(7);
      }),
      { numRuns: 2_000 },
    );
  });

  test('goes there and back as the machine slows down and recovers', () => {
    const moved = new Moved('inline');
    expect(moved.after(100, 150, 0)).toBe('inline');
    expect(moved.after(600, 900, 10)).toBe('worker');
    expect(moved.after(200, 300, 15)).toBe('worker');
    expect(moved.after(100, 150, 30)).toBe('inline');
  });
});

test('inline batches are cut at half a millisecond, within the cap of the model', () => {
  expect(inlineRows(0, 1, 100)).toBe(0);
  expect(inlineRows(1024, 32, 64)).toBe(250);
  expect(inlineRows(100, 32, 64)).toBe(100);
  expect(inlineRows(1024, 1, 5_000)).toBe(1);
  expect(inlineRows(1024, 32, 0)).toBe(1024);
});
