import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadBinding } from '../../src/native/load.ts';
import { random } from '../support/fixtures/random.ts';

const binding = loadBinding();
const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);

/** Between guards, so that a value too many is seen. */
function softmax(values: readonly number[], rows: number, width: number): number[] {
  const target = new Float32Array(rows * width + 2).fill(-7);
  binding.softmax(bytesOf(Float32Array.from(values)), 0, bytesOf(target), 4, rows, width);
  expect([target[0], target.at(-1)]).toEqual([-7, -7]);
  return [...target.slice(1, -1)];
}

function sigmoid(values: readonly number[]): number[] {
  const target = new Float32Array(values.length);
  binding.sigmoid(bytesOf(Float32Array.from(values)), 0, bytesOf(target), 0, values.length);
  return [...target];
}

function topK(values: readonly number[], rows: number, k: number): number[][] {
  const indices = new Uint32Array(rows * k + 1).fill(99);
  const width = values.length / rows;
  binding.topK(bytesOf(Float32Array.from(values)), 0, rows, width, k, indices);
  expect(indices[rows * k]).toBe(99);
  return Array.from({ length: rows }, (_, row) => [...indices.slice(row * k, (row + 1) * k)]);
}

/** By the formula, in double. */
function softmaxReference(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function topKReference(row: readonly number[], k: number): number[] {
  const key = (i: number) => (Number.isNaN(row[i]) ? -2 : row[i] === Number.NEGATIVE_INFINITY ? -1 : 0);
  return row
    .map((_, i) => i)
    .sort((a, b) => key(b) - key(a) || (row[a] === row[b] || key(a) === -2 ? a - b : row[a] < row[b] ? 1 : -1))
    .slice(0, k);
}

/** Equal but for rounding: of the exponent's argument (in float32, so relative to it) and of the result. */
function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    if (Number.isNaN(value)) expect(actual[i]).toBeNaN();
    else expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(1e-5 * value + 1e-30);
  }
}

const float = fc.oneof(fc.float({ noNaN: true, min: -100, max: 100 }), fc.integer({ min: -3, max: 3 }));
const anyFloat = fc.oneof(float, fc.float(), fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -0));

describe(`with seed ${SEED} (PENSTOCK_SEED)`, () => {
  console.log(`scores: seed ${SEED}`);

  test('softmax is the formula, row by row, and sums to one', () => {
    const rows = fc
      .integer({ min: 1, max: 5 })
      .chain((count) =>
        fc
          .integer({ min: 1, max: 40 })
          .chain((width) =>
            fc.array(fc.array(float, { minLength: width, maxLength: width }), { minLength: count, maxLength: count }),
          ),
      );
    fc.assert(
      fc.property(rows, (values) => {
        const width = values[0].length;
        const found = softmax(values.flat(), values.length, width);
        for (const [i, row] of values.entries()) {
          const mine = found.slice(i * width, (i + 1) * width);
          expectClose(mine, softmaxReference(row.map(Math.fround)));
          expect(mine.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('sigmoid is the formula, and never overflows', () => {
    fc.assert(
      fc.property(fc.array(anyFloat), (values) => {
        const expected = values
          .map(Math.fround)
          .map((x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))));
        expectClose(sigmoid(values), expected);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('top-k is the beginning of a stable sort, NaN last', () => {
    fc.assert(
      fc.property(fc.array(anyFloat, { minLength: 1, maxLength: 60 }), fc.nat(60), (values, k) => {
        const row = values.map(Math.fround);
        const count = Math.min(k, row.length);
        expect(topK(row, 1, count)).toEqual([topKReference(row, count)]);
        expect(topK([...row, ...row], 2, count)).toEqual([topKReference(row, count), topKReference(row, count)]);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test('top-k of a long row of few different values', () => {
    const next = random(SEED);
    const row = Array.from({ length: 100_000 }, () => Math.floor(next() * 50));
    for (const k of [1, 5, 1000, 100_000]) expect(topK(row, 1, k)).toEqual([topKReference(row, k)]);
  });
});

test('softmax by hand: large values do not overflow, infinities and NaN are what the formula gives', () => {
  expect(softmax([0, 0, 0, 0], 1, 4)).toEqual([0.25, 0.25, 0.25, 0.25]);
  expect(softmax([1e38, 1e38, -1e38, 0], 2, 2)).toEqual([0.5, 0.5, 0, 1]);
  expect(softmax([0, -Infinity], 1, 2)).toEqual([1, 0]);
  expect(softmax([1, Number.NaN, 2, Number.NaN, 1, 2], 2, 3)).toEqual(Array(6).fill(Number.NaN));
  expect(softmax([Infinity, 1, -Infinity, -Infinity], 2, 2)).toEqual(Array(4).fill(Number.NaN));
  expect(softmax([5, 6, 7], 3, 1)).toEqual([1, 1, 1]);
  expect(softmax([], 3, 0)).toEqual([]);
});

test('sigmoid by hand', () => {
  expect(sigmoid([0, Infinity, -Infinity, 1e30, -1e30, Number.NaN])).toEqual([0.5, 1, 0, 1, 0, Number.NaN]);
});

test('top-k by hand', () => {
  expect(topK([3, 1, 3, Number.NaN, -Infinity, 2], 1, 6)).toEqual([[0, 2, 5, 1, 4, 3]]);
  expect(topK([0, -0, Number.NaN, Number.NaN], 1, 4)).toEqual([[0, 1, 2, 3]]);
  expect(topK([1, 2, 4, 3], 2, 1)).toEqual([[1], [0]]);
  expect(topK([1, 2], 1, 0)).toEqual([[]]);
});

test('softmax and sigmoid may be done in place', () => {
  const values = Float32Array.of(0, 0, 1e9, 1e9);
  binding.softmax(bytesOf(values), 0, bytesOf(values), 0, 2, 2);
  expect([...values]).toEqual([0.5, 0.5, 0.5, 0.5]);
  values.fill(0);
  binding.sigmoid(bytesOf(values), 0, bytesOf(values), 0, 4);
  expect([...values]).toEqual([0.5, 0.5, 0.5, 0.5]);
});
