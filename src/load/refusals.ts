/** Counts answers that are no 2xx by code. What a server may invent is bounded. */

import type { Refusal } from './figures.ts';
import { LatencyHistogram } from './histogram.ts';

/** Most codes and statuses that are told apart; a server that invents more has the rest counted as one. */
export const MAX_CODES = 64;
/** Code of the rest, with status 0. */
export const OTHER_CODES = 'other codes';
/** A code as servers have it; anything else is passed over. */
const CODE = /^[\w.-]{1,64}$/;

interface Entry {
  readonly code: string;
  readonly status: number;
  count: number;
  retryAfter: number;
  readonly times: LatencyHistogram;
}

/** Refusals of one run. */
export class Refusals {
  readonly #entries = new Map<string, Entry>();
  #count = 0;

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** @param code value of `X-Error-Code`; empty where there is none. @param us to the end of the answer */
  record(status: number, code: string, retryAfter: boolean, us: number): void {
    const entry = this.#entry(status, CODE.test(code) ? code : `HTTP ${status}`);
    this.#count++;
    entry.count++;
    if (retryAfter) entry.retryAfter++;
    entry.times.record(us);
  }

  /** The figures, most frequent first. */
  figures(): Refusal[] {
    return [...this.#entries.values()]
      .map(({ times, ...entry }) => ({ ...entry, timeToRefuse: times.quantiles() }))
      .sort((a, b) => b.count - a.count);
  }

  #entry(status: number, code: string): Entry {
    const known = this.#entries.get(`${status} ${code}`);
    if (known !== undefined) return known;
    if (this.#entries.size >= MAX_CODES && code !== OTHER_CODES) return this.#entry(0, OTHER_CODES);
    const entry = { code, status, count: 0, retryAfter: 0, times: new LatencyHistogram() };
    this.#entries.set(`${status} ${code}`, entry);
    return entry;
  }
}
