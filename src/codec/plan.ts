/**
 * What a request's JSON head means for one model version: made once from its text, then remembered by its bytes.
 * A plan is immutable and holds nothing of one caller: no id, no numbers.
 */

import { type DatatypeInfo, datatypeOf } from '../core/datatype.ts';
import { GatewayError, invalid } from '../core/error.ts';
import { elementCount, type Signature, type TensorSpec } from '../core/tensor.ts';
import { checkClasses } from './classification.ts';
import { checkParameters, type JsonObject, optional, readWishes } from './members.ts';
import { type PictureInput, type PlannedPictures, parameterWishes, plannedPictures, wantedOf } from './picture-plan.ts';

/**
 * Most elements that the dimensions of an empty tensor may stand for, its zeros left out: `[0, 2^40]` is a request of a few
 * bytes, and a model that makes its output from such a dimension would take all memory there is.
 */
const MOST_EMPTY_ELEMENTS = 2 ** 24;

/** Most outputs that one request may ask for, as of inputs: stops a list that costs more to read than to send. */
const MAX_OUTPUTS = 1024;

/** Most dimensions of a shape; no tensor has more, and a client may send as many as fit its head. */
const MAX_RANK = 64;

/** Where an input's numbers come from. `implied`: the binary tail, its size read from the shape. */
export type InputSource = 'json' | 'binary' | 'implied';

/** One input of a request, at the place of the model's input it feeds. */
export interface PlannedInput {
  readonly spec: TensorSpec;
  /** Of the tensor; of the one that they become where files are sent. */
  readonly dims: readonly number[];
  /** How many are sent: numbers, strings, or files. */
  readonly elements: number;
  readonly source: InputSource;
  /** Bytes in binary form: shape times element size; for BYTES what `binary_data_size` says, -1 where not known ahead. */
  readonly bytes: number;
  /** Ordinal in the body's `inputs`. */
  readonly ordinal: number;
  /** JSON strings are base64 of the element's bytes (`content_type`, BYTES only). */
  readonly base64: boolean;
  /** Encoded pictures are sent in place of the tensor, one a row. */
  readonly files: boolean;
}

/** One output as it goes on the wire. */
export interface PlannedOutput {
  /** Index in the signature's outputs. */
  readonly index: number;
  readonly spec: TensorSpec;
  readonly binary: boolean;
  /** Top k classes instead of numbers; 0 = the numbers. */
  readonly classification: number;
}

/** A request's shape and wishes, checked against a model version. */
export interface RequestPlan {
  /** Batch dimension; 1 for models without one. */
  readonly rows: number;
  /** Equal for requests that may share a batch. */
  readonly shapeKey: string;
  /** In the signature's order. */
  readonly inputs: readonly PlannedInput[];
  /** Model input index per ordinal in the body: the order of the binary tail. */
  readonly bodyOrder: readonly number[];
  /** In the order asked for. */
  readonly outputs: readonly PlannedOutput[];
  /** From `parameters.timeout`, microseconds; 0 = none. */
  readonly timeoutUs: number;
  /** From `parameters.priority`: 1 to 3, the first class first. */
  readonly priority: number;
  /** Whether an input's numbers stand in the JSON: such a plan says nothing of them. */
  readonly hasJson: boolean;
  /** What is wanted of the pictures that are sent in place of a tensor; null = tensors are sent. */
  readonly pictures: PlannedPictures | null;
}

/** What a plan is made for. */
export interface PlanModel {
  readonly signature: Signature;
  /** 0 = no batch dimension to speak of. */
  readonly maxBatchSize: number;
  /** The input that takes encoded pictures as well; null = the model takes tensors only. */
  readonly pictures: PictureInput | null;
}

/**
 * Reads a head.
 * @param text JSON, already found well-formed, in UTF-8 and free of duplicate keys by the addon.
 * @param binary whether the request came with `Inference-Header-Content-Length`: a size may then be left to the shape.
 * @throws {GatewayError} INVALID_ARGUMENT naming the member, what was expected and what was found
 */
