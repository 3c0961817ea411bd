/**
 * The arena: one SharedArrayBuffer of the process, from which every request's numbers get their place. Bounded: where it is
 * exhausted the caller is told, it never grows. Knows nothing of tensors.
 */

import type { Binding } from './binding.ts';

/** Blocks start at multiples of this: a cache line, and more than any datatype needs. */
export const ALIGNMENT = 64;

/** Largest arena: offsets stay below 2^32, what the addon's span tables hold. */
export const MAX_ARENA_BYTES = 2 ** 32 - ALIGNMENT;

/** Freed runs of at least this many bytes are given back to the system. */
const DISCARD_BYTES = 1024 * 1024;

const CLASSES = 33;

/** `bytes` rounded up to the alignment; a block is never empty. */
export function aligned(bytes: number): number {
  return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
}

/**
 * Blocks of shared memory by offset. Free runs stand in buckets by power of two and merge with their free neighbours, so
 * that both calls are a few steps whatever the load was.
 */
export class Arena {
  readonly buffer: SharedArrayBuffer;
  /** All of it. */
  readonly bytes: Uint8Array;
  allocatedBytes = 0;
  readonly #binding: Pick<Binding, 'discard'>;
  readonly #blocks = new Map<number, number>();
  readonly #freeByStart = new Map<number, number>();
  readonly #freeByEnd = new Map<number, number>();
  readonly #buckets: Set<number>[] = Array.from({ length: CLASSES }, () => new Set());

  /** @param bytes capacity; rounded down to the alignment. */
  constructor(binding: Pick<Binding, 'discard'>, bytes: number) {
    const capacity = Math.floor(Math.min(bytes, MAX_ARENA_BYTES) / ALIGNMENT) * ALIGNMENT;
    this.#binding = binding;
    this.buffer = new SharedArrayBuffer(capacity);
    this.bytes = new Uint8Array(this.buffer);
    this.#addFree(0, capacity);
  }

  /** Bytes not handed out; a block of that size may still not fit. */
  get freeBytes(): number {
    return this.bytes.length - this.allocatedBytes;
  }

  /** Offset of a block of at least `bytes`, or -1 where none is left. Its content is whatever was there before. */
  allocate(bytes: number): number {
    // What no arena holds must not reach the buckets, which count in 32 bits: a client chooses this number.
    if (bytes > this.bytes.length) return -1;
    const size = aligned(bytes);
    const start = this.#findFree(size);
    if (start < 0) return -1;
    const run = this.#freeByStart.get(start) as number;
    this.#removeFree(start, run);
    if (run > size) this.#addFree(start + size, run - size);
    this.#blocks.set(start, size);
    this.allocatedBytes += size;
    return start;
  }

  /** Gives the tail of a block back: `bytes` of it stay. */
  trim(offset: number, bytes: number): void {
    const size = this.#sizeOf(offset);
    const kept = Math.min(size, aligned(bytes));
    if (kept === size) return;
    this.#blocks.set(offset, kept);
    this.allocatedBytes -= size - kept;
    this.#merge(offset + kept, size - kept);
  }

  /** Gives a block back. */
  free(offset: number): void {
    const size = this.#sizeOf(offset);
    this.#blocks.delete(offset);
    this.allocatedBytes -= size;
    if (size >= DISCARD_BYTES) this.#binding.discard(this.bytes, offset, size);
    this.#merge(offset, size);
  }

  #sizeOf(offset: number): number {
    const size = this.#blocks.get(offset);
    if (size === undefined) throw new Error(`no block of the arena starts at ${offset}`);
    return size;
  }

  #findFree(size: number): number {
    const bucket = bucketOf(size);
    // Any run of a higher bucket fits; of the same bucket only some do.
    for (let i = bucket + 1; i < CLASSES; i++) for (const start of this.#buckets[i]) return start;
    for (const start of this.#buckets[bucket]) if ((this.#freeByStart.get(start) as number) >= size) return start;
    return -1;
  }

  #merge(start: number, size: number): void {
    let from = start;
    let run = size;
    const after = this.#freeByStart.get(start + size);
    if (after !== undefined) {
      this.#removeFree(start + size, after);
      run += after;
    }
    const before = this.#freeByEnd.get(start);
    if (before !== undefined) {
      this.#removeFree(before, start - before);
      from = before;
      run += start - before;
    }
    this.#addFree(from, run);
  }

  #addFree(start: number, size: number): void {
    this.#freeByStart.set(start, size);
    this.#freeByEnd.set(start + size, start);
    this.#buckets[bucketOf(size)].add(start);
  }

  #removeFree(start: number, size: number): void {
    this.#freeByStart.delete(start);
    this.#freeByEnd.delete(start + size);
    this.#buckets[bucketOf(size)].delete(start);
  }
}

function bucketOf(size: number): number {
  return 31 - Math.clz32(size);
}
