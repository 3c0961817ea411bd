/** The addon's lift and its reference on the same bytes: the same facts, the same skeleton, the same numbers, or a throw. */

import assert from 'node:assert/strict';
import { DATATYPES } from '../../src/core/datatype.ts';
import { LIFT_RESULT_LENGTH, Lift, LiftStatus } from '../../src/native/binding.ts';
import { loadBinding } from '../../src/native/load.ts';
import { liftReference, type ReferenceOutcome } from '../../src/native/reference/lift.ts';
import { MODEL } from './lift-requests.ts';

/** The addon. */
export const binding = loadBinding();
/** What memory holds that a lift must not touch. */
export const GUARD = 0xa5;
/** MODEL, as the addon knows it. */
export const target = binding.createTarget(
  MODEL.map((input) => input.name),
  MODEL.map((input) => DATATYPES.findIndex((row) => row.name === input.datatype)),
  16,
);

/** What one lift may take. */
export interface Options {
  capacity?: number;
  skeletonCapacity?: number;
  maxDepth?: number;
}

/** What one lift found, and where it wrote. */
export interface Lifted extends ReferenceOutcome {
  destination: Buffer;
}

/** Memory and limits of one lift. */
export function withDefaults(options: Options) {
  const capacity = options.capacity ?? 4096;
  const placement = MODEL.map((_, i) => [i * (capacity + 8), capacity] as const);
  const destination = Buffer.alloc(MODEL.length * (capacity + 8), GUARD);
  const { skeletonCapacity = 65_536, maxDepth = 100 } = options;
  return { capacity, placement, destination, skeletonCapacity, maxDepth };
}

/** Lifts with the addon, from the middle of a larger buffer. */
export function kernel(text: Uint8Array, options: Options): Lifted {
  const { placement, destination, skeletonCapacity, maxDepth } = withDefaults(options);
  const body = Buffer.concat([Buffer.from('['), text, Buffer.from('0')]);
  const skeleton = Buffer.alloc(skeletonCapacity, GUARD);
  const result = new Float64Array(LIFT_RESULT_LENGTH).fill(7);
  const places = Float64Array.from(placement.flat());
  const status = binding.lift(target, body, 1, text.length, destination, places, skeleton, result, maxDepth);
  assert.equal(result[Lift.STATUS], status);
  return { ...read(result), skeleton: skeleton.subarray(0, result[Lift.SKELETON_LENGTH]), destination };
}

/** What a result array says, by name. */
export function read(result: Float64Array): Omit<ReferenceOutcome, 'skeleton'> {
  const inputs = Array.from({ length: result[Lift.INPUT_COUNT] }, (_, i) => {
    const [modelInput, elements, bytes] = result.subarray(Lift.INPUTS + i * Lift.STRIDE);
    return { modelInput, elements, bytes };
  });
  return {
    status: result[Lift.STATUS],
    errorInput: result[Lift.ERROR_INPUT],
    errorElement: result[Lift.ERROR_ELEMENT],
    idStart: result[Lift.ID_START],
    idLength: result[Lift.ID_LENGTH],
    inputs,
  };
}

function reference(body: Uint8Array, options: Options): Lifted {
  const defaults = withDefaults(options);
  const outcome = liftReference({ ...defaults, inputs: MODEL, body });
  return { ...outcome, destination: defaults.destination };
}

/** Whether the document was read to its end. */
export function isWhole(status: number): boolean {
  return status === LiftStatus.OK || status === LiftStatus.NEED_SPACE;
}

/** Both must agree; where both refuse, only `sameFault` asks for the same reason. @throws AssertionError */
export function compare(text: Uint8Array, options: Options, sameFault: boolean): Lifted {
  const ours = reference(text, options);
  const theirs = kernel(text, options);
  if (!isWhole(ours.status) && !isWhole(theirs.status)) {
    if (sameFault) {
      assert.equal(theirs.status, ours.status);
      // A skeleton that is too large is no single input's fault.
      if (ours.status !== LiftStatus.HEAD_TOO_LARGE) assert.equal(theirs.errorInput, ours.errorInput);
      if (ours.errorElement >= 0) assert.equal(theirs.errorElement, ours.errorElement);
    }
    return theirs;
  }
  const { destination: ourBytes, skeleton: ourSkeleton, ...ourFacts } = ours;
  const { destination: theirBytes, skeleton: theirSkeleton, ...theirFacts } = theirs;
  const ignored = { errorInput: 0, errorElement: 0 };
  assert.deepStrictEqual({ ...theirFacts, ...ignored }, { ...ourFacts, ...ignored });
  assert.equal(Buffer.from(theirSkeleton).toString('latin1'), Buffer.from(ourSkeleton).toString('latin1'));
  if (ours.status === LiftStatus.OK) assert.ok(theirBytes.equals(ourBytes), 'the numbers differ');
  return theirs;
}
