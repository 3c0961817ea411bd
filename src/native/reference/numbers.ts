/** Elements as JSON text, both ways, one at a time: the reference of the number kernels. For tests only. */

import { type Datatype, datatype } from '../../core/datatype.ts';
import { LiftStatus } from '../binding.ts';
import { MAX_NUMBER_LENGTH } from './json.ts';

const INTEGERS: Partial<Record<Datatype, readonly [bigint, bigint]>> = {
  BOOL: [0n, 1n],
  UINT8: [0n, 2n ** 8n - 1n],
  UINT16: [0n, 2n ** 16n - 1n],
  UINT32: [0n, 2n ** 32n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-(2n ** 7n), 2n ** 7n - 1n],
  INT16: [-(2n ** 15n), 2n ** 15n - 1n],
  INT32: [-(2n ** 31n), 2n ** 31n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** A number text as little-endian bytes of `type`, or the status that says why it is none. */
export function encodeNumber(type: Datatype, text: string): Uint8Array | number {
  if (text.length > MAX_NUMBER_LENGTH) return LiftStatus.ELEMENT_RANGE;
  const range = INTEGERS[type];
  if (range === undefined) return encodeFloat(type, Number(text));
  const value = wholeNumber(text);
  if (typeof value === 'number') return value;
  if (value < range[0] || value > range[1]) return LiftStatus.ELEMENT_RANGE;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes.subarray(0, datatype(type).size);
}

/** A finite double as FP32 or FP64 bytes, or the status that says why it is none. */
export function encodeFloat(type: Datatype, value: number): Uint8Array | number {
  const narrow = type === 'FP32' ? Math.fround(value) : value;
  if (!Number.isFinite(narrow)) return LiftStatus.ELEMENT_RANGE;
  return floatBytes(type, narrow);
}

/** Any float32 or float64, NaN and the infinities too, as bytes. */
export function floatBytes(type: Datatype, value: number): Uint8Array {
  return new Uint8Array(type === 'FP32' ? Float32Array.of(value).buffer : Float64Array.of(value).buffer);
}

/** The whole number a text spells, or ELEMENT_FRACTION, or ELEMENT_RANGE where it is beyond any 64-bit integer. */
function wholeNumber(text: string): bigint | number {
  const [, sign, whole, fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '').replace(/0+$/, '');
  const dropped = (whole + fraction).length - (whole + fraction).replace(/0+$/, '').length;
  if (digits === '') return 0n;
  const exponent = BigInt(power) - BigInt(fraction.length) + BigInt(dropped);
  if (exponent < 0n) return LiftStatus.ELEMENT_FRACTION;
  if (exponent > 20n) return LiftStatus.ELEMENT_RANGE;
  return BigInt(`${sign}${digits}${'0'.repeat(Number(exponent))}`);
}

/** `count` elements from `offset` on as comma-separated JSON: shortest for floats, exact for integers. */
export function printNumbersReference(type: Datatype, source: Uint8Array, offset: number, count: number): string {
  const { size } = datatype(type);
  return Array.from({ length: count }, (_, i) =>
    printOne(type, source.subarray(offset + i * size, offset + i * size + size)),
  ).join();
}

function printOne(type: Datatype, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (type === 'BOOL') return bytes[0] === 0 ? 'false' : 'true';
  if (type === 'FP32') return shortestFloat32(view.getFloat32(0, true));
  if (type === 'FP64') return printDouble(view.getFloat64(0, true));
  const padded = Buffer.alloc(8);
  padded.set(bytes);
  const bits = padded.readBigUInt64LE();
  return String(type.startsWith('U') ? bits : BigInt.asIntN(bytes.length * 8, bits));
}

function printDouble(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The first precision whose text reads back as the same float32. */
function shortestFloat32(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  for (let precision = 1; precision < 9; precision++) {
    const text = value.toPrecision(precision);
    if (Math.fround(Number(text)) === value) return printDouble(Number(text) === 0 ? value : Number(text));
  }
  return String(Number(value.toPrecision(9)));
}
