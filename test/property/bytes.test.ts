import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadBinding } from '../../src/native/load.ts';
import { isUtf8Reference, joinBytesReference, splitBytesReference } from '../../src/native/reference/bytes.ts';

const binding = loadBinding();
const BEFORE = 3;

function split(tensor: Uint8Array, count: number, text: boolean): { result: number; elements: Uint8Array[] } {
  const source = Buffer.concat([Buffer.alloc(BEFORE, 0xff), tensor, Buffer.alloc(5)]);
  const offsets = new Uint32Array(2 * count);
  const result = binding.splitBytes(source, BEFORE, tensor.length, count, offsets, text);
  const found = result === -1 ? count : 0;
  const elements = Array.from({ length: found }, (_, i) => {
    return source.subarray(offsets[2 * i], offsets[2 * i] + offsets[2 * i + 1]);
  });
  return { result, elements };
}

/** (start, length) of each element where they lie side by side from `start` on. */
function pairsOf(list: readonly Uint8Array[], start: number): Uint32Array {
  const pairs = new Uint32Array(2 * list.length);
  let at = start;
  for (const [i, bytes] of list.entries()) {
    pairs.set([at, bytes.length], 2 * i);
    at += bytes.length;
  }
  return pairs;
}

const element = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => new Uint8Array(Buffer.from(text))),
);
const elements = fc.array(element, { maxLength: 8 });
const utf8Fragments = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 3 }),
    fc
      .constantFrom(
        ...[
          'c080',
          'e08080',
          'eda080',
          'edbfbf',
          'ee8080',
          'f0808080',
          'f08fbfbf',
          'f0908080',
          'f48fbfbf',
          'f4908080',
          'f5808080',
        ],
        ...['c2', 'e1bf', 'f1bfbf', '80', 'ff', 'fe', 'efbbbf', 'efbfbf', '00', '7f', '6162636465666768'],
      )
      .map((hex) => Buffer.from(hex, 'hex')),
  ),
);

describe('BYTES tensors', () => {
  test('join and split are inverse', () => {
    fc.assert(
      fc.property(elements, (list) => {
        const source = Buffer.concat([Buffer.from('..'), ...list]);
        const pairs = pairsOf(list, 2);
        const expected = joinBytesReference(list);
        const target = Buffer.alloc(expected.length + 1 + 4, 0xa5);
        const written = binding.joinBytes(source, pairs, list.length, target, 1);
        expect(written).toBe(expected.length);
        expect(target.subarray(1, 1 + written).equals(expected)).toBe(true);
        expect(target.readUInt32LE(1 + written)).toBe(0xa5a5a5a5);
        expect(split(expected, list.length, false).elements.map((bytes) => [...bytes])).toEqual(
          list.map((bytes) => [...bytes]),
        );
      }),
    );
  });

  test('join says where there is no room', () => {
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 5 }), fc.nat(60), (list, missing) => {
        const source = Buffer.concat(list);
        const pairs = pairsOf(list, 0);
        const length = joinBytesReference(list).length;
        const room = Math.max(0, length - 1 - missing);
        expect(binding.joinBytes(source, pairs, list.length, new Uint8Array(room), 0)).toBe(-1);
      }),
    );
  });

  test('split finds the same elements, or the same one at fault, in good, cut, lying and random tensors', () => {
    const tensor = fc
      .record({
        list: elements,
        at: fc.nat(99),
        byte: fc.option(fc.nat(255)),
        cut: fc.nat(3),
        more: fc.uint8Array({ maxLength: 5 }),
      })
      .map(({ list, at, byte, cut, more }) => {
        const bytes = Buffer.from(joinBytesReference(list));
        if (byte !== null && bytes.length > 0) bytes[at % bytes.length] = byte;
        return Buffer.concat([bytes.subarray(0, Math.max(0, bytes.length - cut)), more]);
      });
    fc.assert(
      fc.property(
        fc.oneof(tensor, elements.map(joinBytesReference), fc.uint8Array()),
        fc.nat(9),
        fc.boolean(),
        (bytes, count, text) => {
          const ours = splitBytesReference(bytes, count, text);
          const theirs = split(bytes, count, text);
          expect(theirs.result).toBe(ours.result);
          if (ours.result !== -1) return;
          expect(theirs.elements.map((e) => [...e])).toEqual(ours.elements.map((e) => [...e]));
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('a text with a NUL or a broken character is told from broken framing', () => {
    const good = new Uint8Array([1, 0, 0, 0, 0x61]);
    expect(split(joinBytesReference([Buffer.from('a'), Buffer.from([0])]), 2, true).result).toBe(1 + 2 ** 31);
    expect(split(joinBytesReference([Buffer.from([0xff])]), 1, true).result).toBe(2 ** 31);
    expect(split(joinBytesReference([Buffer.from([0xff])]), 1, false).result).toBe(-1);
    expect(split(good, 2, true).result).toBe(1);
    expect(split(good, 0, true).result).toBe(0);
  });
});

test('isUtf8 is what the decoder of the platform accepts', () => {
  fc.assert(
    fc.property(utf8Fragments, (fragments) => {
      const bytes = Buffer.concat(fragments);
      expect(binding.isUtf8(Buffer.concat([Buffer.from([0xff]), bytes]), 1, bytes.length)).toBe(isUtf8Reference(bytes));
    }),
    { numRuns: 2000 },
  );
});
