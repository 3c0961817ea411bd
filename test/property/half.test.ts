import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadBinding } from '../../src/native/load.ts';
import { BF16, FP16, narrowReference, widenReference } from '../../src/native/reference/half.ts';

const binding = loadBinding();
const FORMATS = [
  { name: 'FP16', format: FP16, widen: binding.fp16ToFp32, narrow: binding.fp32ToFp16 },
  { name: 'BF16', format: BF16, widen: binding.bf16ToFp32, narrow: binding.fp32ToBf16 },
];

/** Converts at odd offsets: alignment is no precondition. */
function convert(kernel: typeof binding.fp16ToFp32, source: Uint8Array, count: number, size: number): ArrayBuffer {
  const shifted = Buffer.concat([Buffer.from([1]), source]);
  const target = new Uint8Array(3 + count * size + 1).fill(0xa5);
  kernel(shifted, 1, target, 3, count);
  expect([target[2], target[3 + count * size]]).toEqual([0xa5, 0xa5]);
  return target.slice(3, 3 + count * size).buffer;
}

describe.each(FORMATS)('$name', ({ format, widen, narrow }) => {
  const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  const wide = new Float32Array(convert(widen, new Uint8Array(all.buffer), all.length, 4));

  test('every value widens exactly', () => {
    const wrong = all.filter((bits) => !Object.is(wide[bits], widenReference(format, bits)));
    expect([...wrong]).toEqual([]);
  });

  test('every value narrows back to its own bits, NaN to a quiet NaN', () => {
    const back = new Uint16Array(convert(narrow, new Uint8Array(wide.buffer), all.length, 2));
    const quiet = narrowReference(format, Number.NaN);
    const wrong = all.filter((bits) =>
      Number.isNaN(wide[bits]) ? (back[bits] & quiet) !== quiet : back[bits] !== bits,
    );
    expect([...wrong]).toEqual([]);
  });

  test('float32 narrows to the nearest, ties to even', () => {
    const near = fc
      .tuple(fc.nat(65_535), fc.nat(65_535), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([a, b, t]) => {
        return widenReference(format, a) * (1 - t) + widenReference(format, b) * t;
      });
    const halfway = fc.nat(0x7ffe).map((bits) => {
      return (widenReference(format, bits) + widenReference(format, bits + 1)) / 2;
    });
    const nudged = fc.tuple(halfway, fc.constantFrom(-1, 1)).map(([value, sign]) => value * (1 + sign * 2 ** -22));
    const any = fc.oneof(
      fc.float(),
      near,
      halfway,
      halfway.map((value) => -value),
      nudged,
      fc.constantFrom(65_504, 65_519.99, 65_520, 1e-8),
    );
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 20 }), (values) => {
        const floats = Float32Array.from(values).filter((value) => !Number.isNaN(value));
        const narrowed = new Uint16Array(convert(narrow, new Uint8Array(floats.buffer), floats.length, 2));
        expect([...narrowed]).toEqual([...floats].map((value) => narrowReference(format, value)));
      }),
      { numRuns: 3000 },
    );
  });
});
