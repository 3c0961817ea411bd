/** The door: what the scheduler does not take, in words for the caller. */

import type { Refusal } from '../batching/travel.ts';
import { GatewayError, instanceLost } from '../core/error.ts';
import type { Target } from './target.ts';

/** A refusal as the caller sees it: OVERLOADED and when to come again, DEADLINE_EXCEEDED, or INSTANCE_LOST. */
export function refusalError(target: Target, refusal: Refusal): GatewayError {
  const { model } = target;
  const { kind, predictedUs, leftUs } = refusal;
  if (kind === 'lost') return instanceLost(model);
  const retryAfterMs = refusal.retryAfterUs / 1000;
  if (kind === 'impossible') {
    const sentence = `model '${model}' takes ${milliseconds(predictedUs)} for this request, and ${milliseconds(leftUs)} are left`;
    return new GatewayError('DEADLINE_EXCEEDED', sentence);
  }
  if (kind === 'busy') {
    const sentence = `model '${model}' is busy: this request would be answered in ${milliseconds(predictedUs)}, and ${milliseconds(leftUs)} are left`;
    return new GatewayError('OVERLOADED', sentence, { retryAfterMs });
  }
  return new GatewayError('OVERLOADED', `the queue of model '${model}' is full`, { retryAfterMs, limit: kind });
}

/** The refusal of pictures before which so many wait that they would be decoded that much too late. */
export function decodedTooLate({ model }: Target, lateUs: number): GatewayError {
  const sentence = `model '${model}' is busy: too many images wait to be decoded before those of this request`;
  return new GatewayError('OVERLOADED', sentence, { retryAfterMs: lateUs / 1000 });
}

/** The refusal of pictures that could not be decoded in the time that is left for that, were there no others. */
export function decodesTooLong({ model }: Target, takesUs: number, leftUs: number): GatewayError {
  const times = `${milliseconds(takesUs)} to be decoded, and ${milliseconds(leftUs)} are left for that`;
  return new GatewayError('DEADLINE_EXCEEDED', `the images for model '${model}' take ${times}`);
}

/** The refusal of who waited only as long as nobody came who needs his place: in a batch, or in the queue. */
export function displacedError({ model, queue }: Target): GatewayError {
  const sentence = `model '${model}' is busy: there was room for this request only if nobody else came`;
  return new GatewayError('OVERLOADED', sentence, { retryAfterMs: queue.drainUs / 1000 });
}

/** The refusal where the memory that all models share is used up. */
export function arenaUsedUp(): GatewayError {
  return new GatewayError('OVERLOADED', 'the memory for requests is used up', { limit: 'arenaBytes' });
}

function milliseconds(us: number): string {
  if (!Number.isFinite(us)) return 'an unknown time';
  const ms = Math.max(0, us) / 1000;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
