/**
 * The body of one inference request, chunk by chunk: whole bodies go straight to the road, large binary ones follow their
 * head piece by piece to a place that is theirs before they came, and what can be neither is gathered.
 */

import { asGatewayError, GatewayError } from '../core/error.ts';
import type { Memory } from '../native/binding.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import { APART_BYTES } from '../pipeline/intake.ts';
import type { InferRequest } from '../pipeline/request.ts';
import { BodyBuffer, type GatherLedger, MOST_CHUNKS, tooLarge } from './body.ts';
import { type Coding, inflateBody } from './coding.ts';
import type { Exchange } from './exchange.ts';
import type { Loan, Loans } from './loans.ts';
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
  readonly #loans: Loans;
  received = 0;
  #done = false;
  #chunks = 0;
  #tailing = false;
  /** Its place, where it has one before it came. */
  #loan: Loan | null = null;
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
    loans: Loans,
  ) {
    this.#road = road;
    this.#request = request;
    this.#exchange = exchange;
    this.#headBytes = headBytes;
    this.#totalBytes = totalBytes;
    this.#coding = coding;
    this.#limit = limit;
    this.#ledger = ledger;
    this.#loans = loans;
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
      this.#loan?.came(chunk.byteLength);
      if (!this.#road.takeTail(this.#request, chunk, 0, chunk.byteLength, last)) this.#free();
      return;
    }
    // JSON that is lifted on another thread must outlive this callback.
    const apart = (this.#headBytes < 0 ? chunk.byteLength : this.#headBytes) > APART_BYTES;
    if (first && last && !apart && this.#coding === null) this.#road.take(this.#request, chunk, this.#headBytes);
    else if (first && !last && this.#mayTail()) this.#startTail(chunk);
    else this.#gather(chunk, last);
  }

  /** Whether the head is in, and what follows it may have its place now. */
  #mayTail(): boolean {
    const head = this.#headBytes;
    if (this.#coding !== null || head < 0 || head > APART_BYTES || this.received < head) return false;
    const missing = this.#totalBytes - this.received;
    if (missing > 0) this.#loan = this.#loans.lend(missing);
    return this.#loan !== null;
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
    if (!last && !this.#mayTail()) return;
    const buffer = this.#buffer;
    this.#buffer = null;
    if (!last) {
      this.#startTail(buffer.whole());
      buffer.free();
      return;
    }
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
      if (this.#exchange.answered) throw new GatewayError('CLIENT_CLOSED', 'nobody waits for the answer any more');
      buffer.reserve(bytes);
    };
    const inflating = inflateBody(buffer.whole(), coding, this.#limit, reserve);
    // A piece ahead of what was refused is being made.
    inflating.catch(() => buffer.leave());
    void this.#road.takeUnpacked(this.#request, inflating, this.#headBytes).finally(() => buffer.free());
  }

  /** @param came the head, and what came behind it */
  #startTail(came: Memory): void {
    const head = this.#headBytes;
    this.#tailing = true;
    const taken =
      this.#road.takeHead(this.#request, came, head, this.#totalBytes - head) &&
      this.#road.takeTail(this.#request, came, head, came.byteLength - head, false);
    if (!taken) this.#free();
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
    this.#loan?.end();
  }
}
