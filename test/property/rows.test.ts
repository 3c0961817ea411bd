import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadBinding } from '../../src/native/load.ts';
import { gatherReference, type Span, scatterReference } from '../../src/native/reference/rows.ts';

const binding = loadBinding();
const SIZE = 256;

const source = fc.uint8Array({ minLength: SIZE, maxLength: SIZE });
const spans: fc.Arbitrary<Span[]> = fc.array(
  fc.tuple(fc.nat(SIZE), fc.nat(40)).map(([start, length]) => [start, Math.min(length, SIZE - start)] as const),
  { maxLength: 12 },
);

/** Disjoint pieces, in any order. */
const pieces: fc.Arbitrary<Span[]> = fc
  .uniqueArray(fc.nat(SIZE), { maxLength: 16 })
  .map((cuts) => cuts.toSorted((a, b) => a - b))
  .map((cuts) => cuts.slice(1).map((cut, i) => [cuts[i], cut - cuts[i]] as const))
  .chain((list) => fc.shuffledSubarray(list));

function flat(list: readonly Span[]): Float64Array {
  return Float64Array.from(list.flat());
}

test('gathered rows stand side by side in the order asked for', () => {
  fc.assert(
    fc.property(source, spans, (bytes, list) => {
      const expected = gatherReference(bytes, list);
      const target = new Uint8Array(new SharedArrayBuffer(expected.length + 9)).fill(0xa5);
      expect(binding.gather(bytes, flat(list), list.length, target, 5)).toBe(expected.length);
      expect(Buffer.from(target.subarray(5, 5 + expected.length)).equals(expected)).toBe(true);
      expect([...target.subarray(0, 5), ...target.subarray(5 + expected.length)]).toEqual(Array(9).fill(0xa5));
    }),
  );
});

test('scattered rows go where they belong and touch nothing else', () => {
  fc.assert(
    fc.property(source, pieces, (bytes, list) => {
      const expected = new Uint8Array(SIZE).fill(0xa5);
      const length = scatterReference(bytes, expected, list);
      const target = new Uint8Array(SIZE).fill(0xa5);
      expect(binding.scatter(Buffer.concat([Buffer.from('...'), bytes]), 3, target, flat(list), list.length)).toBe(
        length,
      );
      expect([...target]).toEqual([...expected]);
    }),
  );
});

test('scatter undoes gather', () => {
  fc.assert(
    fc.property(source, pieces, (bytes, list) => {
      const joined = new Uint8Array(SIZE);
      binding.gather(bytes, flat(list), list.length, joined, 0);
      const restored = new Uint8Array(bytes);
      for (const [start, length] of list) restored.fill(0, start, start + length);
      binding.scatter(joined, 0, restored, flat(list), list.length);
      expect([...restored]).toEqual([...bytes]);
    }),
  );
});

test('copy takes typed arrays and bare ArrayBuffers alike', () => {
  const from = Uint8Array.from([1, 2, 3, 4, 5, 6]);
  const to = new ArrayBuffer(6);
  binding.copy(from.buffer, 1, to, 2, 3);
  expect([...new Uint8Array(to)]).toEqual([0, 0, 2, 3, 4, 0]);
  binding.copy(from.subarray(3), 1, new Uint8Array(to, 1), 0, 2);
  expect([...new Uint8Array(to)]).toEqual([0, 5, 6, 3, 4, 0]);
});
