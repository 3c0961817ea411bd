/**
 * The body of one inference request, chunk by chunk: whole bodies go straight to the road, large binary ones follow their
 * head piece by piece, and only what can be neither is gathered.
 */

import { GatewayError } from '../core/error.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import { APART_BYTES } from '../pipeline/intake.ts';
import type { InferRequest } from '../pipeline/request.ts';
import { BodyBuffer, MOST_CHUNKS, tooLarge } from './body.ts';
import type { Exchange } from './exchange.ts';

/** Takes the chunks of one request's body. */
export class InferBody {
  readonly #road: InferRoad;
  readonly #request: InferRequest;
  readonly #exchange: Exchange;
  readonly #headBytes: number;
  readonly #totalBytes: number;
  readonly #limit: number;
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
    limit: number,
  ) {
    this.#road = road;
    this.#request = request;
    this.#exchange = exchange;
    this.#headBytes = headBytes;
    this.#totalBytes = totalBytes;
    this.#limit = limit;
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
    this.#buffer ??= new BodyBuffer(this.#totalBytes);
    this.#buffer.append(chunk);
    if (last) this.#road.take(this.#request, this.#buffer.whole(), this.#headBytes);
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
