/**
 * One HTTP request and its answer: what must be read of uWebSockets.js before its callback returns, and the one place
 * that writes. Nothing is written after an abort, and nothing twice.
 */

import type { HttpResponse } from 'uWebSockets.js';
import { ERRORS, type GatewayError } from '../core/error.ts';
import type { InferRequest } from '../pipeline/request.ts';
import { type Coding, packBody } from './coding.ts';

/** Status lines, ready to be sent. */
const STATUS: Readonly<Record<number, string>> = {
  200: '200 OK',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  408: '408 Request Timeout',
  409: '409 Conflict',
  413: '413 Payload Too Large',
  414: '414 URI Too Long',
  415: '415 Unsupported Media Type',
  429: '429 Too Many Requests',
  500: '500 Internal Server Error',
  501: '501 Not Implemented',
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
};

/** Shorter JSON answers are not packed: the caller's work would cost more than the bytes. */
const LEAST_PACKED_BYTES = 1024;

/** Told of every answer, for the log and the counters. */
export type OnAnswer = (exchange: Exchange, status: number, error: GatewayError | null) => void;

/**
 * What the exchanges of one listener share. uWebSockets.js calls a cork's function before cork() returns, so one function
 * serves all answers: a closure for each would cost as much as the headers it writes.
 */
export class Wire {
  readonly onAnswer: OnAnswer;
  /** While draining every answer closes its connection, those to requests that were there before included. */
  closing = false;
  readonly #write = () => (this.#writing as Exchange).writeOut();
  #writing: Exchange | null = null;
  #ids = 0;

  constructor(onAnswer: OnAnswer) {
    this.onAnswer = onAnswer;
  }

  /** A request id of our own. */
  nextId(): string {
    return `${process.pid.toString(36)}-${(++this.#ids).toString(36)}`;
  }

  /** `body` in `coding`, made on another thread. */
  pack(body: Uint8Array, coding: Coding): Promise<Uint8Array> {
    return packBody(body, coding);
  }

  /** Has `exchange` write its answer in one piece. */
  cork(exchange: Exchange, res: HttpResponse): void {
    this.#writing = exchange;
    res.cork(this.#write);
  }
}

/** One request on the wire. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  /** From the caller's `X-Request-Id`, or made when an error needs one. */
  requestId: string;
  readonly startedUs: number;
  /** Bytes of the body read so far, and of the answer's. */
  bytesIn = 0;
  bytesOut = 0;
  /** What it asked of a model, once that is known. */
  infer: InferRequest | null = null;
  #ended = false;
  #aborted = false;
  #deferred = false;
  /** Answers close the connection: after a body that was not read to its end, or while draining. */
  close = false;
  /** How the caller would like an inference answer packed. */
  accepts: Coding | null = null;
  /** `traceparent` of the answer; empty where the caller sent none. */
  trace = '';
  tracestate = '';
  /** The body is answered before its end. */
  midBody = false;
  readonly #res: HttpResponse;
  readonly #wire: Wire;
  #status = 200;
  #type = 'application/json';
  #jsonBytes = 0;
  #coding: Coding | '' = '';
  #body: string | Uint8Array = '';
  #error: GatewayError | null = null;

  /** @param requestId the caller's own, unchecked; empty where there is none. */
  constructor(wire: Wire, res: HttpResponse, method: string, path: string, requestId: string, startedUs: number) {
    this.#wire = wire;
    this.#res = res;
    this.method = method;
    this.path = path;
    this.startedUs = startedUs;
    this.requestId = requestId === '' ? '' : cleanId(requestId);
  }

  /** Whether nothing more can be said: answered, or the caller has gone. */
  get answered(): boolean {
    return this.#ended || this.#aborted;
  }

  /** The caller has gone. */
  abort(): void {
    this.#aborted = true;
  }

  /** A JSON document. HEAD gets its headers only. */
  json(document: unknown): void {
    this.send('application/json', JSON.stringify(document));
  }

  /** Any 200 answer. */
  send(type: string, body: string | Uint8Array): void {
    this.#type = type;
    this.bytesOut = Buffer.byteLength(body);
    this.#write(body);
    this.#wire.onAnswer(this, 200, null);
  }

