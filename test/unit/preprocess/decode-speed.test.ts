import { describe, expect, test } from 'vitest';
import { beginsUs, DecodeSpeed } from '../../../src/preprocess/decode-speed.ts';

const model = {};
const other = {};

function learned(ratios: readonly number[], kind: object = model): DecodeSpeed {
  const speed = new DecodeSpeed();
  for (const ratio of ratios) speed.learn(kind, 1000, 1000 * ratio);
  return speed;
}

describe('the time for work', () => {
  test('is what the rates say before the first pictures', () => {
    expect([new DecodeSpeed().us(12_345), new DecodeSpeed().us(12_345, model)]).toEqual([12_345, 12_345]);
  });

  test('is learned within three pictures, and again when the machine changes', () => {
    expect(learned([3, 3, 3]).us(1000)).toBe(3000);
    expect(learned([...Array(100).fill(3), ...Array(8).fill(0.5)]).us(1000)).toBe(500);
  });

  test('is that of its own kind where it has been seen, and that of all before', () => {
    const speed = learned([2, 2, 2, 2]);
    expect([speed.us(1000, model), speed.us(1000, other)]).toEqual([2000, 2000]);
    for (let i = 0; i < 3; i++) speed.learn(other, 1000, 7000);
    expect([speed.us(1000, model), speed.us(1000, other)]).toEqual([2000, 7000]);
  });

  test.each([Number.NaN, -5, 0, Number.POSITIVE_INFINITY])('is not learned from %d', (ratio) => {
    expect(learned(Array(20).fill(ratio)).us(1000, model)).toBe(1000);
  });

  test('is not changed by the very first picture, whatever that took', () => {
    expect([learned([1e9]).us(1000), learned([1e-9]).us(1000)]).toEqual([1000, 1000]);
  });
});

describe('who comes behind work is begun', () => {
  test.each([
    ['at once where a thread is free', [0, 500], 0, 0],
    ['when the first thread is free', [300, 500], 0, 300],
    ['behind what the free one is given first', [0, 500], 200, 200],
    ['when both are', [0, 500], 500, 500],
    ['behind what both of them share', [0, 500], 900, 700],
    ['whatever the order of threads', [500, 0, 200], 1000, 567],
    ['on one thread', [40], 60, 100],
  ])('%s', (_what, freeUs, aheadUs, expected) => {
    expect(Math.round(beginsUs(freeUs, aheadUs))).toBe(expected);
  });
});
