/**
 * The best of every row of scores, and what is written of them: the text that the classification extension and declared
 * post-processing share. Ranking is the addon's; only what is answered becomes text.
 */

import { type DatatypeInfo, datatype } from '../core/datatype.ts';
import type { Binding } from './binding.ts';

const FP32 = datatype('FP32');

/** Most characters of one printed element with its comma, as the addon reckons (number_text.cc). */
const PRINTED_BYTES = 27;

/** `count` elements of FP32, FP16 or BF16 as float32s of their own; nothing vouches for the alignment of the source. */
export function widened(
  binding: Binding,
  type: DatatypeInfo,
  memory: Uint8Array,
  offset: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  const bytes = new Uint8Array(values.buffer);
  if (type.name === 'FP32') binding.copy(memory, offset, bytes, 0, bytes.length);
  else if (type.name === 'FP16') binding.fp16ToFp32(memory, offset, bytes, 0, count);
  else binding.bf16ToFp32(memory, offset, bytes, 0, count);
  return values;
}

/** Indices of the `k` (at most `classes`) largest of each row: by value descending, equal ones by index, NaN last. */
export function largestOfRows(
  binding: Binding,
  values: Float32Array,
  rows: number,
  classes: number,
  k: number,
): Uint32Array<ArrayBuffer> {
  const indices = new Uint32Array(rows * k);
  binding.topK(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 0, rows, classes, k, indices);
  return indices;
}

/** The values that `indices`, `k` for each row of `classes`, point at. */
export function valuesAt(values: Float32Array, indices: Uint32Array, classes: number, k: number): Float32Array {
  return Float32Array.from(indices, (index, i) => values[Math.floor(i / k) * classes + index]);
}

/** Scores that were of `type` as text: an FP32 as short as it can be, what was widened in all its digits. */
export function scoreTexts(binding: Binding, type: DatatypeInfo, scores: Float32Array): string[] {
  if (type.name !== 'FP32') return [...scores].map(String);
  return printed(binding, FP32, new Uint8Array(scores.buffer, scores.byteOffset), 0, scores.length);
}

/** `value:index:label`, without the last where the class has no label. */
export function classText(score: string, index: number, labels: readonly string[] | null): string {
  const label = labels?.[index];
  return label === undefined ? `${score}:${index}` : `${score}:${index}:${label}`;
}

/** Every element as the addon prints it (shortest text); NaN and the infinities, which JSON has not, by their names. */
export function printed(
  binding: Binding,
  type: DatatypeInfo,
  memory: Uint8Array,
  offset: number,
  count: number,
): string[] {
  if (count === 0) return [];
  const text = Buffer.allocUnsafe(count * PRINTED_BYTES);
  const length = binding.printNumbers(type.id, memory, offset, count, text, 0);
  const view = new DataView(memory.buffer, memory.byteOffset + offset);
  const named = (i: number) => String(type.size === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true));
  return text
    .toString('latin1', 0, length)
    .split(',')
    .map((t, i) => (t === 'null' ? named(i) : t === 'true' ? '1' : t === 'false' ? '0' : t));
}