export function planRequest(text: string, model: PlanModel, binary: boolean): RequestPlan {
  const root: unknown = JSON.parse(text);
  if (typeof root !== 'object' || root === null || Array.isArray(root)) throw invalid('the body must be a JSON object');
  const body = root as JsonObject;
  if (optional(body, 'id') !== undefined && typeof body.id !== 'string') throw invalid("'id' must be a string");
  const parameters = checkParameters(body.parameters, 'the request');
  const { timeoutUs, priority, binaryOutputs } = readWishes(parameters);
  const byName = readInputs(body.inputs, model, binary);
  const inputs = model.signature.inputs.map((spec) => {
    const input = byName.get(spec.name);
    if (input === undefined) throw invalid(`input '${spec.name}' is missing`);
    return input;
  });
  const rows = batchRows(inputs, model);
  const asked = readList(body.outputs);
  const pictures = readPictures(inputs, model, parameters, asked.length > 0, binaryOutputs);
  const outputs = readOutputs(asked, model.signature, binaryOutputs, pictures);
  checkClasses(outputs, rows, model.maxBatchSize > 0);
  return Object.freeze({
    rows,
    shapeKey: shapeKey(inputs, model),
    inputs,
    bodyOrder: bodyOrder(inputs),
    outputs,
    timeoutUs,
    priority,
    hasJson: inputs.some((input) => input.source === 'json'),
    pictures,
  });
}

function readInputs(value: unknown, model: PlanModel, binary: boolean): Map<string, PlannedInput> {
  if (value === undefined || value === null) throw invalid("'inputs' is missing");
  if (!Array.isArray(value)) throw invalid("'inputs' must be an array");
  const found = new Map<string, PlannedInput>();
  value.forEach((member: unknown, ordinal) => {
    const input = readInput(member, ordinal, model, binary, value.length);
    if (found.has(input.spec.name)) throw invalid(`input '${input.spec.name}' is given twice`);
    found.set(input.spec.name, input);
  });
  return found;
}

