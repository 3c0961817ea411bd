/** Random values of every datatype, and their bytes on the wire. The same seed draws the same values everywhere. */

import type { Datatype, DatatypeInfo } from '../core/datatype.ts';

/** One element as JSON has it. 64-bit ones are drawn small, so a number holds them. */
export type Element = number | boolean | string;

/** Uniform numbers in [0, 1). */
export type Uniform = () => number;

/** Fraction bits of the short floating-point formats: values in [1, 2) are exactly these bits behind a fixed exponent. */
const HALF_STEPS = 2 ** 10;
const HALF_ONE = 0x3c00;
const BFLOAT_STEPS = 2 ** 7;
const BFLOAT_ONE = 0x3f80;

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const LEAST_LETTERS = 3;
const MOST_LETTERS = 12;

/**
 * 8-bit integers are pixels and quantised values, anything goes. Wider ones are mostly places in a table (tokens, kinds of
 * tokens) or masks: 0 and 1 are good for each of them, and anything else is an error in some model.
 */
const DRAW: Readonly<Record<Datatype, (next: Uniform) => Element>> = {
  BOOL: (next) => next() < 0.5,
  UINT8: (next) => whole(next, 256),
  INT8: (next) => whole(next, 256) - 128,
  UINT16: bit,
  UINT32: bit,
  UINT64: bit,
  INT16: bit,
  INT32: bit,
  INT64: bit,
  FP16: (next) => 1 + whole(next, HALF_STEPS) / HALF_STEPS,
  BF16: (next) => 1 + whole(next, BFLOAT_STEPS) / BFLOAT_STEPS,
  FP32: (next) => Math.fround(whole(next, 2 ** 24) / 2 ** 24),
  FP64: (next) => next(),
  BYTES: word,
};

const PACK: Readonly<Record<Exclude<Datatype, 'BYTES'>, (values: readonly number[]) => ArrayBufferView>> = {
  BOOL: (v) => Uint8Array.from(v),
  UINT8: (v) => Uint8Array.from(v),
  INT8: (v) => Int8Array.from(v),
  UINT16: (v) => Uint16Array.from(v),
  INT16: (v) => Int16Array.from(v),
  UINT32: (v) => Uint32Array.from(v),
  INT32: (v) => Int32Array.from(v),
  UINT64: (v) => BigUint64Array.from(v, BigInt),
  INT64: (v) => BigInt64Array.from(v, BigInt),
  FP16: (v) => Uint16Array.from(v, (x) => HALF_ONE + (x - 1) * HALF_STEPS),
  BF16: (v) => Uint16Array.from(v, (x) => BFLOAT_ONE + (x - 1) * BFLOAT_STEPS),
  FP32: (v) => Float32Array.from(v),
  FP64: (v) => Float64Array.from(v),
};

/** `count` elements. */
export function drawElements({ name }: DatatypeInfo, count: number, next: Uniform): Element[] {
  const draw = DRAW[name];
  return Array.from({ length: count }, () => draw(next));
}

/** The binary form of what `drawElements` drew: little-endian, as every machine that Node runs on has it. */
export function packElements({ name }: DatatypeInfo, elements: readonly Element[]): Uint8Array {
  if (name === 'BYTES') return packWords(elements as string[]);
  const { buffer, byteOffset, byteLength } = PACK[name](elements.map(Number));
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Whether the protocol has a JSON form of it: not of the short floating-point formats. */
export function hasJsonForm(datatype: string): boolean {
  return datatype !== 'FP16' && datatype !== 'BF16';
}

function whole(next: Uniform, below: number): number {
  return Math.floor(next() * below);
}

function bit(next: Uniform): number {
  return whole(next, 2);
}

function word(next: Uniform): string {
  const length = LEAST_LETTERS + whole(next, MOST_LETTERS - LEAST_LETTERS + 1);
  return Array.from({ length }, () => LETTERS[whole(next, LETTERS.length)]).join('');
}

/** Each with its length in front, 32 bits. */
function packWords(words: readonly string[]): Uint8Array {
  return Buffer.concat(
    words.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}
