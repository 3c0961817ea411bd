/** The classification extension: the k largest values of each row as `value:index[:label]` strings. */

import type { DatatypeInfo } from '../core/datatype.ts';
import type { Binding } from '../native/binding.ts';

/**
 * Top-k of every row.
 * @param dims of the output; the last dimensions behind the batch one are the classes.
 * @param batched whether the first dimension is the batch.
 * @returns strings row by row, and their shape
 */
export function classify(
  binding: Binding,
  type: DatatypeInfo,
  memory: Uint8Array,
  offset: number,
  dims: readonly number[],
  batched: boolean,
  k: number,
  labels: readonly string[] | null,
): { strings: string[]; dims: number[] } {
  const rows = batched ? dims[0] : 1;
  const classes = dims.slice(batched ? 1 : 0).reduce((product, d) => product * d, 1);
  const count = Math.min(k, classes);
  const texts = printed(binding, type, memory, offset, rows * classes);
  const strings: string[] = [];
  for (let row = 0; row < rows; row++) {
    const values = texts.slice(row * classes, (row + 1) * classes);
    for (const index of largest(values.map(Number), count)) {
      const label = labels?.[index];
      strings.push(label === undefined ? `${values[index]}:${index}` : `${values[index]}:${index}:${label}`);
    }
  }
  return { strings, dims: batched ? [rows, count] : [count] };
}

/** Indices of the k largest, NaN last, equal values in index order. */
function largest(values: readonly number[], k: number): number[] {
  const key = (i: number) => (Number.isNaN(values[i]) ? Number.NEGATIVE_INFINITY : values[i]);
  return values
    .map((_, i) => i)
    .sort((a, b) => key(b) - key(a) || a - b)
    .slice(0, k);
}

/** Every element as the addon prints it (shortest text); `null` becomes NaN. */
function printed(b: Binding, type: DatatypeInfo, memory: Uint8Array, offset: number, count: number): string[] {
  if (count === 0) return [];
  if (type.name === 'FP16' || type.name === 'BF16') {
    const wide = new Uint8Array(count * 4);
    if (type.name === 'FP16') b.fp16ToFp32(memory, offset, wide, 0, count);
    else b.bf16ToFp32(memory, offset, wide, 0, count);
    return [...new Float32Array(wide.buffer)].map((v) => String(v));
  }
  const text = Buffer.allocUnsafe(count * 27);
  const length = b.printNumbers(type.id, memory, offset, count, text, 0);
  return text
    .toString('latin1', 0, length)
    .split(',')
    .map((t) => (t === 'null' ? 'NaN' : t === 'true' ? '1' : t === 'false' ? '0' : t));
}
