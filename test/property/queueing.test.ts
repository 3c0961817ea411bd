import { describe, expect, test } from 'vitest';
import { arrivals } from '../../src/load/arrivals.ts';
import { Random } from '../../src/load/random.ts';
import { play } from '../support/virtual-run.ts';

const SEED = 20_260_731;
const SERVICE_US = 1000;
const ARRIVALS = 3_000_000;

/** Mean wait of Poisson arrivals drawn by the generator at one server, over its schedule on virtual time. */
function meanWaitUs(load: number, service: () => number): number {
  const rate = (load * 1e6) / SERVICE_US;
  let sum = 0;
  let count = 0;
  const seen = (waitUs: number) => {
    sum += waitUs;
    count++;
  };
  play(arrivals('poisson', rate, SEED), 1, service, seen, (ARRIVALS / rate) * 1e6);
  return sum / count;
}

describe.each([0.5, 0.8, 0.9])('at load %d, on virtual time', (load) => {
  test('the mean wait at a server of constant service time is that of M/D/1 within 2 %', () => {
    const theory = (load * SERVICE_US) / (2 * (1 - load));
    expect(Math.abs(meanWaitUs(load, () => SERVICE_US) / theory - 1)).toBeLessThan(0.02);
  }, 60_000);

  test('the mean wait at a server of exponential service time is that of M/M/1 within 2 %', () => {
    const random = new Random(SEED + 1);
    const theory = (load * SERVICE_US) / (1 - load);
    expect(Math.abs(meanWaitUs(load, () => random.exponential(SERVICE_US)) / theory - 1)).toBeLessThan(0.02);
  }, 60_000);
});
