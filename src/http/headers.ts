/**
 * The headers of a request that anybody here reads, found in one pass: uWebSockets.js gives each `getHeader` the first of
 * several, and only a pass over all of them shows that there were several.
 */

import type { HttpRequest } from 'uWebSockets.js';
import { isImageType } from './media-type.ts';

/** Headers that must not come twice: a proxy in front may have believed the other one (request smuggling). */
const SINGLE = { host: 1, 'content-length': 2, authorization: 4, 'inference-header-content-length': 8 } as const;
type Single = keyof typeof SINGLE;

/** A `Transfer-Encoding` that came without a value is not one that did not come. */
const EMPTY_CODING = 'none';

/** Reads one request after the other; what it found is valid until the next one. */
export class RequestHeaders {
  host = '';
  origin = '';
  requestId = '';
  contentType = '';
  contentLength = '';
  transferEncoding = '';
  contentEncoding = '';
  acceptEncoding = '';
  /** `Inference-Header-Content-Length`. */
  headLength = '';
  traceparent = '';
  tracestate = '';
  /** `X-Request-Timeout-Ms`. */
  timeoutMs = '';
  /** `x-envoy-expected-rq-timeout-ms`. */
  envoyTimeoutMs = '';
  grpcTimeout = '';
  /** The URL's, where the body is an image: nobody else has one that is read. */
  query = '';
  /** One that came twice and must not; empty where there is none. */
  repeated: Single | '' = '';
  /** Which of the single ones came, an empty one too. */
  #seen = 0;
  readonly #take = (key: string, value: string) => this.#header(key, value);

  /** Forgets the last request and reads this one. */
  read(req: HttpRequest): void {
    this.host = '';
    this.origin = '';
    this.requestId = '';
    this.contentType = '';
    this.contentLength = '';
    this.transferEncoding = '';
    this.contentEncoding = '';
    this.acceptEncoding = '';
    this.headLength = '';
    this.traceparent = '';
    this.tracestate = '';
    this.timeoutMs = '';
    this.envoyTimeoutMs = '';
    this.grpcTimeout = '';
    this.repeated = '';
    this.#seen = 0;
    req.forEach(this.#take);
    this.query = isImageType(this.contentType) ? (req.getQuery() ?? '') : '';
  }

  /** Names are told apart by length first: a text of another length needs no comparison. */
  #header(key: string, value: string): void {
    switch (key.length) {
      case 4:
        if (key === 'host') this.host = this.#once('host', value);
        return;
      case 6:
        if (key === 'origin') this.origin = value;
        return;
      case 10:
        if (key === 'tracestate') this.tracestate = this.tracestate === '' ? value : `${this.tracestate},${value}`;
        return;
      case 11:
        if (key === 'traceparent') this.traceparent = value;
        return;
      case 12:
        if (key === 'content-type') this.contentType = value;
        else if (key === 'x-request-id') this.requestId = value;
        else if (key === 'grpc-timeout') this.grpcTimeout = value;
        return;
      case 13:
        if (key === 'authorization') this.#once('authorization', value);
        return;
      case 14:
        if (key === 'content-length') this.contentLength = this.#once('content-length', value);
        return;
      case 15:
        if (key === 'accept-encoding') this.acceptEncoding = value;
        return;
      case 16:
        if (key === 'content-encoding') this.contentEncoding = value;
        return;
      case 17:
        if (key === 'transfer-encoding') this.transferEncoding = value === '' ? EMPTY_CODING : value;
        return;
      case 20:
        if (key === 'x-request-timeout-ms') this.timeoutMs = value;
        return;
      case 30:
        if (key === 'x-envoy-expected-rq-timeout-ms') this.envoyTimeoutMs = value;
        return;
      case 31:
        if (key === 'inference-header-content-length') this.headLength = this.#once(key, value);
    }
  }

  #once(name: Single, value: string): string {
    if ((this.#seen & SINGLE[name]) !== 0) this.repeated = name;
    this.#seen |= SINGLE[name];
    return value;
  }
}
