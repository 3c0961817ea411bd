import { describe, expect, test } from 'vitest';
import { classify } from '../../../src/codec/classification.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';
import { loadBinding } from '../../../src/native/load.ts';

const binding = loadBinding();

interface Ask {
  readonly type?: Datatype;
  readonly dims?: readonly number[];
  readonly batched?: boolean;
  readonly k?: number;
  readonly labels?: readonly string[] | null;
}

/** Classifies what lies behind three bytes of something else: nothing vouches for the alignment. */
function answer(
  values: ArrayBufferView,
  { type = 'FP32', dims = [4], batched = false, k = 2, labels = null }: Ask = {},
) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const memory = Buffer.concat([Buffer.from([1, 2, 3]), bytes]);
  return classify(binding, datatype(type), memory, 3, dims, batched, k, labels);
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
