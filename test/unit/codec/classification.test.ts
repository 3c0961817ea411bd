import { describe, expect, test } from 'vitest';
import { classify } from '../../../src/codec/classification.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';
import { loadBinding } from '../../../src/native/load.ts';

const real = loadBinding();

interface Ask {
  readonly type?: Datatype;
  readonly dims?: readonly number[];
  readonly batched?: boolean;
  readonly k?: number;
  readonly labels?: readonly string[] | null;
}

let printed = 0;
const printNumbers: typeof real.printNumbers = (...values) => {
  printed += values[3];
  return real.printNumbers(...values);
};
const binding = { ...real, printNumbers };

/** Classifies what lies behind three bytes of something else: nothing vouches for the alignment. */
function answer(
  values: ArrayBufferView,
  { type = 'FP32', dims = [4], batched = false, k = 2, labels = null }: Ask = {},
) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const memory = Buffer.concat([Buffer.from([1, 2, 3]), bytes]);
  return classify(binding, datatype(type), memory, 3, dims, batched, k, labels);
}

/** 3 rows of 100 numbers from -8 to 7 in no order, many of them equal. */
const MANY = Array.from({ length: 300 }, (_, i) => (((i * 7919) % 1009) % 16) - 8);

/** The indices of the k largest of each row of 100. */
function ranked(values: readonly number[], k: number): number[] {
  return [0, 100, 200].flatMap((start) => {
    const row = values.slice(start, start + 100);
    const order = row.map((_, i) => i).sort((a, b) => (row[b] as number) - (row[a] as number) || a - b);
    return order.slice(0, k);
  });
}

const NARROW = Uint16Array.of(0x3c00, 0x4000, 0xc000, 0x3800);

describe('the k largest of every row', () => {
  test.each<[Datatype, ArrayBufferView, string[]]>([
    ['FP32', Float32Array.of(0.1, 0.7, -1, 0.2), ['0.7:1', '0.2:3']],
    ['FP64', Float64Array.of(0.1, 0.7, -1, 0.2), ['0.7:1', '0.2:3']],
    ['FP16', NARROW, ['2:1', '1:0']],
    ['BF16', Uint16Array.of(0x3f80, 0x4000, 0xc000, 0x3f00), ['2:1', '1:0']],
    ['INT64', BigInt64Array.of(-5n, 2n ** 62n, 7n, 1n), ['4611686018427387904:1', '7:2']],
    ['UINT8', Uint8Array.of(3, 255, 0, 254), ['255:1', '254:3']],
    ['BOOL', Uint8Array.of(0, 1, 0, 1), ['1:1', '1:3']],
  ])('of %s, printed as short as they can be', (type, values, strings) => {
    expect(answer(values, { type })).toEqual({ strings, dims: [2] });
  });

  test.each<[Datatype, ArrayBufferView]>([
    ['FP32', Float32Array.from(MANY)],
    ['FP64', Float64Array.from(MANY)],
    ['INT64', BigInt64Array.from(MANY, BigInt)],
    ['INT32', Int32Array.from(MANY)],
    ['INT16', Int16Array.from(MANY)],
    ['INT8', Int8Array.from(MANY)],
  ])('of %s, whatever their order, and nothing else is printed', (type, values) => {
    for (const k of [1, 2, 7, 99, 100]) {
      printed = 0;
      const { strings } = answer(values, { type, dims: [3, 100], batched: true, k });
      const indices = ranked(MANY, k);
      const texts = [0, 100, 200].flatMap((start, row) =>
        indices.slice(row * k, (row + 1) * k).map((index) => `${MANY[start + index]}:${index}`),
      );
      expect([strings, printed]).toEqual([texts, 3 * k]);
    }
  });

  test('of unsigned and of large integers', () => {
    const words = BigUint64Array.of(2n ** 63n, 2n ** 64n - 1n, 0n, 2n ** 32n);
    expect(answer(words, { type: 'UINT64', k: 4 }).strings).toEqual([
      '18446744073709551615:1',
      '9223372036854775808:0',
      '4294967296:3',
      '0:2',
    ]);
    const signed = BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 53n, -(2n ** 32n));
    expect(answer(signed, { type: 'INT64', k: 4 }).strings).toEqual([
      '9007199254740992:2',
      '-1:1',
      '-4294967296:3',
      '-9223372036854775808:0',
    ]);
    expect(answer(Uint32Array.of(1, 2 ** 32 - 1), { type: 'UINT32', dims: [2] }).strings).toEqual([
      '4294967295:1',
      '1:0',
    ]);
    expect(answer(Uint16Array.of(1, 2 ** 16 - 1), { type: 'UINT16', dims: [2] }).strings).toEqual(['65535:1', '1:0']);
  });

  test('row by row, with labels where there are some, and k bounded by the classes', () => {
    const values = Float32Array.of(1, 2, 3, 6, 5, 4);
    expect(answer(values, { dims: [2, 3], batched: true, k: 9, labels: ['cat', 'dog'] })).toEqual({
      strings: ['3:2', '2:1:dog', '1:0:cat', '6:0:cat', '5:1:dog', '4:2'],
      dims: [2, 3],
    });
    expect(answer(values, { dims: [2, 3], k: 1 })).toEqual({ strings: ['6:3'], dims: [1] });
  });

  test('equal values by index, infinities in their places, NaN last', () => {
    const values = Float32Array.of(Number.NaN, -Infinity, 5, 5, Infinity, 0);
    const strings = ['Infinity:4', '5:2', '5:3', '0:5', '-Infinity:1', 'NaN:0'];
    expect(answer(values, { dims: [6], k: 6 }).strings).toEqual(strings);
    expect(answer(Float64Array.from(values), { type: 'FP64', dims: [6], k: 6 }).strings).toEqual(strings);
    const halves = Uint16Array.of(0x7e00, 0xfc00, 0x4500, 0x4500, 0x7c00, 0);
    expect(answer(halves, { type: 'FP16', dims: [6], k: 6 }).strings).toEqual(strings);
  });

  test('no rows, no classes, k of 0', () => {
    expect(answer(new Float32Array(0), { dims: [0, 4], batched: true })).toEqual({ strings: [], dims: [0, 2] });
    expect(answer(new Float32Array(0), { dims: [3, 0], batched: true })).toEqual({ strings: [], dims: [3, 0] });
    expect(answer(Float32Array.of(1, 2, 3, 4), { k: 0 })).toEqual({ strings: [], dims: [0] });
  });
});
