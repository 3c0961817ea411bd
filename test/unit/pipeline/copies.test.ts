import { beforeEach, describe, expect, it } from 'vitest';
import type { Batch, Queue } from '../../../src/batching/travel.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena } from '../../../src/native/arena.ts';
import type { Binding } from '../../../src/native/binding.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { Intake } from '../../../src/pipeline/intake.ts';
import { Manifest } from '../../../src/pipeline/manifest.ts';
import { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';

const ROW_BYTES = 3 * 224 * 224 * 4;
const CHUNK_BYTES = 100_000;
const real = loadBinding();

let copied: number;
let gathered: number;
let arena: Arena;
let intake: Intake;
let manifest: Manifest;
let target: Target;

beforeEach(() => {
  copied = 0;
  gathered = 0;
  const copy: Binding['copy'] = (...values) => {
    copied += values[4];
    real.copy(...values);
  };
  const gather: Binding['gather'] = (...values) => {
    const bytes = real.gather(...values);
    gathered += bytes;
    return bytes;
  };
  const binding = { ...real, copy, gather };
  arena = new Arena(binding, 64 * 1024 * 1024);
  intake = new Intake(binding, arena);
  manifest = new Manifest(binding, arena);
  const inputs = [{ name: 'input', datatype: datatype('FP32'), shape: [-1, 3, 224, 224] }];
  const outputs = [{ name: 'mean', datatype: datatype('FP32'), shape: [-1, 10] }];
  const facts = { signature: { inputs, outputs }, maxBatchSize: 8, labels: [null] } as unknown as ServedFacts;
  const queue = {} as Queue;
  const metrics = new TargetMetrics();
  const parts = { binding, arena, model: 'm', version: '1', session: 1, facts, queue, metrics, jsonDepth: 100 };
  target = new Target({ ...parts, pictures: null });
});

/** A picture of one value that comes in chunks, as from a socket. */
function arrive(value: number): InferRequest {
  const parameters = { binary_data_size: ROW_BYTES };
  const head = { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 3, 224, 224], parameters }] };
  const text = Buffer.from(JSON.stringify(head));
  const body = new Uint8Array(new Float32Array(ROW_BYTES / 4).fill(value).buffer);
  const request = new InferRequest(target, { pack: () => null, answer: () => undefined, fail: () => undefined }, 0);
  intake.head(request, text, text.length, true, ROW_BYTES);
  for (let at = 0; at < ROW_BYTES; at += CHUNK_BYTES) {
    intake.tail(request, body, at, Math.min(CHUNK_BYTES, ROW_BYTES - at));
  }
  intake.finish(request);
  return request;
}

function board(...requests: InferRequest[]): Float32Array {
  return boarded({ requests, rows: requests.length } as unknown as Batch<InferRequest>);
}

function boarded(batch: Batch<InferRequest>): Float32Array {
  const { requests } = batch;
  const { run } = manifest.board(batch);
  return new Float32Array(arena.buffer, run.inputs[0]?.offset, (requests.length * ROW_BYTES) / 4);
}

describe('the bytes of a large body', () => {
  it('are copied exactly once, from the socket to the place where ONNX Runtime reads them', () => {
    const numbers = board(arrive(7));
    expect(numbers.every((number) => number === 7)).toBe(true);
    expect([copied, gathered]).toEqual([ROW_BYTES, 0]);
  });

  it('are copied no more where they travel with their neighbours', () => {
    const numbers = board(arrive(1), arrive(2), arrive(3));
    expect([numbers[0], numbers[ROW_BYTES / 4], numbers.at(-1)]).toEqual([1, 2, 3]);
    expect([copied, gathered]).toEqual([3 * ROW_BYTES, 0]);
  });

  it('are copied no more where they travel in another order than they lie in, and each has the row of its own', () => {
    const [first, second, third] = [arrive(1), arrive(2), arrive(3)] as const;
    const batch = { requests: [third, first, second], rows: 3 } as unknown as Batch<InferRequest>;
    const numbers = boarded(batch);
    expect([copied, gathered]).toEqual([3 * ROW_BYTES, 0]);
    expect(batch.requests).toEqual([first, second, third]);
    expect([numbers[0], numbers[ROW_BYTES / 4], numbers.at(-1)]).toEqual([1, 2, 3]);
  });

  it('are gathered in the order in which they were asked for where no order makes them neighbours', () => {
    const [first, , third] = [arrive(1), arrive(2), arrive(3)] as const;
    const batch = { requests: [third, first], rows: 2 } as unknown as Batch<InferRequest>;
    const numbers = boarded(batch);
    expect(batch.requests).toEqual([third, first]);
    expect([numbers[0], numbers.at(-1), gathered]).toEqual([3, 1, 2 * ROW_BYTES]);
  });

  it('are gathered once more where a neighbour between them has gone', () => {
    const [first, , third] = [arrive(1), arrive(2), arrive(3)] as const;
    const numbers = board(first, third);
    expect([numbers[0], numbers.at(-1)]).toEqual([1, 3]);
    expect([copied, gathered]).toEqual([3 * ROW_BYTES, 2 * ROW_BYTES]);
  });
});
