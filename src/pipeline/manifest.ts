/**
 * What a batch carries: where its numbers lie going in, and whose rows are whose coming out. A batch whose requests lie
 * side by side in the ring is a view; one that does not is gathered once.
 */

import type { Batch } from '../batching/travel.ts';
import type { OutputData } from '../codec/answer.ts';
import type { PlanEntry } from '../codec/head.ts';
import { GatewayError } from '../core/error.ts';
import { RunError, type RunInput, type RunOutputPlace, type RunRequest, type RunResult } from '../core/instance.ts';
import { elementCount } from '../core/tensor.ts';
import { type Arena, aligned } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { InferRequest } from './request.ts';
import type { Target } from './target.ts';

/** A batch that is ready to run. */
export interface Boarded {
  readonly run: RunRequest;
  /** Rows of its tensors. The scheduler counts a request without rows as one; here it has none. */
  readonly rows: number;
  /** A block of the arena that belongs to the batch, or -1. */
  readonly block: number;
  /** Time it took to put it together; whoever asked for it writes it down. */
  inputUs: number;
  /** Settles when no request of it that is answered step by step reads its outputs any more. */
  answering: Promise<void> | null;
}

/** Makes runs of batches, and callers' outputs of results. */
export class Manifest {
  readonly #binding: Binding;
  readonly #arena: Arena;

  constructor(binding: Binding, arena: Arena) {
    this.#binding = binding;
    this.#arena = arena;
  }

  /**
   * Pictures are ready in another order than their rows lie in: where that makes a view of the batch, its requests are put in the order
   * of the rows, by which whose row is whose follows too.
   * @throws {RunError} OUT_OF_MEMORY where the arena has no room for what must be gathered
   */
  board(batch: Batch<InferRequest>): Boarded {
    const { requests } = batch;
    const { target } = requests[0];
    const { ring } = target;
    const isView = ring !== null && inOrder(requests);
    const first = requests[0];
    const rows = rowsIn(requests);
    const { plan } = first.entry as PlanEntry;
    const dims = plan.inputs.map((input) => (target.batched ? [rows, ...input.dims.slice(1)] : input.dims));
    if (isView) {
      const inputs = dims.map((d, i): RunInput => ({ offset: first.offsets[i], dims: d, strings: null }));
      const base = inputs.length;
      const outputs = target.outputRowBytes.map((_, o) => ({
        offset: ring.offset(base + o, first.ringRow),
        dims: outputDims(target, o, rows),
      }));
      return { run: { session: target.session, inputs, outputs }, rows, block: -1, inputUs: 0, answering: null };
    }
    return this.#boardApart(requests, rows, dims);
  }

