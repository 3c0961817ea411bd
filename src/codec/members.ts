/** Reading members of a request's JSON: absent and null are the same, and parameters are flat. */

import { invalid } from '../core/error.ts';

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>;

const NOTHING: JsonObject = Object.freeze({});

/** Reserved by Triton for itself: refused in requests. */
const RESERVED_PREFIX = 'triton_';

/** The member, or undefined where it is absent or null (real clients send null for absent). */
export function optional(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined;
}

/**
 * A `parameters` member: string, number and boolean values (null is ignored); empty where it is absent.
 * @param where for the error sentence: "the request", "input 'A'".
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function checkParameters(value: unknown, where: string): JsonObject {
  if (value === undefined || value === null) return NOTHING;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(`'parameters' of ${where} must be an object`);
  for (const [key, member] of Object.entries(value)) {
    const name = key.slice(0, 64);
    if (key.startsWith(RESERVED_PREFIX)) throw invalid(`parameter '${name}' of ${where} is reserved`);
    if (typeof member === 'object' && member !== null) {
      throw invalid(`parameter '${name}' of ${where} must be a string, a number or a boolean`);
    }
  }
  return value as JsonObject;
}

/**
 * `parameters.timeout` in microseconds; 0 means none. A sequence id on our stateless models is refused here as well.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function readTimeoutUs(parameters: JsonObject): number {
  const sequence = optional(parameters, 'sequence_id');
  if (sequence !== undefined && sequence !== 0 && sequence !== '') {
    throw invalid("'sequence_id' is given, but the model keeps no sequence state");
  }
  const timeout = optional(parameters, 'timeout');
  if (timeout === undefined) return 0;
  if (typeof timeout !== 'number' || !Number.isSafeInteger(timeout) || timeout < 0) {
    throw invalid("parameter 'timeout' must be a whole number of microseconds of at least 0");
  }
  return timeout;
}
