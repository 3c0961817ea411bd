import { describe, expect, test } from 'vitest';
import { Callers } from '../../../src/batching/callers.ts';

const MEMORY_US = 100_000;
const ALL = { due: 1 };

const having = (us: number, arrivalUs = 0) => ({ rows: 1, arrivalUs, deadlineUs: arrivalUs + us });

/** What can be in time with so much of it: batches of n rows take 1 ms and 0.1 ms a row, and twice that must fit. */
const capacity = (us: number): number => {
  const rows = Math.floor((us / 2 - 1000) / 100);
  return rows >= 1 ? rows / (1000 + 100 * rows) : 1 / 1100;
};

/** The time that is found after a while of so many rows a microsecond of each kind. */
function found(kinds: readonly { us: number; perUs: number }[]): number {
  const callers = new Callers(MEMORY_US);
  const arrivals = kinds.flatMap(({ us, perUs }) =>
    Array.from({ length: Math.floor(10 * MEMORY_US * perUs) }, (_, i) => ({ us, atUs: i / perUs })),
  );
  for (const { us, atUs } of arrivals.sort((a, b) => a.atUs - b.atUs)) callers.learn(having(us, atUs), ALL, atUs);
  return callers.typicalUs(10 * MEMORY_US, capacity);
}

describe('the time that batches are sized for', () => {
  test.each([
    ['is everybody’s where all have the same', [{ us: 12_345, perUs: 0.003 }], 12_345],
    [
      'is not that of a few in a hurry',
      [
        { us: 50_000, perUs: 0.006 },
        { us: 2500, perUs: 0.001 },
      ],
      50_000,
    ],
    [
      'is theirs where all can be served with it',
      [
        { us: 50_000, perUs: 0.002 },
        { us: 10_000, perUs: 0.001 },
      ],
      10_000,
    ],
    [
      'is theirs where they are most',
      [
        { us: 50_000, perUs: 0.001 },
        { us: 5000, perUs: 0.005 },
      ],
      5000,
    ],
    [
      'is not theirs where hardly any of them could be served',
      [
        { us: 50_000, perUs: 0.001 },
        { us: 1100, perUs: 0.004 },
      ],
      50_000,
    ],
  ])('%s', (_, kinds, us) => {
    expect(found(kinds)).toBeCloseTo(us);
  });

  test('follows callers who have changed', () => {
    const callers = new Callers(MEMORY_US);
    for (let i = 0; i < 2000; i++) callers.learn(having(50_000), ALL, 100 * i);
    for (let i = 0; i < 4000; i++) callers.learn(having(5000), ALL, 200_000 + 1000 * i);
    expect(callers.typicalUs(4_200_000, capacity)).toBeCloseTo(5000);
  });

  test('is nobody’s where nobody has named any, and what is no time names none', () => {
    const callers = new Callers(MEMORY_US);
    for (const us of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) callers.learn(having(us), ALL, 0);
    expect(callers.typicalUs(0, capacity)).toBe(0);
    callers.learn(having(1e-9), ALL, 1);
    expect(callers.typicalUs(2, capacity)).toBeCloseTo(1e-9);
  });
});
