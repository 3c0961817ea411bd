/**
 * What a load brought, as plain data: every generator fills these, every report shows them, and a file of them is what
 * `bench compare` reads. Times are microseconds unless the name says otherwise.
 */

/** How requests were sent: at times drawn ahead, or each when the one before it on its connection was answered. */
export type Loop =
  | {
      readonly kind: 'open';
      /** Requests per second that were to be sent. */
      readonly rate: number;
      readonly arrivals: Arrivals;
    }
  | { readonly kind: 'closed'; readonly concurrency: number };

/** How arrivals are spread. */
export type Arrivals = 'poisson' | 'uniform' | 'bursty';

/** A distribution of times, from an HdrHistogram with three significant digits. All 0 where `count` is. */
export interface Quantiles {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The same with points for a plot. */
export interface Distribution extends Quantiles {
  /** Pairs of quantile (0 to 1) and time, rising, denser towards 1. */
  readonly points: readonly (readonly [quantile: number, us: number])[];
}

/** Answers that were no 2xx, by code. */
export interface Refusal {
  /** `X-Error-Code`, or `HTTP n` where the server sends none. */
  readonly code: string;
  readonly status: number;
  readonly count: number;
  /** From the intended send time to the end of the answer. */
  readonly timeToRefuse: Quantiles;
  /** How many of them came with `Retry-After`. */
  readonly retryAfter: number;
}

/** Requests that got no whole answer, by what went wrong. */
export interface ConnectionErrors {
  /** The connection could not be opened. */
  readonly connect: number;
  /** The server closed or reset it before the answer was whole. */
  readonly reset: number;
  /** No whole answer within the time allowed. */
  readonly timeout: number;
  /** What came is no HTTP answer. */
  readonly malformed: number;
}

/** What the generator says of itself. */
export interface GeneratorFigures {
  /** From the moment a request could have been written to when it was (open loop; the wait for a connection is not in it). */
  readonly lag: Quantiles;
  /** CPU of the generator's process per request sent; in an open loop without the turns that found nothing to do. */
  readonly cpuUsPerRequest: number;
  /** Share of the time it sent in which the generator's thread had work, 0 to 1; turns that found nothing are none. */
  readonly busy: number;
  /** Why the run says nothing; empty where it is good. */
  readonly void: string;
}

/** The server's own counters, after less before (Open Inference statistics extension). */
export interface ServerFigures {
  readonly inferences: number;
  readonly executions: number;
  /** Mean rows of a batch. */
  readonly batchRows: number;
  /** Mean per request. */
  readonly queueUs: number;
  readonly computeUs: number;
  /** Rows of a batch and how many batches of that size ran, rising; empty where the server does not say. */
  readonly batches: readonly (readonly [rows: number, count: number])[];
}

/** One load at one rate or concurrency. Counts and times are of all its requests, to the last answer. */
export interface LoadFigures {
  readonly loop: Loop;
  readonly connections: number;
  /** How long it sent. */
  readonly durationS: number;
  /** What a good answer must keep; null: any 2xx is good. */
  readonly deadlineMs: number | null;
  /**
   * Per second over the time that it sent: what should have been sent, what was answered at all in that time, and what of
   * it was 2xx inside the deadline.
   */
  readonly offered: number;
  readonly achieved: number;
  readonly goodput: number;
  /** Counts. `ok` are 2xx inside the deadline, `late` those after it. */
  readonly sent: number;
  readonly ok: number;
  readonly late: number;
  readonly refused: readonly Refusal[];
  readonly errors: ConnectionErrors;
  /** Sent or due, and neither answered nor failed when the run ended. */
  readonly unanswered: number;
  /** Of 2xx, from the intended send time. */
  readonly latency: Distribution;
  /** Of 2xx: the part of it before the request was written, for want of a free connection. */
  readonly wait: Quantiles;
  /** Of 2xx, from the intended send time to the first byte; null in a closed loop. */
  readonly firstByte: Quantiles | null;
  readonly generator: GeneratorFigures;
  /** null where the server has no statistics. */
  readonly server: ServerFigures | null;
}

/** A request as it goes over the wire; the generators send a list of them in turn. */
export interface WireRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Where a load goes. */
export interface Origin {
  readonly host: string;
  readonly port: number;
}

/** What is asked of a generator. */
export interface LoadPlan {
  readonly origin: Origin;
  readonly requests: readonly WireRequest[];
  readonly loop: Loop;
  readonly connections: number;
  readonly durationS: number;
  readonly deadlineMs: number | null;
  /** Of everything drawn. */
  readonly seed: number;
}
