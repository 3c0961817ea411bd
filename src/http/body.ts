/**
 * A request body on its way in. uWebSockets.js empties a chunk when its callback returns: what is kept is copied, once.
 * A body that comes in one piece is not copied at all.
 */

import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import { giveBack } from '../native/give-back.ts';

/** Most non-empty chunks of one body: stops a body of a million one-byte chunks from costing a million callbacks' work. */
export const MOST_CHUNKS = 65_536;

/** An announced length is believed for so many times what came: a byte must not buy a megabyte. */
const BELIEVED_FACTOR = 4;

/** And never for more than this at once. */
const BELIEVED_BYTES = 1024 * 1024;

/** The refusal of a body over its limit of `bytes`. */
export function tooLarge(bytes: number, limit: Limit = 'bodyBytes'): GatewayError {
  return new GatewayError('PAYLOAD_TOO_LARGE', `the body is larger than the limit of ${bytes} bytes`, { limit });
}

/** The memory that all bodies being gathered take together; bounded, since half-sent bodies may stay for a while. */
export class GatherLedger {
  readonly #limit: number;
  #taken = 0;

  /** @param limit bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes taken now. */
  get taken(): number {
    return this.#taken;
  }

  /** @throws {GatewayError} OVERLOADED, and nothing is taken */
  take(bytes: number): void {
    if (this.#taken + bytes > this.#limit) {
      throw new GatewayError('OVERLOADED', 'the memory for request bodies is used up', {
        limit: 'gatherBytes',
      });
    }
    this.#taken += bytes;
  }

  /** Gives `bytes` back. */
  release(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** Gathers the chunks of a body whose length may not be known. */
export class BodyBuffer {
  readonly #ledger: GatherLedger;
  readonly #expected: number;
  #bytes: Buffer | null = null;
  #length = 0;
  #charged = 0;

  /** @param expected `Content-Length`, or -1. */
  constructor(ledger: GatherLedger, expected: number) {
    this.#ledger = ledger;
    this.#expected = expected;
  }

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy of `chunk`. @throws {GatewayError} OVERLOADED where bodies have used up their memory */
  append(chunk: ArrayBuffer): void {
    const needed = this.#length + chunk.byteLength;
    if (this.#bytes === null || needed > this.#bytes.length) this.#grow(needed);
    (this.#bytes as Buffer).set(new Uint8Array(chunk), this.#length);
    this.#length = needed;
  }

  /** All that came. */
  whole(): Uint8Array {
    return this.#bytes === null ? new Uint8Array(0) : this.#bytes.subarray(0, this.#length);
  }

  /** Charges `bytes` more to this body: what comes out of it when it is inflated. @throws {GatewayError} OVERLOADED */
  reserve(bytes: number): void {
    this.#ledger.take(bytes);
    this.#charged += bytes;
  }

  /** The body has been read, or nobody will read it. */
  free(): void {
    giveBack(this.#bytes);
    this.#bytes = null;
    this.#ledger.release(this.#charged);
    this.#charged = 0;
  }

  /** The same where another thread may still read it: its memory is left to the collector, which knows when nobody does. */
  leave(): void {
    this.#bytes = null;
    this.free();
  }

  #grow(needed: number): void {
    const doubled = this.#bytes === null ? 0 : this.#bytes.length * 2;
    // Memory is taken for bytes that came, and for some of those that were only announced.
    const believed = Math.min(this.#expected, BELIEVED_FACTOR * needed, BELIEVED_BYTES);
    const most = this.#expected > 0 ? Math.max(this.#expected, needed) : Number.POSITIVE_INFINITY;
    const size = Math.min(most, Math.max(needed, doubled, believed));
    this.#ledger.take(size - this.#charged);
    this.#charged = size;
    const larger = Buffer.allocUnsafeSlow(size);
    if (this.#bytes !== null) larger.set(this.#bytes.subarray(0, this.#length));
    giveBack(this.#bytes);
    this.#bytes = larger;
  }
}