  /**
   * An inference answer as the caller would like it packed; null where it goes as it is: JSON only is packed, since numbers in
   * binary form would hardly become less. The body is copied before this returns.
   */
  pack(body: Uint8Array, jsonBytes: number): Promise<Uint8Array> | null {
    const { accepts } = this;
    if (accepts === null || jsonBytes > 0 || body.length < LEAST_PACKED_BYTES || this.answered) return null;
    // Where there is no memory for it, that is said instead.
    const own = Buffer.from(body);
    return this.#wire.pack(own, accepts).then(
      (packed) => {
        this.#coding = accepts;
        return packed;
      },
      // No memory to pack it in: it goes as it is.
      () => own,
    );
  }

  /** An inference answer; with a binary tail where `jsonBytes` is not 0. The body is copied before this returns. */
  answer(body: Uint8Array, jsonBytes: number): void {
    if (jsonBytes > 0) this.#type = 'application/octet-stream';
    this.#jsonBytes = jsonBytes;
    this.bytesOut = body.byteLength;
    this.#write(body);
    this.#wire.onAnswer(this, 200, null);
  }

  /** The one error of this request: `{"error": sentence}`, the code and the request id in headers. */
  fail(error: GatewayError): void {
    if (this.requestId === '') this.requestId = this.#wire.nextId();
    const { status } = ERRORS[error.code];
    if (status !== 499 && !this.answered) {
      this.#status = status;
      this.#error = error;
      // There may have been an answer that came to nothing.
      this.#type = 'application/json';
      this.#jsonBytes = 0;
      this.#coding = '';
      const body = JSON.stringify({ error: error.message });
      this.bytesOut = Buffer.byteLength(body);
      this.#write(body);
    }
    this.#wire.onAnswer(this, status, error);
  }

  /** Whether the answer is made and not yet written: the wire must be able to say that the caller has gone. */
  get deferred(): boolean {
    return this.#deferred;
  }

  #write(body: string | Uint8Array): void {
    if (this.answered) return;
    if (this.#wire.closing) this.close = true;
    if (this.close && !this.midBody) this.#defer(body);
    else this.#send(body);
  }

  #send(body: string | Uint8Array): void {
    this.#ended = true;
    this.#body = body;
    this.#wire.cork(this, this.#res);
    this.#body = '';
  }

  #writeTrace(): void {
    this.#res.writeHeader('traceparent', this.trace);
    if (this.tracestate !== '') this.#res.writeHeader('tracestate', this.tracestate);
  }

  /**
   * uWebSockets.js goes on with a request that lies behind one answered with `Connection: close`, if both came in one
   * segment: what hides behind a framing that is not believed would be served. Behind one that is not answered yet it
   * serves nothing and closes, so such an answer is written in the next turn. In the middle of a body nothing can lie
   * behind it, and what is still being read of it stops at once.
   */
  #defer(body: string | Uint8Array): void {
    // Where there is no memory for it, that is said instead.
    const own = typeof body === 'string' ? body : Uint8Array.from(body);
    this.#ended = true;
    this.#deferred = true;
    setImmediate(() => {
      this.#deferred = false;
      if (!this.#aborted) this.#send(own);
    });
  }

  /** Writes status, headers and body; to be called by the wire, inside a cork. */
  writeOut(): void {
    const res = this.#res;
    // 200 is what uWebSockets.js writes by itself, and a call across to it is not free.
    if (this.#status !== 200) res.writeStatus(STATUS[this.#status]);
    res.writeHeader('Content-Type', this.#type);
    if (this.#coding !== '') res.writeHeader('Content-Encoding', this.#coding);
    if (this.#jsonBytes > 0) res.writeHeader('Inference-Header-Content-Length', `${this.#jsonBytes}`);
    if (this.requestId !== '') res.writeHeader('X-Request-Id', this.requestId);
    if (this.trace !== '') this.#writeTrace();
    if (this.#error !== null) writeErrorHeaders(res, this.#error);
    if (this.method === 'HEAD') res.end('', this.close);
    else res.end(this.#body as Uint8Array<ArrayBuffer>, this.close);
  }
}

function writeErrorHeaders(res: HttpResponse, error: GatewayError): void {
  const { status, retry } = ERRORS[error.code];
  res.writeHeader('X-Error-Code', error.code);
  if (retry && status !== 504) writeRetry(res, error);
  if (error.allow !== '') res.writeHeader('Allow', error.allow);
  if (error.code === 'UNSUPPORTED_ENCODING') res.writeHeader('Accept-Encoding', 'gzip, deflate');
  if (error.code === 'UNAUTHENTICATED') res.writeHeader('WWW-Authenticate', 'Bearer');
}

/** Whole seconds for everybody, and the moment itself for whoever would rather not wait for the next full second. */
function writeRetry(res: HttpResponse, { retryAfterS, retryAfterMs }: GatewayError): void {
  res.writeHeader('Retry-After', `${retryAfterS}`);
  if (retryAfterMs > 0) res.writeHeader('retry-after-ms', `${retryAfterMs}`);
}

/** A request id that may be echoed and logged: printable, short; anything else is treated as absent. */
function cleanId(id: string): string {
  return /^[\x21-\x7e]{1,128}$/.test(id) ? id : '';
}
