/** Figures as people read them: three significant digits, a unit where one helps; and what they add up to. For texts and pages alike. */

import type { LoadFigures, Loop } from './figures.ts';

/** Requests of all due that must be good: the deadline is kept at p99. */
const GOOD_SHARE = 0.99;

/** Three significant digits, without an exponent; thousands apart by a comma. */
export function plain(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1000)
    return Math.round(value)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, ',');
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value === 0 ? '0' : value.toFixed(2);
}

/** A count, all of its digits, thousands apart by a comma. */
export function whole(count: number): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Microseconds with the unit that suits them. */
export function time(us: number): string {
  if (us < 999.5) return `${plain(us)} us`;
  if (us < 999_500) return `${plain(us / 1000)} ms`;
  return `${plain(us / 1e6)} s`;
}

/** A share of 1. */
export function percent(part: number): string {
  return `${plain(100 * part)} %`;
}

/** What a run was, in words: the name of its load, the same for repeated runs. */
export function loadName(loop: Loop): string {
  return loop.kind === 'closed'
    ? `${loop.concurrency} at once`
    : `${Number.isInteger(loop.rate) ? whole(loop.rate) : plain(loop.rate)}/s ${loop.arrivals}`;
}

/** Requests that got no whole answer. */
export function failures({ errors }: LoadFigures): number {
  return errors.connect + errors.reset + errors.timeout + errors.malformed;
}

/** Answers that were no 2xx. */
export function refusals({ refused }: LoadFigures): number {
  return refused.reduce((sum, { count }) => sum + count, 0);
}

/** Requests that were due: each ended in one of these ways, or had not when the run did. */
export function due(run: LoadFigures): number {
  return run.ok + run.late + refusals(run) + failures(run) + run.unanswered;
}

/**
 * Whether a rate is held: 99 of 100 requests due were answered well and in time. That a generator was late does not matter
 * then: times count from when requests were to be sent, so its lateness is in them, and the server was quicker than they say.
 */
export function holds(run: LoadFigures): boolean {
  return due(run) > 0 && run.ok >= GOOD_SHARE * due(run);
}

/** How many connections, in words. */
export function connectionsName({ connections }: LoadFigures): string {
  return `${whole(connections)} connection${connections === 1 ? '' : 's'}`;
}
