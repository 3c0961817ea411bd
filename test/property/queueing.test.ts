import { describe, expect, test } from 'vitest';
import { arrivals } from '../../src/load/arrivals.ts';
import { Random } from '../../src/load/random.ts';
import { play } from '../support/virtual-run.ts';

const SEED = 20_260_731;
const SERVICE_US = 1000;
const ARRIVALS = 3_000_000;
/** Loads, and seeds of exponential service: one leaves 1.3 % of chance (one sigma) at 0.9 and 0.6 % at 0.8, 2 % are asked. */
const LOADS = [
  [0.5, 1],
  [0.8, 1],
  [0.9, 4],
] as const;

/** Mean wait of Poisson arrivals drawn by the generator at one server, over its schedule on virtual time. */
function meanWaitUs(load: number, seeds: number, serviceOf: (seed: number) => () => number): number {
  const rate = (load * 1e6) / SERVICE_US;
  let sum = 0;
  let count = 0;
  const seen = (waitUs: number) => {
    sum += waitUs;
    count++;
  };
  for (let seed = SEED; seed < SEED + seeds; seed++) {
    play(arrivals('poisson', rate, seed), 1, serviceOf(seed), seen, (ARRIVALS / rate) * 1e6);
  }
  return sum / count;
}

describe.each(LOADS)(`at load %d, on virtual time, up to %d seeds from ${SEED}`, (load, seeds) => {
  test('the mean wait at a server of constant service time is that of M/D/1 within 2 %', () => {
    const theory = (load * SERVICE_US) / (2 * (1 - load));
    const found = meanWaitUs(load, 1, () => () => SERVICE_US);
    expect(Math.abs(found / theory - 1)).toBeLessThan(0.02);
  }, 60_000);

  test('the mean wait at a server of exponential service time is that of M/M/1 within 2 %', () => {
    const theory = (load * SERVICE_US) / (1 - load);
    const found = meanWaitUs(load, seeds, (seed) => {
      const random = new Random(seed + 1_000_000);
      return () => random.exponential(SERVICE_US);
    });
    expect(Math.abs(found / theory - 1)).toBeLessThan(0.02);
  }, 60_000);
});
