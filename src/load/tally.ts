/** What became of the requests of one run, counted as they end, and the figures made of it at the end. */

import type { Failure } from './connection.ts';
import type { ConnectionErrors, LoadFigures, LoadPlan } from './figures.ts';
import { LatencyHistogram } from './histogram.ts';
import { Refusals } from './refusals.ts';
import { shortageReason } from './shortage.ts';

/** Over this p99 of its own lag the generator disturbs what it measures, microseconds. */
export const VOID_LAG_US = 500;
/** Over this share of the time at work the generator may be what limits: late reading costs no lag while all connections wait. */
export const VOID_BUSY = 0.95;

/** What is counted of an answer. */
export interface Answer {
  readonly status: number;
  readonly errorCode: string;
  readonly retryAfter: boolean;
}

/** When things happened to a request, microseconds from the start of the run. */
export interface RequestTimes {
  readonly intendedUs: number;
  /** When it could have been sent. */
  readonly readyUs: number;
  readonly firstByteUs: number;
  readonly endUs: number;
}

/** What a run knows besides. */
export interface RunFacts {
  /** How long requests were sent, seconds: all rates are per this time. */
  readonly durationS: number;
  /** Arrivals that were due in it. */
  readonly due: number;
  readonly unanswered: number;
  readonly cpuUs: number;
  /** Share of the time it sent in which the generator's thread had work. */
  readonly busy: number;
  /** What this machine ran out of, by its code; empty for nothing. */
  readonly shortage: string;
}

/** Counts of one run. */
export class Tally {
  sent = 0;
  ok = 0;
  late = 0;
  failed = 0;
  readonly latency = new LatencyHistogram();
  readonly lag = new LatencyHistogram();
  readonly #wait = new LatencyHistogram();
  readonly #firstByte = new LatencyHistogram();
  readonly #refusals = new Refusals();
  readonly #errors = { connect: 0, reset: 0, timeout: 0, malformed: 0 } satisfies ConnectionErrors;
  readonly #deadlineUs: number;
  /** End of the sending. Answers after it count, but not into what the server did per second: it had more time for them. */
  windowUs: number;
  #answeredInWindow = 0;
  #okInWindow = 0;

  constructor(deadlineMs: number | null, windowUs: number) {
    this.#deadlineUs = deadlineMs === null ? Number.POSITIVE_INFINITY : deadlineMs * 1000;
    this.windowUs = windowUs;
  }

  get refused(): number {
    return this.#refusals.count;
  }

  /** A request was written, this long after it could have been. */
  wrote(lagUs: number): void {
    this.sent++;
    this.lag.record(lagUs);
  }

  /** A request got a whole answer. */
  answered(answer: Answer, times: RequestTimes): void {
    const inWindow = times.endUs <= this.windowUs;
    if (inWindow) this.#answeredInWindow++;
    const { status, errorCode, retryAfter } = answer;
    if (status >= 200 && status <= 299) this.#accept(times, inWindow);
    else this.#refusals.record(status, errorCode, retryAfter, times.endUs - times.intendedUs);
  }

  /** A request got none. */
  fail(failure: Failure): void {
    this.failed++;
    this.#errors[failure]++;
  }

  /** All of it; the server's own figures are for others to add. */
  figures(plan: LoadPlan, facts: RunFacts): LoadFigures {
    const lag = this.lag.quantiles();
    return {
      loop: plan.loop,
      connections: plan.connections,
      durationS: facts.durationS,
      deadlineMs: plan.deadlineMs,
      offered: facts.due / facts.durationS,
      achieved: this.#answeredInWindow / facts.durationS,
      goodput: this.#okInWindow / facts.durationS,
      sent: this.sent,
      ok: this.ok,
      late: this.late,
      refused: this.#refusals.figures(),
      errors: { ...this.#errors },
      unanswered: facts.unanswered,
      latency: this.latency.distribution(),
      wait: this.#wait.quantiles(),
      firstByte: this.#firstByte.quantiles(),
      generator: {
        lag,
        cpuUsPerRequest: facts.cpuUs / Math.max(this.sent, 1),
        busy: facts.busy,
        void: reasonOfVoid(facts, lag.p99),
      },
      server: null,
    };
  }

  #accept(times: RequestTimes, inWindow: boolean): void {
    const tookUs = times.endUs - times.intendedUs;
    this.latency.record(tookUs);
    this.#wait.record(times.readyUs - times.intendedUs);
    this.#firstByte.record(times.firstByteUs - times.intendedUs);
    if (tookUs > this.#deadlineUs) {
      this.late++;
      return;
    }
    this.ok++;
    if (inWindow) this.#okInWindow++;
  }
}

function reasonOfVoid({ due, busy, shortage }: RunFacts, lagP99Us: number): string {
  if (due === 0) return 'no request was due in this time';
  if (shortage !== '') return shortageReason(shortage);
  if (lagP99Us > VOID_LAG_US) {
    return `the generator was late: the p99 of its lag is ${lagP99Us} us, over ${VOID_LAG_US} us`;
  }
  return busy > VOID_BUSY ? 'the generator had no idle time left: these are its own limits' : '';
}
