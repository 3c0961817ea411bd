/**
 * The one error class and the one table of codes: what a caller sees of every failure.
 * The contract test holds this table equal to README's.
 */

import type { Limit } from './limit.ts';

/** One row of the error table. */
export interface ErrorRow {
  /** HTTP status that goes with the code. */
  readonly status: number;
  /** Whether the same request may succeed later without a change by the caller. */
  readonly retry: boolean;
}

/** Code to HTTP status. 499 is logged and never sent. */
export const ERRORS = {
  INVALID_ARGUMENT: { status: 400, retry: false },
  UNAUTHENTICATED: { status: 401, retry: false },
  PERMISSION_DENIED: { status: 403, retry: false },
  MODEL_NOT_FOUND: { status: 404, retry: false },
  ROUTE_NOT_FOUND: { status: 404, retry: false },
  METHOD_NOT_ALLOWED: { status: 405, retry: false },
  REQUEST_TIMEOUT: { status: 408, retry: true },
  CONFLICT: { status: 409, retry: false },
  PAYLOAD_TOO_LARGE: { status: 413, retry: false },
  URI_TOO_LONG: { status: 414, retry: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retry: false },
  UNSUPPORTED_ENCODING: { status: 415, retry: false },
  RATE_LIMITED: { status: 429, retry: true },
  CLIENT_CLOSED: { status: 499, retry: false },
  CANCELLED: { status: 499, retry: false },
  INTERNAL: { status: 500, retry: false },
  EXECUTION_FAILED: { status: 500, retry: false },
  NOT_IMPLEMENTED: { status: 501, retry: false },
  OVERLOADED: { status: 503, retry: true },
  MODEL_NOT_READY: { status: 503, retry: true },
  SHUTTING_DOWN: { status: 503, retry: true },
  INSTANCE_LOST: { status: 503, retry: true },
  DEADLINE_EXCEEDED: { status: 504, retry: true },
} as const satisfies Record<string, ErrorRow>;

/** Stable machine-readable code, sent as `X-Error-Code`. */
export type ErrorCode = keyof typeof ERRORS;

/** What may accompany an error besides its sentence. */
export interface ErrorDetails {
  /** What went wrong underneath: logged, never sent. */
  readonly cause?: unknown;
  /** Time after which the same request may succeed, milliseconds, Infinity too: for `Retry-After` and `retry-after-ms`. */
  readonly retryAfterMs?: number;
  /** For `Allow`, with METHOD_NOT_ALLOWED. */
  readonly allow?: string;
  /** The limit that was run into, for the counters and the log. */
  readonly limit?: Limit;
}

/** Longest time to come back after that is ever named, milliseconds. */
const MOST_RETRY_MS = 60_000;

/**
 * Every failure a caller may see. `message` is the sentence on the wire: it names the tensor, what was expected and what
 * was found, and never a path, a stack or another caller's data.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  /** Whole milliseconds, at most a minute; 0 where nobody knows a time. */
  readonly retryAfterMs: number;
  readonly allow: string;
  readonly limit: Limit | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    // Where in the code a caller was refused is known by the sentence, and costs more to find out than all the rest.
    const frames = Error.stackTraceLimit;
    if (ERRORS[code].status !== 500) Error.stackTraceLimit = 0;
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Error.stackTraceLimit = frames;
    this.name = 'GatewayError';
    this.code = code;
    this.retryAfterMs = Math.min(MOST_RETRY_MS, Math.ceil(details.retryAfterMs ?? 0));
    this.allow = details.allow ?? '';
    this.limit = details.limit ?? null;
  }

  /** HTTP status of the code. */
  get status(): number {
    return ERRORS[this.code].status;
  }

  /** The same time in whole seconds, never earlier; 1 where nobody knows a time. */
  get retryAfterS(): number {
    return Math.max(1, Math.ceil(this.retryAfterMs / 1000));
  }
}

/** Shorthand for the most frequent refusal. @param limit the limit it is about */
export function invalid(message: string, limit?: Limit): GatewayError {
  return new GatewayError('INVALID_ARGUMENT', message, limit === undefined ? {} : { limit });
}

/** Longest rest of a worker that keeps dying (workers/lane.ts), milliseconds. */
const LONGEST_REST_MS = 5_000;

/** There is nothing that could run a request of this model now. */
export function instanceLost(model: string): GatewayError {
  const message = `model '${model}' has no worker at the moment; they are being replaced`;
  return new GatewayError('INSTANCE_LOST', message, { retryAfterMs: LONGEST_REST_MS });
}

/** `error` as a GatewayError: itself, or INTERNAL with the original as its cause (its text stays in the log). */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('INTERNAL', 'internal error; the request id is in X-Request-Id', { cause: error });
}
