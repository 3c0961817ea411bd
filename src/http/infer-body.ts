/**
 * The body of one inference request, chunk by chunk: whole bodies go straight to the road, large binary ones follow their
 * head piece by piece, and only what can be neither is gathered.
 */

import { asGatewayError, GatewayError } from '../core/error.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import { APART_BYTES } from '../pipeline/intake.ts';
import type { InferRequest } from '../pipeline/request.ts';
import { BodyBuffer, type GatherLedger, MOST_CHUNKS, tooLarge } from './body.ts';
import { type Coding, inflateBody } from './coding.ts';
import type { Exchange } from './exchange.ts';
import type { Upload } from './uploads.ts';

/** Takes the chunks of one request's body. */
export class InferBody implements Upload {
  readonly #road: InferRoad;
  readonly #request: InferRequest;
  readonly #exchange: Exchange;
  readonly #headBytes: number;
  readonly #totalBytes: number;
  readonly #coding: Coding | null;
  readonly #limit: number;
  readonly #ledger: GatherLedger;
  received = 0;
  #done = false;
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
    ledger: GatherLedger,
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

  get uploading(): boolean {
    return !this.#done && !this.#exchange.answered;
  }

  get deadlineUs(): number {
    return this.#request.deadlineUs;
  }

  /** The next chunk; it is empty once this returns. */
  chunk(chunk: ArrayBuffer, last: boolean): void {
    if (this.#exchange.answered) return;
    const first = this.received === 0;
    this.received += chunk.byteLength;
    this.#exchange.bytesIn = this.received;
    this.#done = last;
    if (this.received > this.#limit) {
      this.refuse(tooLarge(this.#limit));
      return;
    }
    if (++this.#chunks > MOST_CHUNKS) {
      const sentence = `the body came in more than ${MOST_CHUNKS} chunks`;
      this.refuse(new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit: 'chunks' }));
      return;
    }
    if (this.#tailing) {
      this.#road.takeTail(this.#request, chunk, 0, chunk.byteLength, last);
      return;
    }
    if (this.#coding !== null) {
      this.#gather(chunk, last);
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
    this.#gather(chunk, last);
  }

  /** The caller has gone. */
  abort(): void {
    this.#exchange.abort();
    this.#free();
    this.#road.abort(this.#request);
  }

  #gather(chunk: ArrayBuffer, last: boolean): void {
    this.#buffer ??= new BodyBuffer(this.#ledger, this.#totalBytes);
    try {
      this.#buffer.append(chunk);
    } catch (error) {
      this.refuse(asGatewayError(error));
      return;
    }
    if (!last) return;
    const buffer = this.#buffer;
    this.#buffer = null;
    if (this.#coding !== null) {
      this.#inflate(buffer, this.#coding);
      return;
    }
    const pending = this.#road.take(this.#request, buffer.whole(), this.#headBytes);
    if (pending === null) buffer.free();
    else void pending.finally(() => buffer.free());
  }

  /** A packed body is whole: what comes out of it goes on, charged piece by piece. */
  #inflate(buffer: BodyBuffer, coding: Coding): void {
    const reserve = (bytes: number): void => {
      if (this.#exchange.answered) throw new GatewayError('CLIENT_CLOSED', 'the client closed the connection');
      buffer.reserve(bytes);
    };
    inflateBody(buffer.whole(), coding, this.#limit, reserve)
      .then((body) => this.#road.take(this.#request, body, this.#headBytes))
      .catch((error: unknown) => this.#road.refuse(this.#request, asGatewayError(error)))
      .finally(() => buffer.free());
  }

  #startTail(chunk: ArrayBuffer): void {
    const head = this.#headBytes;
    this.#tailing = true;
    if (!this.#road.takeHead(this.#request, chunk, head, this.#totalBytes - head)) return;
    this.#road.takeTail(this.#request, chunk, head, chunk.byteLength - head, false);
  }

  /** What is left of the body is not worth reading: the connection closes with the answer. */
  refuse(error: GatewayError): void {
    this.#exchange.close = true;
    this.#exchange.midBody = !this.#done;
    this.#free();
    this.#road.refuse(this.#request, error);
  }

  #free(): void {
    this.#buffer?.free();
    this.#buffer = null;
  }
}