function readInput(value: unknown, ordinal: number, model: PlanModel, binary: boolean, count: number): PlannedInput {
  const at = `inputs[${ordinal}]`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${at} must be an object`);
  const member = value as JsonObject;
  const name = member.name;
  if (typeof name !== 'string') throw invalid(`${at} has no 'name' of type string`);
  const index = model.signature.inputs.findIndex((input) => input.name === name);
  if (index < 0) {
    const known = model.signature.inputs.map((input) => `'${input.name}'`).join(', ');
    throw invalid(`unknown input '${name.slice(0, 64)}', the model has ${known}`);
  }
  const { pictures } = model;
  const spec = model.signature.inputs[index];
  if (pictures === null || pictures.input !== index || member.datatype !== pictures.files.datatype.name) {
    return readTensor(member, spec, ordinal, binary, count);
  }
  return plannedPictures(readTensor(member, pictures.files, ordinal, binary, count), spec, pictures);
}

/** @param spec what is to be sent */
function readTensor(
  member: JsonObject,
  spec: TensorSpec,
  ordinal: number,
  binary: boolean,
  count: number,
): PlannedInput {
  const { name } = spec;
  const type = readDatatype(member.datatype, spec);
  const dims = readDims(member.shape, spec);
  const elements = elementCount(dims);
  const beyond = elements === 0 && !isSmallExtent(dims);
  if (beyond || elements < 0 || !Number.isSafeInteger(elements * Math.max(1, type.size))) {
    throw invalid(`input '${name}' has a shape of more elements than can be counted`);
  }
  const parameters = checkParameters(member.parameters, `input '${name}'`);
  const { source, bytes } = readSource(member, parameters, spec, elements, binary, count);
  const base64 = type.name === 'BYTES' && source === 'json' && parameters.content_type === 'base64';
  return { spec, dims, elements, source, bytes, ordinal, base64, files: false };
}

function isSmallExtent(dims: readonly number[]): boolean {
  const extent = elementCount(dims.filter((d) => d > 0));
  return extent >= 0 && extent <= MOST_EMPTY_ELEMENTS;
}

function readDatatype(value: unknown, spec: TensorSpec): DatatypeInfo {
  if (typeof value !== 'string') throw invalid(`input '${spec.name}' has no 'datatype' of type string`);
  const type = datatypeOf(value);
  if (type === undefined) throw invalid(`input '${spec.name}' has unknown datatype '${value.slice(0, 32)}'`);
  if (type !== spec.datatype) {
    throw invalid(`input '${spec.name}' expects datatype ${spec.datatype.name}, found ${type.name}`);
  }
  return type;
}

function readDims(value: unknown, spec: TensorSpec): number[] {
  if (!Array.isArray(value)) throw invalid(`input '${spec.name}' has no 'shape' of type array`);
  if (value.length > MAX_RANK)
    throw invalid(`input '${spec.name}' has a shape of more than ${MAX_RANK} dimensions`, 'rank');
  for (const d of value as unknown[]) {
    if (typeof d !== 'number' || !Number.isSafeInteger(d) || d < 0) {
      throw invalid(`input '${spec.name}' has a shape with a dimension that is no whole number of at least 0`);
    }
  }
  const dims = [...(value as number[])];
  // MLServer's string codec sends [n,1] where the model says [-1].
  while (dims.length > spec.shape.length && dims.length > 1 && dims.at(-1) === 1) dims.pop();
  const fits = dims.length === spec.shape.length && dims.every((d, i) => spec.shape[i] < 0 || spec.shape[i] === d);
  if (!fits) {
    const shown = (value as number[]).slice(0, 8).join(',');
    throw invalid(
      `input '${spec.name}' expects shape [${spec.shape}], found [${shown}${value.length > 8 ? ',...' : ''}]`,
    );
  }
  return dims;
}

function readSource(
  member: JsonObject,
  parameters: JsonObject,
  spec: TensorSpec,
  elements: number,
  binary: boolean,
  count: number,
): { source: InputSource; bytes: number } {
  const name = spec.name;
  const size = optional(parameters, 'binary_data_size');
  const data = optional(member, 'data');
  if (optional(parameters, 'shared_memory_region') !== undefined) {
    if (data !== undefined || size !== undefined) throw invalid(`input '${name}' has data and 'shared_memory_region'`);
    throw noSharedMemory(`input '${name}'`);
  }
  const bytes = spec.datatype.size === 0 ? -1 : elements * spec.datatype.size;
  // The kserve client sends `"data": null` beside `binary_data_size: 0`.
  if (data !== undefined) {
    if (size !== undefined && size !== 0) throw invalid(`input '${name}' has both 'data' and 'binary_data_size'`);
    if (!Array.isArray(data)) throw invalid(`input '${name}': 'data' must be an array`);
    if (spec.datatype.name === 'FP16' || spec.datatype.name === 'BF16') {
      throw invalid(`input '${name}': ${spec.datatype.name} has no JSON form, use the binary data format`);
    }
    return { source: 'json', bytes };
  }
  if (size === undefined) {
    if (!binary || (bytes < 0 && count > 1)) {
      throw invalid(`input '${name}' has neither 'data' nor 'binary_data_size'`);
    }
    return { source: 'implied', bytes };
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`input '${name}': 'binary_data_size' must be a whole number of at least 0`);
  }
  if (bytes >= 0 && size !== bytes) {
    throw invalid(`input '${name}' expects a byte size of ${bytes} for its shape and datatype, found ${size}`);
  }
  return { source: 'binary', bytes: size };
}

function noSharedMemory(where: string): GatewayError {
  return new GatewayError('NOT_IMPLEMENTED', `${where} asks for shared memory, which is not offered`);
}

function batchRows(inputs: readonly PlannedInput[], model: PlanModel): number {
  if (model.maxBatchSize === 0 || inputs.length === 0) return 1;
  const rows = inputs[0].dims[0];
  for (const input of inputs) {
    if (input.dims[0] !== rows) {
      throw invalid(
        `input '${input.spec.name}' has batch size ${input.dims[0]}, input '${inputs[0].spec.name}' has ${rows}`,
      );
    }
  }
  if (rows > model.maxBatchSize) {
    throw invalid(`batch size ${rows} is above the model's maximum of ${model.maxBatchSize}`, 'batchRows');
  }
  return rows;
}

