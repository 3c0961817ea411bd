/**
 * How large a batch may be: no setting, but what serves the most rows in time on the learned curve.
 *
 * With W lanes that start batches of n rows one after the other, a batch begins every L(n)/W. Who arrives earlier than
 * `budget - L(n)` before a start cannot wait for its end, so that of a rate offered only the part that falls into this
 * window can be served: served(n) = min(W n/L(n), rate x min(1, W (budget - L(n)) / L(n))). Where little is offered this
 * says that nobody may be turned away (W = 1: 2 L(n) <= budget); where much is, that fuller batches are worth it.
 */

import type { Curve } from '../core/scheduling.ts';

/** A batch that serves so much of the best is as good as the best, and the smallest of them is the quickest. */
const NEARLY = 0.97;

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
}

/** The size, and the rows per microsecond that it can serve within the budget. */
export interface Sizing {
  readonly rows: number;
  readonly capacityPerUs: number;
}

/** Smallest batch that serves 97 % of what the best one does. Rows are at least 1, whatever the budget. */
export function sizeBatch(input: SizingInput): Sizing {
  const { curve, mostRows, lanes, budgetUs, guard } = input;
  const base = steadyCapacity(input);
  const offered = Math.max(input.offeredPerUs, base);
  const served = (n: number): number => {
    const us = curve.at(n);
    const window = Math.min(1, (lanes * (budgetUs - us * (1 + guard))) / us);
    return Math.min((lanes * n) / us, offered * window);
  };
  let best = 0;
  for (let n = 1; n <= mostRows && curve.at(n) < budgetUs; n++) best = Math.max(best, served(n));
  if (best <= 0) return { rows: 1, capacityPerUs: base };
  for (let n = 1; n <= mostRows; n++) {
    if (served(n) >= NEARLY * best) return { rows: n, capacityPerUs: Math.min(served(n), (lanes * n) / curve.at(n)) };
  }
  return { rows: 1, capacityPerUs: base };
}

/** Rows per microsecond with nobody turned away: who just misses a batch waits for the next start. */
function steadyCapacity({ curve, mostRows, lanes, budgetUs, guard }: SizingInput): number {
  let best = lanes / curve.at(1);
  for (let n = 2; n <= mostRows && curve.at(n) * (1 + guard + 1 / lanes) <= budgetUs; n++) {
    best = Math.max(best, (lanes * n) / curve.at(n));
  }
  return best;
}
