/**
 * The body of one inference request, chunk by chunk: whole bodies go straight to the road, large binary ones follow their
 * head piece by piece, and only what can be neither is gathered.
 */

import { GatewayError } from '../core/error.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import { APART_BYTES } from '../pipeline/intake.ts';
import type { InferRequest } from '../pipeline/request.ts';
import { BodyBuffer, type BodyLedger, MOST_CHUNKS, tooLarge } from './body.ts';
import { type Coding, inflateBody } from './coding.ts';
import type { Exchange } from './exchange.ts';

/** Takes the chunks of one request's body. */
export class InferBody {
  readonly #road: InferRoad;
  readonly #request: InferRequest;
  readonly #exchange: Exchange;
  readonly #headBytes: number;
  readonly #totalBytes: number;
  readonly #coding: Coding | null;
  readonly #limit: number;
  readonly #ledger: BodyLedger;
  #received = 0;
  #chunks = 0;
  #tailing = false;
  #buffer: BodyBuffer | null = null;

  constructor(
    road: InferRoad,
    request: InferRequest,
    exchange: Exchange,
    headBytes: number,
    totalBytes: number,
    coding: Coding | null,
    limit: number,
    ledger: BodyLedger,
  ) {
    this.#road = road;
    this.#request = request;
    this.#exchange = exchange;
    this.#headBytes = headBytes;
    this.#totalBytes = totalBytes;
    this.#coding = coding;
    this.#limit = limit;
    this.#ledger = ledger;
  }

  /** The next chunk; it is empty once this returns. */
  chunk(chunk: ArrayBuffer, last: boolean): void {
    if (this.#exchange.answered) return;
    const first = this.#received === 0;
    this.#received += chunk.byteLength;
    this.#exchange.bytesIn = this.#received;
    if (this.#received > this.#limit) {
      this.#refuse(tooLarge(this.#limit));
      return;
    }
    if (++this.#chunks > MOST_CHUNKS) {
      const sentence = `the body came in more than ${MOST_CHUNKS} chunks`;
      this.#refuse(new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit: 'chunks' }));
      return;
    }
    if (this.#tailing) {
      this.#road.takeTail(this.#request, chunk, 0, chunk.byteLength, last);
      return;
    }
    if (this.#coding !== null) {
      if (this.#gather(chunk) && last) this.#inflate(this.#coding);
      return;
    }
    // JSON that is lifted on another thread must outlive this callback.
    const apart = (this.#headBytes < 0 ? chunk.byteLength : this.#headBytes) > APART_BYTES;
    if (first && last && !apart) {
      this.#road.take(this.#request, chunk, this.#headBytes);
      return;
    }
    if (first && !apart && this.#headBytes >= 0 && this.#totalBytes >= 0 && chunk.byteLength >= this.#headBytes) {
      this.#startTail(chunk);
      return;
    }
    if (!this.#gather(chunk) || !last) return;
    this.#road.take(this.#request, (this.#buffer as BodyBuffer).whole(), this.#headBytes);
  }

  /** Keeps a chunk until the body is whole. False where there is no room for it. */
  #gather(chunk: ArrayBuffer): boolean {
    if (this.#buffer === null) {
      const buffer = new BodyBuffer(this.#totalBytes, this.#ledger);
      this.#exchange.onEnd = () => buffer.release();
      this.#buffer = buffer;
    }
    return this.#tried(() => this.#buffer?.append(chunk));
  }

  /** A packed body is whole: what comes out of it goes on. */
  #inflate(coding: Coding): void {
    const buffer = this.#buffer as BodyBuffer;
    const reserve = (bytes: number): void => {
      if (this.#exchange.answered) throw new GatewayError('CLIENT_CLOSED', 'the client closed the connection');
      buffer.reserve(bytes);
    };
    inflateBody(buffer.whole(), coding, this.#limit, reserve).then(
      (body) => this.#road.take(this.#request, body, this.#headBytes),
      (error: GatewayError) => this.#road.refuse(this.#request, error),
    );
  }

  #tried(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.#refuse(error as GatewayError);
      return false;
    }
  }

  #startTail(chunk: ArrayBuffer): void {
    const head = this.#headBytes;
    this.#tailing = true;
    if (!this.#road.takeHead(this.#request, chunk, head, this.#totalBytes - head)) return;
    this.#road.takeTail(this.#request, chunk, head, chunk.byteLength - head, false);
  }

  /** What is left of the body is not worth reading: the connection closes with the answer. */
  #refuse(error: GatewayError): void {
    this.#exchange.close = true;
    this.#road.refuse(this.#request, error);
  }
}
