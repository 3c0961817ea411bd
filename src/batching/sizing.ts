/**
 * How large a batch may be: no setting, but what serves the most rows in time on the learned curve.
 *
 * With W lanes that start batches of n rows one after the other, a batch begins every L(n)/W. Who arrives earlier than
 * `budget - L(n)` before a start cannot wait for its end, so that of a rate offered only the part that falls into this
 * window can be served: served(n) = min(W n/L(n), rate x min(1, W (budget - L(n)) / L(n))). Where little is offered this
 * says that nobody may be turned away (W = 1: 2 L(n) <= budget); where much is, that fuller batches are worth it.
 */

import type { Curve } from '../core/scheduling.ts';

/** Most that predictions are stretched by, of the time that is left beside a batch's own. */
export const MOST_GUARD = 0.3;

/** A size nobody knows is tried where it might be better by this. */
const WORTH_EXPLORING = 1.04;

/** The same of a size below that is used: only the foot of a cliff is worth smaller batches, and that is much. */
const WORTH_EXPLORING_BELOW = 1.2;

/**
 * A batch that serves so much of the best is as good as the best, and the smallest of them is the quickest. Where more is
 * offered than can be served, every row counts.
 */
const NEARLY = 0.97;
const NEARLY_SATURATED = 0.995;

/** What the size depends on. */
export interface SizingInput {
  readonly curve: Curve;
  readonly mostRows: number;
  readonly lanes: number;
  /** Time from arrival to deadline that requests typically have, microseconds. */
  readonly budgetUs: number;
  /** How much longer than expected a batch may take, as a ratio. */
  readonly guard: number;
  /** Rows offered, per microsecond. */
  readonly offeredPerUs: number;
  /** Whether more was offered lately than could be served. */
  readonly saturated: boolean;
}

/** The size, and the rows per microsecond that it can serve within the budget. */
export interface Sizing {
  readonly rows: number;
  readonly capacityPerUs: number;
}

/**
 * Of the sizes that serve nearly the most, the smallest that has nearly the most rows per second: more would only take longer,
 * less would turn away who comes in a burst. Rows are at least 1, whatever the budget.
 */
export function sizeBatch(input: SizingInput): Sizing {
  const { curve, mostRows, lanes, budgetUs } = input;
  const base = steadyCapacity(input);
  const offered = Math.max(input.offeredPerUs, base);
  const served = (n: number) => servedPerUs(input, n, curve.at(n), offered);
  let most = 0;
  let last = 0;
  for (let n = 1; n <= mostRows && curve.at(n) < budgetUs; n++) {
    most = Math.max(most, served(n));
    last = n;
  }
  const nearly = input.saturated ? NEARLY_SATURATED : NEARLY;
  let quickest = 0;
  for (let n = 1; n <= last; n++) if (served(n) >= nearly * most) quickest = Math.max(quickest, n / curve.at(n));
  for (let n = 1; n <= last; n++) {
    const perUs = n / curve.at(n);
    if (served(n) < nearly * most || perUs < nearly * quickest) continue;
    return { rows: n, capacityPerUs: Math.min(offered, served(n), lanes * perUs) };
  }
  return { rows: 1, capacityPerUs: base };
}

/**
 * A size nobody knows that would be better than `rows` by enough if it took no longer than the known one below it: halfway to
 * the next known one, so that a few of them find a step or a cliff. Larger ones first; 0 where there is none.
 */
export function sizeToExplore(input: SizingInput, rows: number): number {
  const { curve, mostRows } = input;
  const offered = Math.max(input.offeredPerUs, steadyCapacity(input));
  const now = servedPerUs(input, rows, curve.at(rows), offered);
  let smaller = 0;
  for (let low = 1; low < mostRows; ) {
    const high = curve.knownAbove(low) || Math.min(2 * low, mostRows) + 1;
    const middle = (low + high) >> 1;
    const hoped = middle > low ? servedPerUs(input, middle, curve.at(low), offered) / now : 0;
    if (middle > rows && hoped >= WORTH_EXPLORING) return middle;
    if (middle < rows && hoped >= WORTH_EXPLORING_BELOW) smaller = middle;
    low = high;
  }
  return smaller;
}

/**
 * What a batch as long as the budget costs beyond that, as a share: the longer batches are, the more of the time between
 * bursts is lost, and the later anybody can be answered.
 */
const GRAIN = 0.1;

/** Rows per microsecond served in time with batches of n rows that take `us`. */
function servedPerUs({ lanes, budgetUs, guard }: SizingInput, n: number, us: number, offered: number): number {
  const leftUs = budgetUs - us;
  if (leftUs <= 0) return 0;
  const window = Math.min(1, (lanes * (leftUs - Math.min(guard * us, MOST_GUARD * leftUs))) / us);
  const short = budgetUs === Number.POSITIVE_INFINITY ? 1 : 1 - (GRAIN * us) / budgetUs;
  return short * Math.min((lanes * n) / us, offered * window);
}

/** Rows per microsecond with nobody turned away: who just misses a batch waits for the next start. */
export function steadyCapacity({ curve, mostRows, lanes, budgetUs, guard }: SizingInput): number {
  let best = lanes / curve.at(1);
  const share = 1 + Math.min(guard, MOST_GUARD) + 1 / lanes;
  for (let n = 2; n <= mostRows && curve.at(n) * share <= budgetUs; n++)
    best = Math.max(best, (lanes * n) / curve.at(n));
  return best;
}
