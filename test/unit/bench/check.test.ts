import { describe, expect, it } from 'vitest';
import { difference, rowOf } from '../../../bench/peers/check.ts';

describe('the check of an answer', () => {
  it('forgives the rounding of another batch size', () => {
    expect(difference([0.25, 100, -3], [0.250_05, 100.05, -3.001])).toBe('');
  });

  it('finds a wrong number, one that is none, and a wrong count', () => {
    expect(difference([0.25, 0.5], [0.25, 0.51])).toMatch(/number 1 is 0.51 for 0.5/);
    expect(difference([1], [Number.NaN])).toMatch(/NaN/);
    expect(difference([1, 2], [1])).toMatch(/1 numbers for 2/);
  });

  it('has rows that differ from each other', () => {
    const texts = Array.from({ length: 64 }, (_, i) => rowOf(784, i).join());
    expect(new Set(texts).size).toBe(64);
  });
});
