/**
 * What models that share lanes leave to each other of the time that they may promise: without it whoever plans furthest ahead has all
 * of it. A model that asks for more than its part leaves the others theirs, as far as they ask for so much. Within one model flows do
 * the same (shares.ts); best effort has its turns (debt.ts).
 */

import type { PlanQueue } from './plan-queue.ts';
import type { Traveller } from './travel.ts';

/** Most of the time that is left to others: what remains is enough to go on with. */
const MOST_YIELDED = 0.8;

/** How much more than it asks for is left to a model below its part. */
const RESERVE = 1.5;

/** Who asks for less of a lane's time is not about. */
const LEAST_ASKED = 1e-3;

/** Tells every queue the part of the time that its promises leave to others. */
export function shareLanes<T extends Traveller>(queues: readonly PlanQueue<T>[], nowUs: number): void {
  for (const queue of queues) queue.asked = askedOf(queue, queues, nowUs);
  for (const queue of queues) queue.yielded = queue.asked < LEAST_ASKED ? 0 : yieldedBy(queue, queues);
}

/** The part of its lanes' time that its promises ask for, in batches of those who come while everybody has one. */
function askedOf<T extends Traveller>(queue: PlanQueue<T>, queues: readonly PlanQueue<T>[], nowUs: number): number {
  const { batchRows } = queue;
  const { curve } = queue.spec;
  let everyUs = curve.at(batchRows);
  for (const other of queues) if (meet(queue, other)) everyUs += other.spec.curve.at(other.batchRows);
  const perUs = queue.promisedPerUs(nowUs) / Math.max(1, queue.lanes.length);
  const rows = Math.min(batchRows, Math.max(1, Math.ceil(perUs * everyUs)));
  return perUs * everyUs < rows
    ? Math.min(perUs * curve.at(1), curve.at(rows) / everyUs)
    : (perUs * curve.at(rows)) / rows;
}

function yieldedBy<T extends Traveller>(queue: PlanQueue<T>, queues: readonly PlanQueue<T>[]): number {
  const others = queues.filter((other) => other.asked >= LEAST_ASKED && meet(queue, other));
  const part = 1 / (1 + others.length);
  if (queue.asked <= part) return 0;
  return Math.min(
    MOST_YIELDED,
    others.reduce((sum, { asked }) => sum + Math.min(part, RESERVE * asked), 0),
  );
}

function meet<T extends Traveller>(queue: PlanQueue<T>, other: PlanQueue<T>): boolean {
  return queue !== other && queue.lanes.some((lane) => other.lanes.includes(lane));
}
