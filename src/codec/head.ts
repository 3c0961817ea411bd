/**
 * From a request's bytes to its plan: knows heads seen before, lifts the numbers of new ones, and turns the addon's
 * statuses into sentences. One reader per model version.
 */

import { type GatewayError, invalid } from '../core/error.ts';
import type { TensorSpec } from '../core/tensor.ts';
import {
  type Binding,
  LIFT_RESULT_LENGTH,
  Lift,
  LiftStatus,
  MAX_INPUTS,
  MAX_VALUES,
  type Memory,
} from '../native/binding.ts';
import type { AnswerForm } from './answer.ts';
import { type PlanModel, planRequest, type RequestPlan } from './plan.ts';

/** Heads remembered per model version: a client has few, and many clients share them. */
export const HEADS_KEPT = 512;

/** Most bytes a request may have besides the numbers of its `data`: stops bodies that are all structure. */
export const MAX_SKELETON_BYTES = 1024 * 1024;

/** A plan, and the form of its answers once one has been written. */
export interface PlanEntry {
  readonly plan: RequestPlan;
  form: AnswerForm | null;
}

/** Where lifted numbers go: (offset, capacity) per form that an input may come in (`HeadReader.forms`), in the arena. */
export type Placement = Float64Array;

/** What one lift found. `done` is false where the numbers still need a place. */
export interface Lifted {
  readonly entry: PlanEntry;
  readonly done: boolean;
  /** The caller's id as JSON text with its quotes; empty where there is none. */
  readonly id: string;
  /** Bytes that each model input's lifted elements take; 0 for those without `data`. */
  readonly bytes: readonly number[];
}

/** Reads heads for one model version. */
export class HeadReader {
  readonly handle: number;
  /** What may be sent: the model's inputs in their order, and behind them the files of one that takes pictures too. */
  readonly forms: readonly TensorSpec[];
  /** Look-ups in the table of heads that found a plan, and those whose head had to be parsed. */
  hits = 0;
  misses = 0;
  readonly #binding: Binding;
  readonly #model: PlanModel;
  readonly #maxDepth: number;
  readonly #plans: (PlanEntry | undefined)[] = [];
  readonly #spare: number[] = [];
  readonly #skeleton = new Uint8Array(MAX_SKELETON_BYTES);
  readonly #result = new Float64Array(LIFT_RESULT_LENGTH);

  constructor(binding: Binding, model: PlanModel, maxDepth: number) {
    const { signature, pictures } = model;
    this.forms = pictures === null ? signature.inputs : [...signature.inputs, pictures.files];
    this.#binding = binding;
    this.#model = model;
    this.#maxDepth = maxDepth;
    this.handle = binding.createTarget(
      this.forms.map((form) => form.name),
      this.forms.map((form) => form.datatype.id),
      HEADS_KEPT,
    );
  }

  /**
   * The plan of a head that was seen before with exactly these bytes, or null. Skeletons of JSON bodies are remembered too:
   * a head that only looks like one still has its own `data` to be lifted.
   */
  known(memory: Memory, offset: number, length: number): PlanEntry | null {
    const plan = this.#binding.matchHead(this.handle, memory, offset, length);
    if (plan < 0) return null;
    const entry = this.#plans[plan] as PlanEntry;
    if (entry.plan.hasJson) return null;
    this.hits++;
    return entry;
  }

