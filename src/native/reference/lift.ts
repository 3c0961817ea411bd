/**
 * The reference of `lift`: the document as a tree first, then each `data` array on its own. Independent of the kernel in
 * method, for tests only. Where a document has several faults it may notice another one first than the kernel does.
 */

import type { Datatype } from '../../core/datatype.ts';
import { LiftStatus, MAX_INPUTS } from '../binding.ts';
import { type JsonNode, LiftFault, parseRequest } from './json.ts';
import { encodeNumber, floatBytes } from './numbers.ts';

/** One request to be lifted; the same words as `Binding.lift`. */
export interface ReferenceLift {
  readonly inputs: readonly { name: string; datatype: Datatype }[];
  readonly body: Uint8Array;
  readonly destination: Uint8Array;
  /** Per model input: byte offset in `destination`, capacity. */
  readonly placement: readonly (readonly [number, number])[];
  readonly skeletonCapacity: number;
  readonly maxDepth: number;
}

/** What `LiftResult` says, by name. */
export interface ReferenceOutcome {
  status: number;
  errorInput: number;
  errorElement: number;
  skeleton: Uint8Array;
  idStart: number;
  idLength: number;
  inputs: { modelInput: number; elements: number; bytes: number }[];
}

/** Lifts as `Binding.lift` must. `inputs` and `skeleton` are meaningful for OK and NEED_SPACE. */
export function liftReference(request: ReferenceLift): ReferenceOutcome {
  const outcome: ReferenceOutcome = {
    status: LiftStatus.OK,
    errorInput: -1,
    errorElement: -1,
    skeleton: new Uint8Array(),
    idStart: -1,
    idLength: 0,
    inputs: [],
  };
  try {
    liftDocument(request, outcome);
  } catch (error) {
    if (!(error instanceof LiftFault)) throw error;
    outcome.status = error.status;
    outcome.errorInput = error.input;
    outcome.errorElement = error.element;
  }
  return outcome;
}

function liftDocument(request: ReferenceLift, outcome: ReferenceOutcome): void {
  const root = parseRequest(request.body, request.maxDepth);
  const cuts: [number, number][] = [];
  const id = memberOf(root, 'id');
  if (id?.kind === 'string' && id.end - id.start > 2) {
    outcome.idStart = id.start;
    outcome.idLength = id.end - id.start;
    cuts.push([id.start + 1, id.end - 1]);
  }
  const inputs = memberOf(root, 'inputs');
  const members = inputs?.kind === 'array' ? inputs.items : [];
  if (members.length > MAX_INPUTS) throw new LiftFault(LiftStatus.TOO_MANY_INPUTS, -1);
  for (const [ordinal, member] of members.entries()) {
    outcome.inputs.push(liftMember(request, member, ordinal, cuts, outcome));
  }
  outcome.skeleton = without(request.body, cuts);
  if (outcome.skeleton.length > request.skeletonCapacity) throw new LiftFault(LiftStatus.HEAD_TOO_LARGE, -1);
}

function liftMember(
  request: ReferenceLift,
  member: JsonNode,
  ordinal: number,
  cuts: [number, number][],
  outcome: ReferenceOutcome,
): ReferenceOutcome['inputs'][number] {
  const data = memberOf(member, 'data');
  if (data?.kind !== 'array') return { modelInput: -1, elements: -1, bytes: 0 };
  cuts.push([data.start + 1, data.end - 1]);
  const name = textOf(member, 'name');
  const type = textOf(member, 'datatype');
  const modelInput = request.inputs.findIndex((input) => input.name === name && input.datatype === type);
  if (modelInput >= 0 && isHalf(type)) throw new LiftFault(LiftStatus.NO_JSON_FORM, ordinal);
  if (shapeOf(data) === null) throw new LiftFault(LiftStatus.RAGGED, ordinal);
  const leaves = leavesOf(data);
  const pieces = leaves.map((leaf, index) => {
    const bytes = modelInput < 0 ? checkLeaf(leaf, type) : encodeLeaf(leaf, request.inputs[modelInput].datatype);
    if (typeof bytes !== 'number') return bytes;
    throw new LiftFault(bytes, ordinal, index);
  });
  const joined = Buffer.concat(pieces);
  const record = { modelInput, elements: leaves.length, bytes: joined.length };
  if (modelInput < 0) return record;
  const [offset, capacity] = request.placement[modelInput];
  if (joined.length > capacity) outcome.status = LiftStatus.NEED_SPACE;
  else request.destination.set(joined, offset);
  return record;
}

function isHalf(type: string | undefined): boolean {
  return type === 'FP16' || type === 'BF16';
}

function encodeLeaf(leaf: JsonNode, type: Datatype): Uint8Array | number {
  if (leaf.kind === 'number') return type === 'BYTES' ? LiftStatus.ELEMENT_TYPE : encodeNumber(type, leaf.text);
  if (leaf.kind === 'string') return type === 'BYTES' ? framed(leaf.text) : LiftStatus.ELEMENT_TYPE;
  if (leaf.kind !== 'word') return LiftStatus.ELEMENT_TYPE;
  if (type === 'BOOL' && leaf.text === 'true') return Uint8Array.of(1);
  if (type === 'BOOL' && leaf.text === 'false') return Uint8Array.of(0);
  if (isFloating(type) && leaf.text !== 'true' && leaf.text !== 'false') {
    return floatBytes(type, leaf.text === 'null' ? Number.NaN : Number(leaf.text));
  }
  return isJsonWord(leaf.text) ? LiftStatus.ELEMENT_TYPE : LiftStatus.SYNTAX;
}

/** Data that feeds nothing must still be JSON. */
function checkLeaf(leaf: JsonNode, type: string | undefined): Uint8Array | number {
  if (leaf.kind === 'object') return LiftStatus.ELEMENT_TYPE;
  if (leaf.kind === 'word' && !isJsonWord(leaf.text) && !isFloating(type)) return LiftStatus.SYNTAX;
  const tooLarge = leaf.kind === 'number' && typeof encodeNumber('FP64', leaf.text) === 'number';
  return tooLarge ? LiftStatus.BAD_NUMBER : new Uint8Array();
}

function isJsonWord(text: string): boolean {
  return text === 'true' || text === 'false' || text === 'null';
}

function isFloating(type: string | undefined): boolean {
  return type === 'FP32' || type === 'FP64';
}

function framed(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes]);
}

/** `[2, 3]` for two arrays of three leaves each; null where the arrays are of unequal length or depth. */
function shapeOf(node: JsonNode): number[] | null {
  if (node.kind !== 'array') return [];
  const shapes = node.items.map(shapeOf);
  const first = shapes.length === 0 ? [] : shapes[0];
  if (first === null || shapes.some((shape) => shape?.join() !== first.join())) return null;
  return [node.items.length, ...first];
}

function leavesOf(node: JsonNode): JsonNode[] {
  return node.kind === 'array' ? node.items.flatMap(leavesOf) : [node];
}

function memberOf(node: JsonNode, key: string): JsonNode | undefined {
  return node.kind === 'object' ? node.members.find(([name]) => name === key)?.[1] : undefined;
}

function textOf(node: JsonNode, key: string): string | undefined {
  const member = memberOf(node, key);
  return member?.kind === 'string' ? member.text : undefined;
}

function without(body: Uint8Array, cuts: [number, number][]): Uint8Array {
  const sorted = cuts.toSorted((a, b) => a[0] - b[0]);
  const ends = [0, ...sorted.map((cut) => cut[1])];
  const starts = [...sorted.map((cut) => cut[0]), body.length];
  return Buffer.concat(ends.map((end, i) => body.subarray(end, starts[i])));
}