/** Equal for requests whose rows may lie in one tensor. */
export function shapeKey(inputs: readonly PlannedInput[], model: PlanModel): string {
  if (model.maxBatchSize === 0) return '';
  return inputs.map((input) => input.dims.slice(1).join('x')).join(',');
}

function bodyOrder(inputs: readonly PlannedInput[]): number[] {
  return inputs.map((_, index) => index).sort((a, b) => inputs[a].ordinal - inputs[b].ordinal);
}

/** What is wanted of the pictures, where files are sent. @param named whether the request names the outputs that it wants */
function readPictures(
  inputs: readonly PlannedInput[],
  { pictures }: PlanModel,
  parameters: JsonObject,
  named: boolean,
  binary: boolean,
): PlannedPictures | null {
  if (pictures === null || !inputs[pictures.input].files) return null;
  return wantedOf(parameterWishes(parameters, pictures), pictures, named, binary);
}

/** `outputs` of a request; absent, null and empty are the same. */
function readList(value: unknown): readonly unknown[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) throw invalid("'outputs' must be an array");
  return (value ?? []) as unknown[];
}

function readOutputs(
  asked: readonly unknown[],
  signature: Signature,
  allBinary: boolean,
  pictures: PlannedPictures | null,
): PlannedOutput[] {
  if (asked.length === 0) return everyOutput(signature, pictures, () => allBinary);
  if (asked.length > MAX_OUTPUTS) throw invalid(`the body asks for more than ${MAX_OUTPUTS} outputs`, 'outputs');
  const seen = new Set<number>();
  return asked.map((member, ordinal) => {
    const output = readOutput(member, ordinal, signature);
    if (seen.has(output.index)) throw invalid(`output '${output.spec.name}' is asked for twice`);
    seen.add(output.index);
    return checkForm(output);
  });
}

/**
 * The outputs of a request that names none: all of them, none where what is declared of them is answered instead.
 * @param binary whether an output of this datatype goes in binary form
 * @throws {GatewayError} INVALID_ARGUMENT where one has no such form
 */
export function everyOutput(
  { outputs }: Signature,
  pictures: PlannedPictures | null,
  binary: (datatype: DatatypeInfo) => boolean,
): PlannedOutput[] {
  if (pictures?.declared === true) return [];
  const classification = pictures?.classification ?? 0;
  return outputs.map((spec, index) => checkForm({ index, spec, binary: binary(spec.datatype), classification }));
}

function readOutput(value: unknown, ordinal: number, signature: Signature): PlannedOutput {
  const at = `outputs[${ordinal}]`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${at} must be an object`);
  const member = value as JsonObject;
  const name = member.name;
  if (typeof name !== 'string') throw invalid(`${at} has no 'name' of type string`);
  const index = signature.outputs.findIndex((output) => output.name === name);
  if (index < 0) {
    const known = signature.outputs.map((output) => `'${output.name}'`).join(', ');
    throw invalid(`unknown output '${name.slice(0, 64)}', the model has ${known}`);
  }
  const parameters = checkParameters(member.parameters, `output '${name}'`);
  const binary = optional(parameters, 'binary_data');
  if (binary !== undefined && typeof binary !== 'boolean') {
    throw invalid(`output '${name}': 'binary_data' must be true or false`);
  }
  const classes = optional(parameters, 'classification');
  if (classes !== undefined && (typeof classes !== 'number' || !Number.isSafeInteger(classes) || classes < 0)) {
    throw invalid(`output '${name}': 'classification' must be a whole number of at least 1`);
  }
  if (optional(parameters, 'shared_memory_region') !== undefined) throw noSharedMemory(`output '${name}'`);
  return { index, spec: signature.outputs[index], binary: binary === true, classification: Number(classes ?? 0) };
}

function checkForm(output: PlannedOutput): PlannedOutput {
  const type = output.spec.datatype.name;
  if (output.classification > 0) {
    if (type === 'BYTES') throw invalid(`output '${output.spec.name}' is BYTES and cannot be classified`);
    return output;
  }
  if (!output.binary && (type === 'FP16' || type === 'BF16')) {
    throw invalid(`output '${output.spec.name}' is ${type}, which has no JSON form: ask for it with 'binary_data'`);
  }
  return output;
}
