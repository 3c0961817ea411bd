import { beforeEach, describe, expect, it } from 'vitest';
import type { Queue } from '../../../src/batching/travel.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena, aligned } from '../../../src/native/arena.ts';
import type { Binding } from '../../../src/native/binding.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { APART_BYTES, Intake } from '../../../src/pipeline/intake.ts';
import { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';

const MIB = 1024 * 1024;
const real = loadBinding();

let lifts: number;
let arena: Arena;
let intake: Intake;
let binding: Binding;

beforeEach(() => {
  lifts = 0;
  const liftAsync: Binding['liftAsync'] = (...values) => {
    lifts++;
    return real.liftAsync(...values);
  };
  binding = { ...real, liftAsync };
  prepare(64 * MIB);
});

function prepare(bytes: number): void {
  arena = new Arena(binding, bytes);
  intake = new Intake(binding, arena);
}

function request(...types: readonly Datatype[]): InferRequest {
  const inputs = types.map((type, i) => ({ name: `x${i}`, datatype: datatype(type), shape: [-1, -1] }));
  const outputs = [{ name: 'y', datatype: datatype('FP32'), shape: [-1, -1] }];
  const facts = { signature: { inputs, outputs }, maxBatchSize: 0, labels: [null] } as unknown as ServedFacts;
  const queue = {} as Queue;
  const metrics = new TargetMetrics();
  const parts = { binding, arena, model: 'm', version: '1', session: 1, facts, queue, metrics, jsonDepth: 100 };
  const reply = { pack: () => null, answer: () => undefined, fail: () => undefined };
  return new InferRequest(new Target({ ...parts, pictures: null }), reply, 0);
}

/** A body with `count` elements per input, padded until it is lifted apart. */
function body(element: string, count: number, ...types: readonly Datatype[]): Buffer {
  const data = `[${new Array(count).fill(element).join(',')}]`;
  const inputs = types.map((type, i) => `{"name":"x${i}","shape":[1,${count}],"datatype":"${type}","data":${data}}`);
  return Buffer.from(`{"inputs":[${inputs.join(',')}]}`.padEnd(APART_BYTES + 1));
}

describe('large JSON', () => {
  it.each([
    ['FP32', '1', 200_000, 800_000],
    ['INT64', '-7', 200_000, 1_600_000],
    ['BOOL', '1', 200_000, 200_000],
    ['BYTES', '""', 100_000, 400_000],
    ['FP64', '0.123456789012', 30_000, 240_000],
  ] as const)('with %s for a model of one input is lifted once, and holds no more than it needs', async (...row) => {
    const [type, element, count, size] = row;
    const incoming = request(type);
    await intake.whole(incoming, body(element, count, type), -1);
    expect(lifts).toBe(1);
    expect(incoming.sizes).toEqual([size]);
    expect(arena.allocatedBytes).toBe(aligned(size));
    if (type === 'FP32') {
      const numbers = new Float32Array(arena.buffer, incoming.offsets[0], count);
      expect(numbers.every((number) => number === 1)).toBe(true);
    }
    intake.release(incoming);
    expect(arena.allocatedBytes).toBe(0);
  });

  it('for a model of two inputs is counted, then lifted to its place', async () => {
    const incoming = request('FP32', 'INT64');
    await intake.whole(incoming, body('1', 100_000, 'FP32', 'INT64'), -1);
    expect(lifts).toBe(2);
    expect(incoming.sizes).toEqual([400_000, 800_000]);
    intake.release(incoming);
    expect(arena.allocatedBytes).toBe(0);
  });

  it('is counted first where the bound would take too much of what is left', async () => {
    prepare(2 * MIB);
    const incoming = request('FP32');
    await intake.whole(incoming, body('1', 200_000, 'FP32'), -1);
    expect(lifts).toBe(2);
    expect(arena.allocatedBytes).toBe(aligned(800_000));
  });

  it.each([
    ['is no JSON', (text: string) => text.replace(']', '')],
    ['has another number of elements than its shape', (text: string) => text.replace('[1,200000]', '[1,199999]')],
    ['has a number that its datatype cannot hold', (text: string) => text.replace(',1]', ',1e99]')],
  ])('that %s is refused, and its memory comes back', async (_what, damage) => {
    const incoming = request('FP32');
    const damaged = Buffer.from(damage(body('1', 200_000, 'FP32').toString()));
    await expect(intake.whole(incoming, damaged, -1)).rejects.toThrow();
    intake.release(incoming);
    expect(arena.allocatedBytes).toBe(0);
  });

  it('keeps its place while the addon writes there, though its caller has gone', async () => {
    const incoming = request('FP32');
    const whole = intake.whole(incoming, body('1', 200_000, 'FP32'), -1);
    incoming.state = 'ENDED';
    intake.release(incoming);
    expect(arena.allocatedBytes).toBeGreaterThan(0);
    await whole;
    intake.release(incoming);
    expect(arena.allocatedBytes).toBe(0);
  });

  it('before binary data is lifted once too, and what follows it is refused where nothing is expected', async () => {
    const incoming = request('FP32');
    const head = body('1', 200_000, 'FP32');
    await intake.whole(incoming, head, head.length);
    expect(lifts).toBe(1);
    const surplus = request('FP32');
    await expect(intake.whole(surplus, Buffer.concat([head, Buffer.alloc(3)]), head.length)).rejects.toThrow(
      '3 bytes more',
    );
  });
});
