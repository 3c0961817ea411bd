import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DATATYPES, type Datatype, datatype } from '../../src/core/datatype.ts';
import { LIFT_RESULT_LENGTH } from '../../src/native/binding.ts';
import { loadBinding } from '../../src/native/load.ts';
import { printNumbersReference } from '../../src/native/reference/numbers.ts';

const binding = loadBinding();
const printable = DATATYPES.filter((row) => !['FP16', 'BF16', 'BYTES'].includes(row.name));

function print(type: Datatype, elements: Uint8Array): string {
  const row = datatype(type);
  const count = elements.length / row.size;
  // At an odd offset on both sides, so that alignment is no precondition.
  const source = Buffer.concat([Buffer.from([9]), elements]);
  const target = Buffer.alloc(count * 32 + 3, 0xa5);
  const written = binding.printNumbers(row.id, source, 1, count, target, 3);
  expect(target.subarray(0, 3).every((byte) => byte === 0xa5)).toBe(true);
  return target.toString('latin1', 3, 3 + written);
}

/** The text lifted as a request's data again. */
function readBack(type: Datatype, text: string, bytes: number): Buffer {
  const target = binding.createTarget(['x'], [datatype(type).id], 1);
  const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"${type}","data":[${text}]}]}`);
  const destination = Buffer.alloc(bytes);
  const result = new Float64Array(LIFT_RESULT_LENGTH);
  const places = Float64Array.of(0, bytes);
  const status = binding.lift(target, body, 0, body.length, destination, places, Buffer.alloc(256), result, 100);
  binding.dropTarget(target);
  expect(status).toBe(0);
  return destination;
}

/** Bytes of up to 40 elements: random bits, and for floats random decimals too. */
function elementsOf(type: Datatype): fc.Arbitrary<Uint8Array> {
  const { size } = datatype(type);
  const bits = fc
    .uint8Array({ minLength: 0, maxLength: 40 * size })
    .map((bytes) => bytes.slice(0, Math.floor(bytes.length / size) * size));
  if (type === 'BOOL') return bits.map((bytes) => bytes.map((byte) => byte % 2));
  if (type === 'FP32')
    return fc.oneof(
      bits,
      decimals.map((values) => new Uint8Array(Float32Array.from(values).buffer)),
    );
  if (type === 'FP64')
    return fc.oneof(
      bits,
      decimals.map((values) => new Uint8Array(Float64Array.from(values).buffer)),
    );
  return bits;
}

const decimals = fc.array(
  fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -50, max: 40 })).map(([a, e]) => a * 10 ** e),
  { maxLength: 40 },
);

function floatsOf(type: 'FP32' | 'FP64', bytes: Uint8Array): number[] {
  const buffer = Uint8Array.from(bytes).buffer;
  return Array.from(type === 'FP32' ? new Float32Array(buffer) : new Float64Array(buffer));
}

/** Characters of the shortest scientific spelling, its exponent of two digits at least. */
function scientificLength(text: string): number {
  const [mantissa, exponent] = Number(text).toExponential().split('e');
  return mantissa.length + 2 + Math.max(2, exponent.length - 1) + (text === '-0' ? 1 : 0);
}

describe('printed numbers', () => {
  test.each(printable.map((row) => row.name))('of %s read back as the same bytes', (type) => {
    fc.assert(
      fc.property(elementsOf(type), (bytes) => {
        const finite = print(type, bytes);
        if (finite.includes('null')) return;
        expect(readBack(type, finite, bytes.length).equals(bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test.each(printable.map((row) => row.name).filter((type) => !type.startsWith('FP')))(
    'of %s are those of the reference',
    (type) => {
      fc.assert(
        fc.property(elementsOf(type), (bytes) => {
          expect(print(type, bytes)).toBe(printNumbersReference(type, bytes, 0, bytes.length / datatype(type).size));
        }),
      );
    },
  );

  test.each(['FP32', 'FP64'] as const)(
    'of %s are JSON, equal to the reference in value, and no longer than its shortest form',
    (type) => {
      fc.assert(
        fc.property(elementsOf(type), (bytes) => {
          const values = floatsOf(type, bytes);
          const text = print(type, bytes);
          expect(JSON.parse(`[${text}]`)).toHaveLength(values.length);
          if (values.length === 0) return;
          const ours = printNumbersReference(type, bytes, 0, values.length).split(',');
          for (const [i, theirs] of text.split(',').entries()) {
            if (!Number.isFinite(values[i])) {
              expect(theirs).toBe('null');
              continue;
            }
            const read = type === 'FP32' ? Math.fround(Number(theirs)) : Number(theirs);
            expect(Object.is(read, values[i]), `${theirs} for ${values[i]}`).toBe(true);
            expect(theirs.length, theirs).toBeLessThanOrEqual(scientificLength(ours[i]));
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  test('spell what JSON has no word for as null, and keep the sign of zero', () => {
    const values = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 0.1);
    expect(print('FP32', new Uint8Array(values.buffer))).toBe('null,null,null,-0,0,0.1');
  });

  test('are refused, not cut, where the room may not do', () => {
    const source = new Uint8Array(40);
    expect(binding.printNumbers(datatype('FP64').id, source, 0, 5, new Uint8Array(20), 0)).toBe(-1);
    expect(binding.printNumbers(datatype('INT64').id, source, 0, 0, new Uint8Array(0), 0)).toBe(0);
  });

  test.each(['FP16', 'BF16', 'BYTES'] as const)('do not exist for %s', (type) => {
    expect(() => binding.printNumbers(datatype(type).id, new Uint8Array(8), 0, 1, new Uint8Array(99), 0)).toThrow(
      TypeError,
    );
  });
});
