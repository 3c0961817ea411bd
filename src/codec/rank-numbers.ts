/** The best of rows of the datatypes that the addon does not rank: integers, BOOL and FP64. Only what is answered becomes text. */

import type { DatatypeInfo } from '../core/datatype.ts';
import type { Binding } from '../native/binding.ts';
import { printed } from '../native/ranking.ts';

/** The rows of an output: `rows` of `classes` elements side by side, of any alignment. */
export interface Rows {
  readonly memory: Uint8Array;
  readonly offset: number;
  readonly rows: number;
  readonly classes: number;
}

/** The best of every row: their indices in it, and their values as text. */
export interface Ranked {
  readonly indices: ArrayLike<number>;
  readonly texts: readonly string[];
}

/** What the upper half of 64 bits counts for. */
const UPPER = 2 ** 32;

/**
 * The `k` (at most all) largest of each row: by value descending, equal ones by index, NaN last. Integers beyond 2^53 are told apart as
 * far as doubles can.
 */
export function rankNumbers(binding: Binding, type: DatatypeInfo, source: Rows, k: number): Ranked {
  const { memory, offset, rows, classes } = source;
  const values = numbersOf(binding, type, memory, offset, rows * classes);
  const indices = new Uint32Array(rows * k);
  const chosen = new Uint8Array(rows * k * type.size);
  for (let row = 0; row < rows; row++) {
    const best = indices.subarray(row * k, (row + 1) * k);
    const start = row * classes;
    rankRow(values, start, classes, best);
    for (let i = 0; i < k; i++) {
      const from = offset + (start + best[i]) * type.size;
      chosen.set(memory.subarray(from, from + type.size), (row * k + i) * type.size);
    }
  }
  return { indices, texts: printed(binding, type, chosen, 0, rows * k) };
}

/** The elements as numbers of their own; nothing vouches for the alignment of the source. */
function numbersOf(
  binding: Binding,
  { name, size }: DatatypeInfo,
  memory: Uint8Array,
  offset: number,
  count: number,
): ArrayLike<number> {
  const { buffer, byteLength } = new Uint8Array(count * size);
  binding.copy(memory, offset, new Uint8Array(buffer), 0, byteLength);
  switch (name) {
    case 'FP64':
      return new Float64Array(buffer);
    case 'INT64':
      return joined(new Uint32Array(buffer), new Int32Array(buffer));
    case 'UINT64':
      return joined(new Uint32Array(buffer), new Uint32Array(buffer));
    case 'INT32':
      return new Int32Array(buffer);
    case 'UINT32':
      return new Uint32Array(buffer);
    case 'INT16':
      return new Int16Array(buffer);
    case 'UINT16':
      return new Uint16Array(buffer);
    case 'INT8':
      return new Int8Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

/** 64 bits, the lower half first, as the double next to them: a BigInt for each would cost more than all the rest. */
function joined(low: Uint32Array, high: Int32Array | Uint32Array): Float64Array {
  const values = new Float64Array(low.length / 2);
  for (let i = 0; i < values.length; i++) {
    values[i] = high[2 * i + 1] * UPPER + low[2 * i];
  }
  return values;
}

/**
 * Fills `best` with the indices of the largest of a row, in their order. They are held as a heap with the last of them on top, so that
 * no order in which a row comes makes it cost more.
 */
function rankRow(values: ArrayLike<number>, start: number, classes: number, best: Uint32Array): void {
  const k = best.length;
  if (k === 0) return;
  for (let i = 0; i < k; i++) best[i] = i;
  for (let at = (k >> 1) - 1; at >= 0; at--) sink(values, start, best, at);
  for (let i = k; i < classes; i++) {
    if (!precedes(values, start + i, start + best[0])) continue;
    best[0] = i;
    sink(values, start, best, 0);
  }
  best.sort((a, b) => (precedes(values, start + a, start + b) ? -1 : 1));
}

/** Puts the index at `at` below all that come behind it in order. */
function sink(values: ArrayLike<number>, start: number, heap: Uint32Array, at: number): void {
  const index = heap[at];
  for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
    const other = child + 1;
    const isLast = other < heap.length && precedes(values, start + heap[child], start + heap[other]);
    const last = isLast ? other : child;
    if (!precedes(values, start + index, start + heap[last])) break;
    heap[at] = heap[last];
    at = last;
  }
  heap[at] = index;
}

/** Whether the value at `a` comes before that at `b`. */
function precedes(values: ArrayLike<number>, a: number, b: number): boolean {
  const first = values[a];
  const second = values[b];
  if (first > second) return true;
  if (first < second) return false;
  const nan = Number(Number.isNaN(first)) - Number(Number.isNaN(second));
  return nan === 0 ? a < b : nan < 0;
}
