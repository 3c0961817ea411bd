import { beforeEach, describe, expect, it } from 'vitest';
import type { Batch, Queue } from '../../../src/batching/travel.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { elementCount } from '../../../src/core/tensor.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena } from '../../../src/native/arena.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { Intake } from '../../../src/pipeline/intake.ts';
import { type Boarded, Manifest } from '../../../src/pipeline/manifest.ts';
import { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';

const binding = loadBinding();

let arena: Arena;
let intake: Intake;
let manifest: Manifest;

beforeEach(() => {
  arena = new Arena(binding, 1024 * 1024);
  // What others left behind.
  arena.bytes.fill(0xff);
  intake = new Intake(binding, arena);
  manifest = new Manifest(binding, arena);
});

/** A model of two numbers a row, and so many out (-1: as many as it likes). */
function model(width: number): Target {
  const tensor = (name: string, row: number) => ({ name, datatype: datatype('FP32'), shape: [-1, row] });
  const signature = { inputs: [tensor('x', 2)], outputs: [tensor('y', width)] };
  const facts = { signature, maxBatchSize: 8, labels: [null] } as unknown as ServedFacts;
  const parts = { binding, arena, model: 'm', version: '1', session: 1, facts, queue: {} as Queue, jsonDepth: 100 };
  return new Target({ ...parts, metrics: new TargetMetrics(), pictures: null });
}

/** Requests of so many rows each, in one batch as the scheduler makes it. */
function batchOf(target: Target, ...rows: number[]): Batch<InferRequest> {
  const requests = rows.map((count) => {
    const request = new InferRequest(target, { pack: () => null, answer: () => undefined, fail: () => undefined }, 0);
    const input = { name: 'x', datatype: 'FP32', shape: [count, 2], data: Array(2 * count).fill(count) };
    intake.whole(request, Buffer.from(JSON.stringify({ inputs: [input] })), -1);
    return request;
  });
  const counted = rows.reduce((sum, count) => sum + Math.max(1, count), 0);
  return { requests, rows: counted } as unknown as Batch<InferRequest>;
}

function numbers({ run: { inputs } }: Boarded): number[] {
  const [{ offset, dims }] = inputs as [(typeof inputs)[0]];
  return [...new Float32Array(arena.buffer, offset, elementCount(dims))];
}

describe('requests without rows', () => {
  it('bring none to their batch', () => {
    const target = model(2);
    const batch = batchOf(target, 0, 2, 0, 1);
    const boarded = manifest.board(batch);
    expect([boarded.run.inputs[0]?.dims, numbers(boarded)]).toEqual([
      [3, 2],
      [2, 2, 2, 2, 1, 1],
    ]);
    const place = boarded.run.outputs[0] as NonNullable<(typeof boarded.run.outputs)[0]>;
    expect(place.dims).toEqual([3, 2]);
    let row = 0;
    const outputs = batch.requests.map((request) => {
      const [output] = manifest.outputsOf(boarded, { outputs: [null], runUs: 1 }, request, row);
      row += request.rows;
      return [output?.dims, (output?.offset ?? 0) - place.offset, output?.bytes];
    });
    expect(outputs).toEqual([
      [[0, 2], 0, 0],
      [[2, 2], 0, 16],
      [[0, 2], 16, 0],
      [[1, 2], 16, 8],
    ]);
    manifest.release(boarded);
  });

  it('run as none where nobody else is in it', () => {
    for (const batch of [batchOf(model(2), 0), batchOf(model(2), 0, 0)]) {
      const boarded = manifest.board(batch);
      const [input] = boarded.run.inputs;
      expect([input?.dims, numbers(boarded), boarded.run.outputs]).toEqual([[0, 2], [], [null]]);
      manifest.release(boarded);
    }
  });

  it('get none of outputs whose size the data decide', () => {
    const batch = batchOf(model(-1), 0, 1);
    const boarded = manifest.board(batch);
    const bytes = new Uint8Array(Float32Array.of(7, 8, 9).buffer);
    const result = { outputs: [{ bytes, dims: [1, 3], strings: null }], runUs: 1 };
    const outputs = batch.requests.map((request) => manifest.outputsOf(boarded, result, request, 0)[0]);
    expect(outputs.map((output) => [output?.dims, output?.bytes])).toEqual([
      [[0, 3], 0],
      [[1, 3], 12],
    ]);
    manifest.release(boarded);
  });
});
