import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { GatewayError } from '../../../src/core/error.ts';
import type { Lane, RunRequest, RunResult } from '../../../src/core/instance.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena } from '../../../src/native/arena.ts';
import type { Binding } from '../../../src/native/binding.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { InferRoad } from '../../../src/pipeline/infer.ts';
import { APART_BYTES } from '../../../src/pipeline/intake.ts';
import type { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { noPictures } from '../../support/no-pictures.ts';
import { LIMITS } from '../../support/pictures.ts';

const real = loadBinding();
const TIMEOUT_US = 10_000;
const LONG_US = 100 * TIMEOUT_US;

let nowUs: number;
/** What it takes to print an output. */
let printUs: number;
/** How many outputs were printed. */
let printed: number;
const printNumbers: Binding['printNumbers'] = (...values) => {
  nowUs += printUs;
  printed++;
  return real.printNumbers(...values);
};
/** What large JSON waits for before it is read. */
let gate: Promise<void>;
const liftAsync: Binding['liftAsync'] = async (...values) => {
  await gate;
  return real.liftAsync(...values);
};
const binding = { ...real, printNumbers, liftAsync };
/** What the packing of an answer waits for; null where it is not packed. */
let packing: Promise<void> | null;

/** Every number is 7. */
class SevenLane implements Lane {
  readonly id = 0;
  readonly ready = true;
  /** Rows of its runs. */
  readonly rows: number[] = [];
  load = () => Promise.reject(new Error('not scripted'));
  unload = () => Promise.resolve();

  async run({ outputs: [place] }: RunRequest): Promise<RunResult> {
    const { offset, dims } = place as NonNullable<typeof place>;
    this.rows.push(dims[0] as number);
    new Float32Array(arena.buffer, offset, dims[0]).fill(7);
    return { outputs: [null], runUs: 1 };
  }
}

let arena: Arena;
let lane: SevenLane;
let road: InferRoad;
let target: Target;

beforeEach(() => {
  [nowUs, printUs, printed, gate, packing] = [1000, 0, 0, Promise.resolve(), null];
  arena = new Arena(binding, 16 * 1024 * 1024);
  lane = new SevenLane();
  const pool = noPictures();
  const clock = { nowUs: () => nowUs };
  const scheduler = new PlanScheduler<InferRequest>(1);
  const pictures = { limits: LIMITS, pool, atOnce: 1 };
  road = new InferRoad({
    binding,
    arena,
    clock,
    lanes: [lane],
    cores: 1,
    scheduler,
    pictures,
    onFailedRun: () => undefined,
  });
  const tensor = (name: string) => ({ name, datatype: datatype('FP32'), shape: [-1, 1] });
  const signature = { inputs: [tensor('x')], outputs: [tensor('y')] };
  const facts = { signature, maxBatchSize: 8, labels: [null] } as unknown as ServedFacts;
  const room = { queueRows: 100, queueBytes: 1024 * 1024, sloUs: 0, curve: knownCurve(() => 100) };
  const queue = road.driver.open({ lanes: [0], maxBatchRows: 8, ...room });
  const parts = { binding, arena, model: 'm', version: '1', session: 1, facts, queue, jsonDepth: 100 };
  target = new Target({ ...parts, metrics: new TargetMetrics(), pictures: null });
});

afterEach(() => road.driver.dispose());

/** A request of one row, and what it is told. @param writeUs what it takes to write its answer @param padding bytes of its body */
function ask(timeoutUs: number, writeUs = 0, padding = 0): Promise<string> {
  return new Promise((resolve) => {
    const reply = {
      pack: (body: Uint8Array) => {
        const own = Uint8Array.from(body);
        return packing?.then(() => own) ?? null;
      },
      answer: () => {
        nowUs += writeUs;
        resolve('answered');
      },
      fail: (error: GatewayError) => resolve(error.code),
    };
    const request = road.open(target, reply, nowUs, timeoutUs, '', 0, null);
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }];
    road.take(request, Buffer.from(JSON.stringify({ inputs }) + ' '.repeat(padding)), -1);
  });
}

