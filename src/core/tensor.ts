/** What a tensor is: its declared form (spec), and the arithmetic of shapes. */

import type { DatatypeInfo } from './datatype.ts';

/** Declared form of one model input or output. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: DatatypeInfo;
  /** Dimensions, -1 where variable. The batch dimension is included: metadata on the wire shows exactly this. */
  readonly shape: readonly number[];
}

/** A model version's interface; immutable, and what a request is checked against. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/**
 * An output of an answer that is none of the model's own: its little-endian elements in memory of its own, or the strings of a BYTES
 * one.
 */
export interface NamedOutput {
  readonly name: string;
  readonly datatype: DatatypeInfo;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array | null;
  readonly strings: readonly string[] | null;
}

/**
 * Product of the dimensions from `from` on; -1 where one of them is variable or the product is not a safe integer.
 */
export function elementCount(shape: readonly number[], from = 0): number {
  let count = 1;
  for (let i = from; i < shape.length; i++) {
    if (shape[i] < 0) return -1;
    count *= shape[i];
    if (!Number.isSafeInteger(count)) return -1;
  }
  return count;
}

/** Bytes of one row (everything behind the batch dimension); -1 where it varies (free dimensions, BYTES). */
export function rowBytes(spec: TensorSpec): number {
  if (spec.datatype.size === 0) return -1;
  const elements = elementCount(spec.shape, 1);
  return elements < 0 ? -1 : elements * spec.datatype.size;
}
