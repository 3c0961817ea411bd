/**
 * One HTTP request and its answer: what must be read of uWebSockets.js before its callback returns, and the one place
 * that writes. Nothing is written after an abort, and nothing twice.
 */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { ERRORS, type GatewayError } from '../core/error.ts';

/** Status lines, ready to be sent. */
const STATUS: Readonly<Record<number, string>> = {
  200: '200 OK',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  409: '409 Conflict',
  413: '413 Payload Too Large',
  415: '415 Unsupported Media Type',
  429: '429 Too Many Requests',
  500: '500 Internal Server Error',
  501: '501 Not Implemented',
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
};

/** Told of every answer, for the log and the counters. */
export type OnAnswer = (exchange: Exchange, status: number, error: GatewayError | null) => void;

/** One request on the wire. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  /** From the caller's `X-Request-Id`, or made when an error needs one. */
  requestId: string;
  readonly startedUs: number;
  #ended = false;
  #aborted = false;
  /** Answers close the connection: after a body that was not read to its end, or while draining. */
  close = false;
  readonly #res: HttpResponse;
  readonly #onAnswer: OnAnswer;
  readonly #nextId: () => string;

  constructor(
    res: HttpResponse,
    req: HttpRequest,
    method: string,
    path: string,
    startedUs: number,
    onAnswer: OnAnswer,
    nextId: () => string,
  ) {
    this.#res = res;
    this.method = method;
    this.path = path;
    this.startedUs = startedUs;
    this.requestId = cleanId(req.getHeader('x-request-id'));
    this.#onAnswer = onAnswer;
    this.#nextId = nextId;
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
    this.send(200, 'application/json', JSON.stringify(document));
  }

  /** Any 200 answer. */
  send(status: number, type: string, body: string | Uint8Array): void {
    this.#write(status, (res) => {
      res.writeHeader('Content-Type', type);
      if (this.requestId !== '') res.writeHeader('X-Request-Id', this.requestId);
      this.#end(res, body);
    });
    this.#onAnswer(this, status, null);
  }

  /** An inference answer; with a binary tail where `jsonBytes` is not 0. The body is copied before this returns. */
  answer(body: Uint8Array, jsonBytes: number): void {
    this.#write(200, (res) => {
      if (jsonBytes > 0) {
        res.writeHeader('Content-Type', 'application/octet-stream');
        res.writeHeader('Inference-Header-Content-Length', String(jsonBytes));
      } else res.writeHeader('Content-Type', 'application/json');
      if (this.requestId !== '') res.writeHeader('X-Request-Id', this.requestId);
      this.#end(res, body);
    });
    this.#onAnswer(this, 200, null);
  }

  /** The one error of this request: `{"error": sentence}`, the code and the request id in headers. */
  fail(error: GatewayError): void {
    if (this.requestId === '') this.requestId = this.#nextId();
    const { status, retry } = ERRORS[error.code];
    if (status !== 499) {
      this.#write(status, (res) => {
        res.writeHeader('Content-Type', 'application/json');
        res.writeHeader('X-Error-Code', error.code);
        res.writeHeader('X-Request-Id', this.requestId);
        if (retry && status !== 504) res.writeHeader('Retry-After', String(Math.max(1, error.retryAfterS)));
        if (error.allow !== '') res.writeHeader('Allow', error.allow);
        if (error.code === 'UNSUPPORTED_ENCODING') res.writeHeader('Accept-Encoding', 'gzip, deflate');
        if (error.code === 'UNAUTHENTICATED') res.writeHeader('WWW-Authenticate', 'Bearer');
        this.#end(res, JSON.stringify({ error: error.message }));
      });
    }
    this.#onAnswer(this, status, error);
  }

  #write(status: number, headersAndBody: (res: HttpResponse) => void): void {
    if (this.answered) return;
    this.#ended = true;
    this.#res.cork(() => {
      // 200 is what uWebSockets.js writes by itself, and a call across to it is not free.
      if (status !== 200) this.#res.writeStatus(STATUS[status]);
      headersAndBody(this.#res);
    });
  }

  #end(res: HttpResponse, body: string | Uint8Array): void {
    if (this.method === 'HEAD') res.end('', this.close);
    else res.end(body as Uint8Array<ArrayBuffer>, this.close);
  }
}

/** A request id that may be echoed and logged: printable, short; anything else is treated as absent. */
function cleanId(id: string): string {
  return id !== '' && /^[\x21-\x7e]{1,128}$/.test(id) ? id : '';
}
