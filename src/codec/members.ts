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

/** The class of a request that states none: 1 is served before it, 3 after it. */
export const NORMAL_PRIORITY = 2;

/** The lowest class: whatever number a caller states beyond it. */
const LOWEST_PRIORITY = 3;

/** What the request parameters that Triton reserves ask for. The others are the caller's own and mean nothing here. */
export interface RequestWishes {
  /** From the first byte, microseconds; 0 = none. */
  readonly timeoutUs: number;
  /** 1 to 3, the first class first. */
  readonly priority: number;
  /** Whether outputs are binary where the request lists none. */
  readonly binaryOutputs: boolean;
}

/**
 * The reserved request parameters. `priority` is a class as Triton counts them (1 first, 0 the default), of which there are
 * three. A sequence would need its requests to meet one instance in order, which stateless models do not offer.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function readWishes(parameters: JsonObject): RequestWishes {
  refuseSequence(parameters);
  const priority = whole(parameters, 'priority', '');
  return {
    timeoutUs: whole(parameters, 'timeout', ' of microseconds'),
    priority: priority === 0 ? NORMAL_PRIORITY : Math.min(priority, LOWEST_PRIORITY),
    binaryOutputs: flag(parameters, 'binary_data_output'),
  };
}

/** An id of 0 or "" is none: Triton's clients send it. */
function refuseSequence(parameters: JsonObject): void {
  const id = optional(parameters, 'sequence_id');
  if (id !== undefined && id !== 0 && id !== '') {
    throw invalid("'sequence_id' is given, but the model keeps no sequence state");
  }
  flag(parameters, 'sequence_end');
  if (flag(parameters, 'sequence_start')) throw invalid("'sequence_start' is true, but there is no 'sequence_id'");
}

function whole(parameters: JsonObject, name: string, unit: string): number {
  const value = optional(parameters, name);
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`parameter '${name}' must be a whole number${unit} of at least 0`);
  }
  return value;
}

function flag(parameters: JsonObject, name: string): boolean {
  const value = optional(parameters, name) ?? false;
  if (typeof value !== 'boolean') throw invalid(`parameter '${name}' must be true or false`);
  return value;
}
