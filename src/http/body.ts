/**
 * A request body on its way in. uWebSockets.js empties a chunk when its callback returns: what is kept is copied, once.
 * A body that comes in one piece is not copied at all.
 */

import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import { giveBack } from '../native/give-back.ts';

/** Most non-empty chunks of one body: stops a body of a million one-byte chunks from costing a million callbacks' work. */
export const MOST_CHUNKS = 65_536;

/** The refusal of a body over its limit of `bytes`. */
export function tooLarge(bytes: number, limit: Limit = 'bodyBytes'): GatewayError {
  return new GatewayError('PAYLOAD_TOO_LARGE', `the body is larger than the limit of ${bytes} bytes`, { limit });
}

/** Bytes of the bodies that are being gathered or inflated, of all callers together: many at once cannot take all memory. */
export class BodyLedger {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /** @throws {GatewayError} OVERLOADED where others hold too much */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit) {
      throw new GatewayError('OVERLOADED', 'the memory for request bodies is used up', {
        retryAfterS: 1,
        limit: 'bufferBytes',
      });
    }
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** Gathers the chunks of a body whose length may not be known. */
export class BodyBuffer {
  #bytes: Buffer | null = null;
  #length = 0;
  readonly #expected: number;
  readonly #ledger: BodyLedger;
  #held = 0;

  /** @param expected `Content-Length`, or -1. */
  constructor(expected: number, ledger: BodyLedger) {
    this.#expected = expected;
    this.#ledger = ledger;
  }

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy of `chunk`. @throws {GatewayError} OVERLOADED */
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

  /** Counts `bytes` more as this body's. @throws {GatewayError} OVERLOADED */
  reserve(bytes: number): void {
    this.#ledger.take(bytes);
    this.#held += bytes;
  }

  /** The body has been dealt with, or will never be: nothing counts as its any more. */
  release(): void {
    this.#ledger.give(this.#held);
    this.#held = 0;
  }

  #grow(needed: number): void {
    const doubled = this.#bytes === null ? 0 : this.#bytes.length * 2;
    // A length that the client only announced is believed in steps: memory is taken for bytes that came.
    const announced = this.#expected > 0 ? Math.min(this.#expected, 1024 * 1024) : 0;
    const bytes = Math.max(needed, doubled, announced);
    this.reserve(bytes - (this.#bytes?.length ?? 0));
    const larger = Buffer.allocUnsafeSlow(bytes);
    if (this.#bytes !== null) larger.set(this.#bytes.subarray(0, this.#length));
    giveBack(this.#bytes);
    this.#bytes = larger;
  }
}
