/** W3C Trace Context (Recommendation of 2021, section 3.2): the `traceparent` of an answer. */

import { randomBytes } from 'node:crypto';

/** version "-" trace-id "-" parent-id "-" flags; a later version than 00 may go on behind them. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_PARENT = '0'.repeat(16);

/**
 * The `traceparent` that answers one: the same trace and a span of our own, or a new trace where the caller's is invalid.
 * @param header `traceparent` of the request, not empty: who sends none gets none.
 */
export function continueTrace(header: string): string {
  const span = randomBytes(8).toString('hex');
  const match = TRACEPARENT.exec(header);
  const [, version, trace, parent, flags, more] = match ?? [];
  const valid =
    version !== undefined &&
    version !== 'ff' &&
    (version !== '00' || more === undefined) &&
    trace !== NO_TRACE &&
    parent !== NO_PARENT;
  return valid ? `00-${trace}-${span}-${flags}` : `00-${randomBytes(16).toString('hex')}-${span}-00`;
}
