/**
 * A ring of rows for a model whose rows are of fixed size: requests that follow each other lie side by side in every
 * tensor, so that a batch is a view and not a copy.
 *
 *   tensor 0: [ row 0 | row 1 | row 2 | ...            ]   one region per tensor, the same row numbers in all
 *   tensor 1: [ row 0 | row 1 | ...                    ]
 *                       ^ tail         ^ next
 */

import { type Arena, aligned } from './arena.ts';

/** Rows by number; released in any order, taken again in the order they were reserved. */
export class RowRing {
  readonly capacity: number;
  /** Bytes of one row in each tensor. */
  readonly rowBytes: readonly number[];
  readonly #arena: Arena;
  readonly #block: number;
  readonly #regions: number[];
  readonly #lengths: Int32Array;
  readonly #released: Uint8Array;
  #next = 0;
  #tail = 0;
  #live = 0;

  private constructor(arena: Arena, block: number, regions: number[], rowBytes: readonly number[], capacity: number) {
    this.#arena = arena;
    this.#block = block;
    this.#regions = regions;
    this.rowBytes = rowBytes;
    this.capacity = capacity;
    this.#lengths = new Int32Array(capacity);
    this.#released = new Uint8Array(capacity);
  }

  /** A ring of `capacity` rows, or null where the arena has no block of that size. */
  static create(arena: Arena, rowBytes: readonly number[], capacity: number): RowRing | null {
    const sizes = rowBytes.map((bytes) => aligned(bytes * capacity));
    const block = arena.allocate(sizes.reduce((sum, size) => sum + size, 0));
    if (block < 0) return null;
    let at = block;
    const regions = sizes.map((size) => {
      at += size;
      return at - size;
    });
    return new RowRing(arena, block, regions, rowBytes, capacity);
  }

  /** Row at which the next reservation starts, if it is not longer than `contiguous()`. */
  next(): number {
    return this.#next;
  }

  /** Rows free from `next()` on without a wrap. */
  contiguous(): number {
    if (this.#live > 0 && this.#next <= this.#tail) return this.#tail - this.#next;
    return this.capacity - this.#next;
  }

  /** First of `rows` (at least 1) adjacent rows, or -1 where they are not to be had. */
  reserve(rows: number): number {
    if (rows > this.contiguous() && !this.#wrap(rows)) return -1;
    const start = this.#next;
    this.#take(rows);
    return start;
  }

  /** Gives the reservation that starts at `row` back. */
  release(row: number): void {
    this.#released[row] = 1;
    while (this.#live > 0 && this.#released[this.#tail] === 1) {
      this.#released[this.#tail] = 0;
      this.#live--;
      this.#tail += this.#lengths[this.#tail];
      if (this.#tail === this.capacity) this.#tail = 0;
    }
    if (this.#live > 0) return;
    // Empty: start at the low rows again, which are the warm ones.
    this.#next = 0;
    this.#tail = 0;
  }

  /** Byte offset in the arena of `row` in tensor `tensor`. */
  offset(tensor: number, row: number): number {
    return this.#regions[tensor] + row * this.rowBytes[tensor];
  }

  /** Reservations held now, those lost to the wrap included. */
  get live(): number {
    return this.#live;
  }

  /** Rows between the oldest reservation still held and the next one. */
  get heldRows(): number {
    if (this.#live === 0) return 0;
    return this.#next > this.#tail ? this.#next - this.#tail : this.capacity - this.#tail + this.#next;
  }

  /** Gives the memory back; nothing may be reserved. */
  dispose(): void {
    if (this.#live > 0) throw new Error('rows are still in use');
    this.#arena.free(this.#block);
  }

  #wrap(rows: number): boolean {
    if (this.#live === 0 || this.#next <= this.#tail || this.#tail < rows) return false;
    // The end of the ring is too short: it becomes a reservation that is released already.
    this.#released[this.#next] = 1;
    this.#take(this.capacity - this.#next);
    return true;
  }

  #take(rows: number): void {
    this.#lengths[this.#next] = rows;
    this.#live++;
    this.#next += rows;
    if (this.#next === this.capacity) this.#next = 0;
  }
}
