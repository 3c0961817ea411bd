/** The door: what is refused before any work is spent on it. */

import type { Driver } from '../batching/driver.ts';
import { GatewayError, instanceLost } from '../core/error.ts';
import type { InferRequest } from './request.ts';
import type { Target } from './target.ts';

/**
 * Whether a request may go on to be decoded: its queue has room for it.
 * @throws {GatewayError} OVERLOADED with the time after which the queue will have drained; INSTANCE_LOST
 */
export function admit(driver: Driver<InferRequest>, target: Target, rows: number, bytes: number): void {
  if (!driver.hasRoom(target.queue, rows, bytes)) throw overloaded(target, bytes);
}

/** The refusal of a queue that takes no more: it has no room for a request of `bytes`, or no lane. */
export function overloaded(target: Target, bytes: number): GatewayError {
  const { queue } = target;
  if (queue.lost) return instanceLost(target.model);
  const limit = queue.bytes + bytes > queue.spec.queueBytes ? 'queueBytes' : 'queueRows';
  return new GatewayError('OVERLOADED', `the queue of model '${target.model}' is full`, {
    retryAfterMs: drainMs(target),
    limit,
  });
}

/** The refusal where the memory that all models share is used up. */
export function arenaUsedUp(): GatewayError {
  return new GatewayError('OVERLOADED', 'the memory for requests is used up', { limit: 'arenaBytes' });
}

/** Time until what waits now has run, from the run time measured at load; milliseconds above 0. */
export function drainMs(target: Target): number {
  const { measuredUs, measuredRows, instances } = target.facts;
  const perRowUs = measuredUs / Math.max(1, measuredRows);
  const drainUs = (target.queue.rows * perRowUs) / Math.max(1, instances);
  return Math.max(1, drainUs / 1000);
}
