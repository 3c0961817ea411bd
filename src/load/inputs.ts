/** The requests of a load, made from what a model says it takes: random values, seeded, several bodies sent in turn. */

import { elementCount } from '../core/tensor.ts';
import { LoadError } from './error.ts';
import type { WireRequest } from './figures.ts';
import { Random } from './random.ts';
import type { Target, TargetInput } from './target.ts';
import { drawElements, hasJsonForm, packElements, type Uniform } from './values.ts';

/** How many different bodies a load has, so that no server answers from a memory of the last one. */
export const BODIES = 16;
/** Memory for all bodies of a load; large ones become fewer. */
const BODIES_BYTES = 64 * 1024 * 1024;
/** Most elements of one input, so that a wrong shape does not take all memory. */
const MAX_ELEMENTS = 2 ** 24;
/** What a dimension that is variable and no batch becomes. */
const FREE_DIMENSION = 1;

/** How a deadline travels: in `X-Request-Timeout-Ms`, or as the `timeout` parameter (microseconds). */
export type DeadlineForm = 'header' | 'parameter';

/** What every request of a load has in common. */
export interface RequestOptions {
  /** Sent with every request where `sendDeadline` says how. */
  readonly deadlineMs: number | null;
  readonly sendDeadline: DeadlineForm | null;
  /** Bearer token; null sends none. */
  readonly token: string | null;
}

/** How bodies are made. */
export interface InputOptions extends RequestOptions {
  readonly form: 'json' | 'binary';
  /** Rows of one request. */
  readonly batch: number;
  readonly seed: number;
}

/** A tensor with the shape that is sent. */
type Sent = TargetInput & { readonly elements: number };

/**
 * Up to `BODIES` requests with random values.
 * @throws {LoadError} unsuitable: what is asked cannot be sent to this model
 */
export function makeRequests(target: Target, options: InputOptions): WireRequest[] {
  if (target.inputs.length === 0) {
    throw new LoadError('unsuitable', `model '${target.model}' does not say what it takes: give a file of requests`);
  }
  if (options.form === 'json') mustHaveJsonForm(target);
  const inputs = sentInputs(target, options.batch);
  const random = new Random(options.seed);
  const next = () => random.uniform();
  const headers = commonHeaders(options);
  const requests: WireRequest[] = [];
  let bytes = 0;
  while (requests.length < BODIES && (requests.length === 0 || bytes * (1 + 1 / requests.length) <= BODIES_BYTES)) {
    const { head, tail } = bodyOf(target, inputs, options, next);
    const body = Buffer.concat([head, ...tail]);
    requests.push({ path: `${target.path}/infer`, headers: { ...headers, ...formHeaders(head, tail) }, body });
    bytes += body.length;
  }
  return requests;
}

/**
 * Headers that every request has, whatever its body.
 * @throws {LoadError} unsuitable
 */
export function commonHeaders({ deadlineMs, sendDeadline, token }: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  if (token !== null) {
    if (!/^[\x21-\x7e]+$/.test(token)) throw new LoadError('unsuitable', 'the bearer token holds what no header may');
    headers.Authorization = `Bearer ${token}`;
  }
  if (deadlineMs !== null && sendDeadline === 'header') {
    if (!Number.isInteger(deadlineMs) || deadlineMs < 1) {
      throw new LoadError(
        'unsuitable',
        `a deadline of ${deadlineMs} ms cannot be a header, which has whole milliseconds`,
      );
    }
    headers['X-Request-Timeout-Ms'] = String(deadlineMs);
  }
  return headers;
}

/** The `timeout` parameter in microseconds; null where the deadline does not travel that way. */
export function timeoutParameter({ deadlineMs, sendDeadline }: RequestOptions): number | null {
  return deadlineMs === null || sendDeadline !== 'parameter' ? null : Math.max(1, Math.round(deadlineMs * 1000));
}

function mustHaveJsonForm({ inputs }: Target): void {
  const without = inputs.find((input) => !hasJsonForm(input.datatype.name));
  if (without === undefined) return;
  throw new LoadError(
    'unsuitable',
    `input '${without.name}' is ${without.datatype.name}, which has no JSON form: send binary`,
  );
}

function sentInputs(target: Target, batch: number): Sent[] {
  const { inputs, maxBatchSize, model } = target;
  if (maxBatchSize !== null && maxBatchSize > 0 && batch > maxBatchSize) {
    throw new LoadError('unsuitable', `model '${model}' takes at most ${maxBatchSize} rows, not ${batch}`);
  }
  if (batch > 1 && !inputs.some((input) => input.shape[0] === -1)) {
    throw new LoadError('unsuitable', `model '${model}' has no batch dimension: it takes one row, not ${batch}`);
  }
  return inputs.map((input) => {
    const shape = input.shape.map((size, i) => (size >= 0 ? size : i === 0 ? batch : FREE_DIMENSION));
    const elements = elementCount(shape);
    if (elements < 0 || elements > MAX_ELEMENTS) {
      throw new LoadError(
        'unsuitable',
        `input '${input.name}' of shape [${shape}] is more than ${MAX_ELEMENTS} elements`,
      );
    }
    return { ...input, shape, elements };
  });
}

function bodyOf(target: Target, inputs: readonly Sent[], options: InputOptions, next: Uniform): Body {
  const tail: Uint8Array[] = [];
  const tensors = inputs.map(({ name, datatype, shape, elements }) => {
    const data = drawElements(datatype, elements, next);
    const tensor = { name, shape, datatype: datatype.name };
    if (options.form === 'json') return { ...tensor, data };
    const bytes = packElements(datatype, data);
    tail.push(bytes);
    return { ...tensor, parameters: { binary_data_size: bytes.length } };
  });
  const timeout = timeoutParameter(options);
  const binary = options.form === 'binary';
  const parameters = {
    ...(timeout === null ? {} : { timeout }),
    ...(binary && target.outputs.length === 0 ? { binary_data_output: true } : {}),
  };
  const document = {
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    inputs: tensors,
    ...(target.outputs.length === 0 ? {} : { outputs: outputsOf(target, binary) }),
  };
  return { head: Buffer.from(JSON.stringify(document)), tail };
}

interface Body {
  readonly head: Buffer;
  readonly tail: readonly Uint8Array[];
}

/** Outputs that have no JSON form are asked for as binary even by a JSON request. */
function outputsOf({ outputs }: Target, binary: boolean): unknown[] {
  return outputs.map(({ name, datatype }) =>
    binary || !hasJsonForm(datatype) ? { name, parameters: { binary_data: true } } : { name },
  );
}

function formHeaders(head: Buffer, tail: readonly Uint8Array[]): Record<string, string> {
  if (tail.length === 0) return { 'Content-Type': 'application/json' };
  return { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.length) };
}
