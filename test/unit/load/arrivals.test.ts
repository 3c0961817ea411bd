import { describe, expect, it } from 'vitest';
import { arrivals, HIGHEST_RATE } from '../../../src/load/arrivals.ts';
import { Random } from '../../../src/load/random.ts';

function take(kind: 'poisson' | 'uniform' | 'bursty', rate: number, seed: number, count: number): number[] {
  const times = arrivals(kind, rate, seed);
  return Array.from({ length: count }, () => times.next());
}

describe('chance from a seed', () => {
  it('is even on [0, 1)', () => {
    const random = new Random(1);
    const bins = new Array<number>(20).fill(0);
    const n = 200_000;
    for (let i = 0; i < n; i++) (bins[Math.floor(random.uniform() * bins.length)] as number)++;
    const chi = bins.reduce((sum, count) => sum + (count - n / bins.length) ** 2 / (n / bins.length), 0);
    expect(chi).toBeLessThan(43.8); // 19 degrees of freedom, one in a thousand
  });

  it('is exponential with mean and deviation equal, and without memory from draw to draw', () => {
    const random = new Random(2);
    const draws = Array.from({ length: 400_000 }, () => random.exponential(3));
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    const lag1 = draws.slice(1).reduce((sum, x, i) => sum + (x - mean) * ((draws[i] as number) - mean), 0);
    expect(mean / 3).toBeCloseTo(1, 2);
    expect(variance / 9).toBeCloseTo(1, 1);
    expect(Math.abs(lag1 / draws.length / variance)).toBeLessThan(0.01);
  });

  it.each([0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 40, 0.5])(
    'gives the same for seed %d again, and other for the next',
    (seed) => {
      const draw = (from: number) => {
        const random = new Random(from);
        return [random.uniform(), random.uniform(), random.uniform()];
      };
      expect(draw(seed)).toEqual(draw(seed));
      expect(draw(seed)).not.toEqual(draw(seed + 1));
    },
  );
});

describe('drawn arrivals', () => {
  it.each(['poisson', 'uniform', 'bursty'] as const)(
    '%s: whole, never falling, at the rate, the same for a seed',
    (kind) => {
      const rate = 2500;
      const times = take(kind, rate, 7, 100_000);
      expect(times).toEqual(take(kind, rate, 7, 100_000));
      expect(times.every((us, i) => Number.isInteger(us) && us >= (times[i - 1] ?? 0))).toBe(true);
      expect(times.length / ((times.at(-1) as number) / 1e6) / rate).toBeCloseTo(1, 1);
    },
  );

  it('poisson: as many gaps below the mean as an exponential has', () => {
    const times = take('poisson', 100, 8, 50_000);
    const short = times.filter((us, i) => us - (times[i - 1] ?? 0) < 10_000).length;
    expect(short / times.length).toBeCloseTo(1 - Math.exp(-1), 2);
  });

  it('uniform: even gaps that do not drift', () => {
    expect(take('uniform', 3, 1, 6)).toEqual([333_333, 666_666, 1e6, 1_333_333, 1_666_666, 2e6]);
  });

  it('bursty: four times the rate in the first quarter of every 400 ms, silence in the rest', () => {
    const times = take('bursty', 1000, 9, 40_000);
    expect(times.every((us) => us % 400_000 < 100_000)).toBe(true);
    const inBursts = new Set(times.map((us) => Math.floor(us / 400_000)));
    expect(times.length / inBursts.size / 400).toBeCloseTo(1, 1);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, HIGHEST_RATE + 1])('refuses the rate %d', (rate) => {
    expect(() => arrivals('poisson', rate, 1)).toThrow(RangeError);
  });
});