  /** The outputs of one request: its rows of each. */
  outputsOf(boarded: Boarded, result: RunResult, request: InferRequest, row: number): OutputData[] {
    const { target } = request;
    return target.facts.signature.outputs.map((_, o) => {
      const place = boarded.run.outputs[o];
      const loose = result.outputs[o];
      if (place !== null) {
        const bytes = target.outputRowBytes[o] * (target.batched ? request.rows : 1);
        const offset = place.offset + (target.batched ? row * target.outputRowBytes[o] : 0);
        return { memory: this.#arena.bytes, offset, bytes, dims: outputDims(target, o, request.rows), strings: null };
      }
      if (loose === null) throw new GatewayError('INTERNAL', 'an output is missing');
      return target.batched ? rowsOf(loose, boarded.rows, request.rows, row) : wholeOf(loose);
    });
  }

  /** Gives back what the batch itself held. */
  release(boarded: Boarded): void {
    if (boarded.block >= 0) this.#arena.free(boarded.block);
  }

  /** A batch with memory of its own: outputs, and inputs where several requests must be joined. */
  #boardApart(requests: readonly InferRequest[], rows: number, dims: readonly (readonly number[])[]): Boarded {
    const { target } = requests[0];
    const join = requests.length > 1;
    const totals = dims.map((_, i) => (join ? requests.reduce((sum, r) => sum + r.sizes[i], 0) : 0));
    const outputs = target.outputRowBytes.map((bytes) => (target.placed ? bytes * (target.batched ? rows : 1) : 0));
    const need = [...totals, ...outputs].reduce((sum, bytes) => sum + (bytes > 0 ? aligned(bytes) : 0), 0);
    const block = need === 0 ? -1 : this.#arena.allocate(need);
    if (need > 0 && block < 0) throw new RunError('OUT_OF_MEMORY', `the arena has no block of ${need} bytes`);
    let at = Math.max(0, block);
    const inputs = dims.map((d, i): RunInput => {
      if (requests[0].strings[i] !== null) {
        return { offset: 0, dims: d, strings: requests.flatMap((r) => r.strings[i] as string[]) };
      }
      if (!join) return { offset: requests[0].offsets[i], dims: d, strings: null };
      const offset = at;
      this.#gather(requests, i, offset);
      at += totals[i] > 0 ? aligned(totals[i]) : 0;
      return { offset, dims: d, strings: null };
    });
    const places = outputs.map((bytes, o): RunOutputPlace | null => {
      if (!target.placed || rows === 0) return null;
      const offset = at;
      at += bytes > 0 ? aligned(bytes) : 0;
      return { offset, dims: outputDims(target, o, rows) };
    });
    return { run: { session: target.session, inputs, outputs: places }, rows, block, inputUs: 0, answering: null };
  }

  #gather(requests: readonly InferRequest[], input: number, offset: number): void {
    const spans = new Float64Array(2 * requests.length);
    requests.forEach((request, r) => {
      spans[2 * r] = request.offsets[input];
      spans[2 * r + 1] = request.sizes[input];
    });
    this.#binding.gather(this.#arena.bytes, spans, requests.length, this.#arena.bytes, offset);
  }
}

function rowsIn(requests: readonly InferRequest[]): number {
  let rows = 0;
  for (const request of requests) rows += request.rows;
  return rows;
}

/** Whether the requests lie side by side; those that do in another order are put in that of their rows. */
function inOrder(requests: InferRequest[]): boolean {
  if (sideBySide(requests)) return true;
  const sorted = requests.toSorted(byRow);
  if (!sideBySide(sorted)) return false;
  requests.splice(0, requests.length, ...sorted);
  return true;
}

function byRow(a: InferRequest, b: InferRequest): number {
  return a.ringRow - b.ringRow;
}

function sideBySide(requests: readonly InferRequest[]): boolean {
  let row = requests[0].ringRow;
  if (row < 0) return false;
  for (const request of requests) {
    if (request.ringRow !== row) return false;
    row += request.rows;
  }
  return true;
}

function outputDims(target: Target, output: number, rows: number): number[] {
  const { shape } = target.facts.signature.outputs[output];
  const dims = shape.slice();
  if (target.batched) dims[0] = rows;
  return dims;
}

function rowsOf(
  loose: NonNullable<RunResult['outputs'][number]>,
  batchRows: number,
  rows: number,
  row: number,
): OutputData {
  const inner = loose.dims.slice(1);
  if (loose.dims[0] !== batchRows) {
    throw new GatewayError('EXECUTION_FAILED', 'the model answered another number of rows than it was given');
  }
  const dims = [rows, ...inner];
  if (loose.strings !== null) {
    const each = elementCount(inner);
    return { memory: EMPTY, offset: 0, bytes: 0, dims, strings: loose.strings.slice(row * each, (row + rows) * each) };
  }
  const bytes = loose.bytes as Uint8Array;
  const perRow = batchRows === 0 ? 0 : bytes.length / batchRows;
  return { memory: bytes, offset: row * perRow, bytes: rows * perRow, dims, strings: null };
}

function wholeOf(loose: NonNullable<RunResult['outputs'][number]>): OutputData {
  const bytes = loose.bytes ?? EMPTY;
  return { memory: bytes, offset: 0, bytes: bytes.length, dims: loose.dims, strings: loose.strings };
}

const EMPTY = new Uint8Array(0);
