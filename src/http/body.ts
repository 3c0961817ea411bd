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

/** Gathers the chunks of a body whose length may not be known. */
export class BodyBuffer {
  #bytes: Buffer | null = null;
  #length = 0;
  readonly #expected: number;

  /** @param expected `Content-Length`, or -1. */
  constructor(expected: number) {
    this.#expected = expected;
  }

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy of `chunk`. */
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

  #grow(needed: number): void {
    const doubled = this.#bytes === null ? 0 : this.#bytes.length * 2;
    // A length that the client only announced is believed in steps: memory is taken for bytes that came.
    const announced = this.#expected > 0 ? Math.min(this.#expected, 1024 * 1024) : 0;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, doubled, announced));
    if (this.#bytes !== null) larger.set(this.#bytes.subarray(0, this.#length));
    giveBack(this.#bytes);
    this.#bytes = larger;
  }
}
