import { describe, expect, it } from 'vitest';
import { ARRIVAL_KINDS, drawArrivals } from '../../../../bench/scheduler/arrivals.ts';
import { attainableAtOnce } from '../../../../bench/scheduler/at-once.ts';
import { attainable, cellOf, grid, settingOf, worldOf } from '../../../../bench/scheduler/cells.ts';
import { curveOf } from '../../../../bench/scheduler/curves.ts';
import { Random } from '../../../../src/load/random.ts';

const SEED = 4_711;
const stream = { rate: 10_000, horizonUs: 20e6, targetUs: 10_000, seed: SEED };

/** Requests in each of `parts` equal parts of the run. */
function histogram(times: Float64Array, parts: number): number[] {
  const counts = new Array<number>(parts).fill(0);
  for (const us of times) counts[Math.floor((us / stream.horizonUs) * parts)]++;
  return counts;
}

/** Variance over mean: 1 for Poisson. */
function dispersion(counts: readonly number[]): number {
  const mean = counts.reduce((a, b) => a + b) / counts.length;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length / mean;
}

describe(`arrivals from seed ${SEED}`, () => {
  it.each(ARRIVAL_KINDS)('rise, stay inside the run and keep the mean rate: %s', (kind) => {
    const times = drawArrivals({ ...stream, kind });
    expect(
      times.every((us, i) => us >= 0 && us < stream.horizonUs && (i === 0 || us >= (times[i - 1] as number))),
    ).toBe(true);
    expect(times.length / (stream.rate * 20)).toBeGreaterThan(0.9);
    expect(times.length / (stream.rate * 20)).toBeLessThan(1.1);
  });

  it('scatter like Poisson, more in bursts, and grow on a ramp', () => {
    expect(dispersion(histogram(drawArrivals({ ...stream, kind: 'poisson' }), 2_000))).toBeCloseTo(1, 0);
    expect(dispersion(histogram(drawArrivals({ ...stream, kind: 'bursty' }), 2_000))).toBeGreaterThan(10);
    const [first, , , last] = histogram(drawArrivals({ ...stream, kind: 'ramp' }), 4) as [
      number,
      number,
      number,
      number,
    ];
    expect(last / first).toBeCloseTo(1.6 / 0.4, 0);
  });
});

describe(`the cells of seed ${SEED}`, () => {
  it('are the whole grid, the same for the same seed, with curves that never fall and targets that can be met', () => {
    const cells = grid(SEED);
    expect(cells).toEqual(grid(SEED));
    expect(
      new Set(cells.map(({ curve, load, arrivals, tightness }) => `${curve} ${load} ${arrivals} ${tightness}`)).size,
    ).toBe(378);
    for (const cell of cells) {
      const { curve, targetUs, capacity, ceiling, profile } = settingOf(cell);
      for (let rows = 2; rows <= curve.mostRows; rows++)
        expect(curve.at(rows)).toBeGreaterThanOrEqual(curve.at(rows - 1));
      expect(targetUs).toBeGreaterThanOrEqual(2 * curve.at(1));
      expect(capacity).toBeGreaterThanOrEqual(ceiling);
      expect(profile.at(0)?.rows).toBe(1);
      expect(profile.at(-1)?.rows).toBe(curve.mostRows);
    }
  });

  it('are found again by their seed', () => {
    const cells = grid(SEED);
    expect([0, 200, 377].map((i) => cellOf((cells[i] as (typeof cells)[number]).seed))).toEqual([
      cells[0],
      cells[200],
      cells[377],
    ]);
    expect(() => cellOf(SEED * 1_000 + 378)).toThrow(RangeError);
    expect(() => cellOf(-1)).toThrow(RangeError);
  });

  it('differ in arrivals from run to run', () => {
    const [cell] = grid(SEED) as [ReturnType<typeof grid>[number]];
    const setting = settingOf(cell);
    expect(worldOf(cell, setting, 0).arrivals).not.toEqual(worldOf(cell, setting, 1).arrivals);
  });
});

describe('a curve', () => {
  it('knows its best batch, its knee and its capacity', () => {
    const affine = curveOf('affine', 64, (rows) => 1_000 + 100 * rows);
    expect(affine.bestRows(Number.POSITIVE_INFINITY)).toBe(64);
    expect(affine.bestRows(2_050)).toBe(10);
    expect(affine.rowsPerS(2, 2_050)).toBeCloseTo((2 * 10 * 1e6) / 2_000, 6);
    expect(curveOf('proportional', 64, (rows) => 500 * rows).knee()).toBe(1);
    expect(curveOf('constant', 64, () => 500).knee()).toBe(63);
  });

  it('scatters around its mean, stalls as often as said, and shifts in the middle', () => {
    const random = new Random(SEED);
    const mean = (share: number, weather: { sigma: number; stalls: number; shift: number }) => {
      const curve = curveOf('constant', 1, () => 1_000, weather);
      let sum = 0;
      for (let i = 0; i < 50_000; i++) sum += curve.draw(1, share, random);
      return sum / 50_000;
    };
    expect(mean(0.1, { sigma: 0.3, stalls: 0, shift: 2 }) / 1_000).toBeCloseTo(1, 1);
    expect(mean(0.1, { sigma: 0, stalls: 0.1, shift: 2 }) / 1_300).toBeCloseTo(1, 1);
    expect(mean(0.6, { sigma: 0, stalls: 0, shift: 2 })).toBeCloseTo(2_000, 6);
  });
});

describe('what a smooth server attains', () => {
  /** 10,000 rows per second, one by one, until it shifts. */
  const world = (rate: number, shift = 1) => ({
    curve: curveOf('none', 1, () => 100, { sigma: 0, stalls: 0, shift }),
    lanes: 1,
    arrivals: drawArrivals({ ...stream, rate, kind: 'poisson' }),
    targetUs: 50_000,
    horizonUs: stream.horizonUs,
    warmUpUs: 0,
    seed: SEED,
  });

  it('is all that is offered below its rate, and its rate above it', () => {
    expect(attainable(world(5_000))).toBe(world(5_000).arrivals.length);
    expect(attainable(world(30_000)) / 200_000).toBeCloseTo(1, 2);
  });

  it('falls where the machine slows down', () => {
    expect(attainable(world(30_000, 2)) / 150_000).toBeCloseTo(1, 2);
  });

  it('is the same on steady arrivals where lanes never wait, and less in bursts by what batches of one cost', () => {
    expect(attainableAtOnce(world(5_000)) / attainable(world(5_000))).toBeCloseTo(1, 2);
    expect(attainableAtOnce(world(30_000)) / attainable(world(30_000))).toBeCloseTo(1, 2);
    // Eight rows in the time of one. A hundred at once: the first alone on its lane, then as many as 4 ms serve.
    const burst = {
      ...world(1),
      curve: curveOf('constant', 8, () => 1_000),
      arrivals: new Float64Array(100).fill(1),
      targetUs: 5_000,
    };
    expect(attainable(burst)).toBe(40);
    expect(attainableAtOnce(burst)).toBe(33);
  });
});