  /**
   * Lifts the numbers of `body` to their places and finds its plan.
   * @param binary whether a binary tail follows the JSON.
   * @throws {GatewayError} INVALID_ARGUMENT
   */
  lift(body: Memory, offset: number, length: number, arena: Uint8Array, places: Placement, binary: boolean): Lifted {
    const b = this.#binding;
    b.lift(this.handle, body, offset, length, arena, places, this.#skeleton, this.#result, this.#maxDepth);
    return this.#understand(body, offset, this.#result, this.#skeleton, binary);
  }

  /** The same off this thread, for large bodies; nothing may be placed on the strength of a guess meanwhile. */
  async liftApart(
    body: Memory,
    length: number,
    arena: Uint8Array,
    places: Placement,
    binary: boolean,
  ): Promise<Lifted> {
    const skeleton = new Uint8Array(MAX_SKELETON_BYTES);
    const result = new Float64Array(LIFT_RESULT_LENGTH);
    await this.#binding.liftAsync(this.handle, body, 0, length, arena, places, skeleton, result, this.#maxDepth);
    return this.#understand(body, 0, result, skeleton, binary);
  }

  /** Forgets everything; the reader cannot be used afterwards. */
  dispose(): void {
    this.#binding.dropTarget(this.handle);
  }

  #understand(body: Memory, offset: number, result: Float64Array, skeleton: Uint8Array, binary: boolean): Lifted {
    const status = result[Lift.STATUS];
    if (status !== LiftStatus.OK && status !== LiftStatus.NEED_SPACE) throw this.#refusal(result);
    const known = result[Lift.PLAN];
    if (known >= 0) this.hits++;
    else this.misses++;
    const entry =
      known >= 0 ? (this.#plans[known] as PlanEntry) : this.#learn(skeleton, result[Lift.SKELETON_LENGTH], binary);
    return {
      entry,
      done: status === LiftStatus.OK,
      id: idText(body, offset, result),
      bytes: checkCounts(entry.plan, result),
    };
  }

  #learn(skeleton: Uint8Array, length: number, binary: boolean): PlanEntry {
    const text = Buffer.from(skeleton.buffer, 0, length).toString('utf8');
    const entry: PlanEntry = { plan: planRequest(text, this.#model, binary), form: null };
    const id = this.#spare.pop() ?? this.#plans.length;
    this.#plans[id] = entry;
    const evicted = this.#binding.rememberHead(this.handle, skeleton, 0, length, id);
    if (evicted >= 0) {
      this.#plans[evicted] = undefined;
      this.#spare.push(evicted);
    }
    return entry;
  }

  #refusal(result: Float64Array): GatewayError {
    const at = `byte ${result[Lift.ERROR_OFFSET]}`;
    const input = result[Lift.ERROR_INPUT];
    const model = input < 0 ? -1 : result[Lift.INPUTS + input * Lift.STRIDE + Lift.MODEL_INPUT];
    const spec = model >= 0 ? this.forms[model] : null;
    const name = spec === null ? `inputs[${Math.max(0, input)}]` : `input '${spec.name}'`;
    const type = spec?.datatype.name ?? 'a number';
    const element = `${name}, element ${result[Lift.ERROR_ELEMENT]}`;
    switch (result[Lift.STATUS]) {
      case LiftStatus.BAD_STRING:
        return invalid(`the body has a string that is not valid UTF-8 at ${at}`);
      case LiftStatus.TOO_DEEP:
        return invalid(`the body is nested deeper than ${this.#maxDepth} levels at ${at}`, 'jsonDepth');
      case LiftStatus.DUPLICATE_KEY:
        return invalid(`the body has the same key twice in one object at ${at}`);
      case LiftStatus.BAD_NUMBER:
        return invalid(`the body has a number that cannot be held at ${at}`);
      case LiftStatus.HEAD_TOO_LARGE:
        return invalid(`the body has more than ${MAX_SKELETON_BYTES} bytes besides its tensor data`, 'skeletonBytes');
      case LiftStatus.TOO_MANY_VALUES:
        return invalid(`the body has more than ${MAX_VALUES} values besides its tensor data`, 'skeletonValues');
      case LiftStatus.TOO_MANY_INPUTS:
        return invalid(`the body has more than ${MAX_INPUTS} inputs`, 'inputs');
      case LiftStatus.ELEMENT_TYPE:
        return invalid(`${element}: expected ${type}, found a value of another JSON type`);
      case LiftStatus.ELEMENT_FRACTION:
        return invalid(`${element}: expected a whole number for ${type}, found a fraction`);
      case LiftStatus.ELEMENT_RANGE:
        return invalid(`${element}: found a number outside the range of ${type}`);
      case LiftStatus.RAGGED:
        return invalid(`${name}: 'data' has arrays of unequal length or depth`);
      case LiftStatus.NO_JSON_FORM:
        return invalid(`${name}: ${type} has no JSON form, use the binary data format`);
      default:
        return invalid(`the body is not valid JSON at ${at}`);
    }
  }
}

function idText(body: Memory, offset: number, result: Float64Array): string {
  const start = result[Lift.ID_START];
  if (start < 0) return '';
  const base = body instanceof Uint8Array ? body.byteOffset : 0;
  const buffer = body instanceof Uint8Array ? body.buffer : body;
  return Buffer.from(buffer, base + offset + start, result[Lift.ID_LENGTH]).toString('utf8');
}

/** Element counts against shapes. @throws {GatewayError} INVALID_ARGUMENT */
function checkCounts(plan: RequestPlan, result: Float64Array): number[] {
  return plan.inputs.map((input) => {
    if (input.source !== 'json') return 0;
    const at = Lift.INPUTS + input.ordinal * Lift.STRIDE;
    const found = result[at + Lift.ELEMENTS];
    if (found !== input.elements) {
      const shape = input.files ? input.elements : input.dims;
      throw invalid(
        `input '${input.spec.name}' expects ${input.elements} elements for shape [${shape}], found ${found}`,
      );
    }
    return result[at + Lift.BYTES];
  });
}