async function atRest(): Promise<void> {
  await road.drain();
  await turn();
  expect([road.inFlight, target.ring?.live]).toEqual([0, 0]);
}

const late = () => target.metrics.failures.get('DEADLINE_EXCEEDED') ?? 0;

describe('a deadline that passes while large JSON is read', () => {
  it('is told then, and what was read is let go when it has been', async () => {
    const idle = arena.allocatedBytes;
    const { promise, resolve: open } = Promise.withResolvers<void>();
    gate = promise;
    const told = ask(TIMEOUT_US, 0, APART_BYTES);
    nowUs += 2 * TIMEOUT_US;
    expect(await told).toBe('DEADLINE_EXCEEDED');
    expect([road.inFlight, late(), arena.allocatedBytes > idle]).toEqual([0, 1, true]);
    open();
    while (arena.allocatedBytes > idle) await turn();
    await atRest();
    expect([lane.rows, late()]).toEqual([[], 1]);
  });

  it('does not end what was in time', async () => {
    expect(await ask(TIMEOUT_US, 0, APART_BYTES)).toBe('answered');
    await atRest();
  });
});

describe('a deadline that passes behind the run', () => {
  it('while answers to others of its batch are made is told, and none is made for it', async () => {
    printUs = 2 * TIMEOUT_US;
    const told = await Promise.all([ask(LONG_US), ask(TIMEOUT_US), ask(LONG_US)]);
    expect(lane.rows).toEqual([3]);
    expect([told, printed]).toEqual([['answered', 'DEADLINE_EXCEEDED', 'answered'], 2]);
    expect([target.metrics.answered, late(), target.queue.late]).toEqual([2, 1, 1]);
    await atRest();
  });

  it('while they are written is told too', async () => {
    const told = await Promise.all([ask(LONG_US, 2 * TIMEOUT_US), ask(TIMEOUT_US)]);
    expect([lane.rows, told]).toEqual([[2], ['answered', 'DEADLINE_EXCEEDED']]);
    expect([target.metrics.answered, late(), target.queue.late]).toEqual([1, 1, 1]);
    await atRest();
  });

  it('while its own answer is made is told, and the answer is not written', async () => {
    printUs = 2 * TIMEOUT_US;
    expect([await ask(TIMEOUT_US), printed]).toEqual(['DEADLINE_EXCEEDED', 1]);
    expect([target.metrics.answered, late(), target.queue.late]).toEqual([0, 1, 1]);
    await atRest();
  });

  it('while its answer is packed is told, and the answer is not written', async () => {
    const { promise, resolve: packed } = Promise.withResolvers<void>();
    packing = promise;
    const told = ask(TIMEOUT_US);
    while (printed === 0) await turn();
    nowUs += 2 * TIMEOUT_US;
    packed();
    expect(await told).toBe('DEADLINE_EXCEEDED');
    expect([target.metrics.answered, late(), target.queue.late]).toEqual([0, 1, 1]);
    await atRest();
  });

  it('while its answer is written is nobody’s business any more', async () => {
    expect(await ask(TIMEOUT_US, 2 * TIMEOUT_US)).toBe('answered');
    expect([target.metrics.answered, late(), target.queue.late]).toEqual([1, 0, 0]);
    await atRest();
  });
});

describe('an answer that is being packed', () => {
  it('holds nothing of the arena, is waited for at the end, and counts when it is written', async () => {
    const { promise, resolve: packed } = Promise.withResolvers<void>();
    packing = promise;
    const told = ask(LONG_US);
    while (printed === 0) await turn();
    await turn();
    expect([road.inFlight, target.metrics.answered, target.ring?.live]).toEqual([1, 0, 0]);
    const drained = road.drain();
    nowUs += TIMEOUT_US;
    packed();
    await drained;
    expect(await told).toBe('answered');
    expect([target.metrics.answered, target.metrics.requestUs.sum >= TIMEOUT_US]).toEqual([1, true]);
    await atRest();
  });
});
