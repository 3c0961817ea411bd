import type { HttpResponse } from 'uWebSockets.js';
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { datatype } from '../../../src/core/datatype.ts';
import { GatewayError } from '../../../src/core/error.ts';
import type { Lane, RunRequest, RunResult } from '../../../src/core/instance.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { BodyBuffer, GatherLedger } from '../../../src/http/body.ts';
import { Exchange, Wire } from '../../../src/http/exchange.ts';
import { InferBody } from '../../../src/http/infer-body.ts';
import { Loans } from '../../../src/http/loans.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena } from '../../../src/native/arena.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { InferRoad } from '../../../src/pipeline/infer.ts';
import type { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { noPictures } from '../../support/no-pictures.ts';
import { LIMITS } from '../../support/pictures.ts';

const binding = loadBinding();
const KIB = 1024;
const MIB = 1024 * KIB;
const ARENA_BYTES = 4096 * KIB;
const GATHER_BYTES = 1024 * KIB;
/** Most that one body may be lent where nobody else is. */
const MOST_LENT = ARENA_BYTES / 4;

/** Answers the sum of a row's numbers. */
class AddingLane implements Lane {
  readonly id = 0;
  readonly ready = true;
  load = () => Promise.reject(new Error('not scripted'));
  unload = () => Promise.resolve();

  async run({ inputs: [input], outputs: [place] }: RunRequest): Promise<RunResult> {
    const { offset, dims } = input as NonNullable<typeof input>;
    const numbers = new Float32Array(arena.buffer, offset, dims[1]);
    new Float32Array(arena.buffer, place?.offset, 1)[0] = numbers.reduce((sum, number) => sum + number, 0);
    return { outputs: [null], runUs: 1 };
  }
}

let arena: Arena;
let ledger: GatherLedger;
let loans: Loans;
let road: InferRoad;
let target: Target;
let wire: Wire;
/** Status of every answer, in order. */
let told: number[];
let nowUs: number;

beforeEach(() => {
  arena = new Arena(binding, ARENA_BYTES);
  ledger = new GatherLedger(GATHER_BYTES);
  loans = new Loans(ARENA_BYTES);
  told = [];
  wire = new Wire((_exchange, status) => told.push(status));
  const pool = noPictures();
  nowUs = 1000;
  const clock = { nowUs: () => nowUs };
  const scheduler = new PlanScheduler<InferRequest>(1);
  const pictures = { limits: LIMITS, pool, atOnce: 1 };
  const lanes = [new AddingLane()];
  road = new InferRoad({ binding, arena, clock, lanes, cores: 1, scheduler, pictures, onFailedRun: () => undefined });
  const tensor = (name: string, width: number) => ({ name, datatype: datatype('FP32'), shape: [-1, width] });
  const signature = { inputs: [tensor('x', -1)], outputs: [tensor('y', 1)] };
  const facts = { signature, maxBatchSize: 8, labels: [null] } as unknown as ServedFacts;
  const room = { queueRows: 100, queueBytes: ARENA_BYTES, sloUs: 0, curve: knownCurve(() => 100) };
  const queue = road.driver.open({ lanes: [0], maxBatchRows: 8, ...room });
  const parts = { binding, arena, model: 'm', version: '1', session: 1, facts, queue, jsonDepth: 100 };
  target = new Target({ ...parts, metrics: new TargetMetrics(), pictures: null });
});

/** One request whose body comes as the test says. */
class Sender {
  readonly body: InferBody;
  readonly head: Buffer;
  /** Bytes of the tensor that are still to come. */
  left: number;

  /** @param tensorBytes that are announced @param described bytes that its head says the tensor has */
  constructor(tensorBytes: number, described = tensorBytes, name = 'x') {
    const parameters = { binary_data_size: described };
    const input = { name, datatype: 'FP32', shape: [1, described / 4], parameters };
    this.head = Buffer.from(JSON.stringify({ inputs: [input] }));
    this.left = tensorBytes;
    // Written to by nobody: what is told of an answer is told before it is written.
    const res = { cork: () => res } as unknown as HttpResponse;
    const exchange = new Exchange(wire, res, 'POST', '/', 'id', 0);
    const request = road.open(target, exchange, 0, 0, '', tensorBytes, null);
    const total = this.head.length + tensorBytes;
    this.body = new InferBody(road, request, exchange, this.head.length, total, null, 1e9, ledger, loans);
  }

  /** The next bytes of the tensor, ones; the head stands before the first of them. */
  send(bytes: number): this {
    const first = this.body.received === 0;
    this.left -= bytes;
    const numbers = new Uint8Array(Float32Array.from({ length: bytes / 4 }, () => 1).buffer);
    const chunk = Uint8Array.from(first ? Buffer.concat([this.head, numbers]) : numbers);
    this.body.chunk(chunk.buffer, this.left === 0);
    return this;
  }
}

/** Nothing is lent, gathered or placed, and nobody waits. */
async function expectRest(): Promise<void> {
  await road.drain();
  await turn();
  const all = loans.lend(MOST_LENT);
  expect(all).not.toBeNull();
  all?.end();
  expect([ledger.taken, arena.allocatedBytes, road.inFlight]).toEqual([0, 0, 0]);
}

describe('a large body', () => {
  it('has its place as soon as its head is in, and is answered when the last of it is', async () => {
    const sender = new Sender(512 * KIB).send(4);
    expect([arena.allocatedBytes, ledger.taken]).toEqual([512 * KIB, 0]);
    sender.send(256 * KIB).send(sender.left);
    await expectRest();
    expect([told, target.metrics.answered]).toEqual([[200], 1]);
  });

  it('has it too where its head comes in pieces', async () => {
    const sender = new Sender(512 * KIB);
    const { head, body } = sender;
    body.chunk(Uint8Array.from(head.subarray(0, 9)).buffer, false);
    expect([arena.allocatedBytes, ledger.taken > 0]).toEqual([0, true]);
    body.chunk(Uint8Array.from(head.subarray(9)).buffer, false);
    expect([arena.allocatedBytes, ledger.taken]).toEqual([512 * KIB, 0]);
    sender.send(sender.left);
    await expectRest();
    expect(told).toEqual([200]);
  });

  it('moves to it as soon as what is missing is little enough', async () => {
    const slow = new Sender(MOST_LENT).send(4);
    const second = new Sender(768 * KIB).send(4);
    expect([arena.allocatedBytes, ledger.taken > 0]).toEqual([MOST_LENT, true]);
    second.send(256 * KIB);
    expect([arena.allocatedBytes, ledger.taken]).toEqual([MOST_LENT + 768 * KIB, 0]);
    second.send(second.left);
    slow.send(slow.left);
    await expectRest();
    expect(told).toEqual([200, 200]);
  });

  it('that is slow takes no place from smaller ones, however many of them there are', async () => {
    // One that is larger than any other may be, one that is just not, and two for which there is no place before they came.
    const slow = [2 * MOST_LENT, MOST_LENT, MOST_LENT, MOST_LENT].map((bytes) => new Sender(bytes).send(4));
    const taken = ledger.taken;
    expect([arena.allocatedBytes, taken > 0]).toEqual([3 * MOST_LENT, true]);
    const small = new Sender(64 * KIB).send(4);
    expect([arena.allocatedBytes, ledger.taken]).toEqual([3 * MOST_LENT + 64 * KIB, taken]);
    small.send(small.left);
    for (const { body } of slow) body.abort();
    await expectRest();
    expect(told).toEqual([499, 499, 499, 499, 200]);
  });
});

describe('what was lent to a body is there for others again', () => {
  const begun = () => new Sender(512 * KIB).send(128 * KIB);

  it('where its caller goes in the middle of it', async () => {
    begun().body.abort();
    await expectRest();
    expect(told).toEqual([499]);
  });

  it('where it is refused for being too slow', async () => {
    begun().body.refuse(new GatewayError('REQUEST_TIMEOUT', 'too slow'));
    await expectRest();
    expect(told).toEqual([408]);
  });

  it('where its head is refused', async () => {
    const sender = new Sender(512 * KIB, 512 * KIB, 'nobody').send(4);
    // What comes all the same is passed over.
    sender.send(KIB);
    await expectRest();
    expect(told).toEqual([400]);
  });

  it('where more comes than its head describes', async () => {
    new Sender(512 * KIB, 256 * KIB).send(4).send(256 * KIB);
    await expectRest();
    expect(told).toEqual([400]);
  });
});

/** A request whose body comes packed, all at once. @param timeoutUs 0 for none */
function sendPacked(bytes: Uint8Array, timeoutUs = 0): void {
  const exchange = new Exchange(wire, { cork: () => undefined } as unknown as HttpResponse, 'POST', '/', 'id', 0);
  const request = road.open(target, exchange, 0, timeoutUs, '', 0, null);
  const body = new InferBody(road, request, exchange, -1, bytes.length, 'gzip', 1e9, ledger, loans);
  body.chunk(Uint8Array.from(bytes).buffer, true);
}

describe('the memory of a packed body', () => {
  const whole = vi.spyOn(BodyBuffer.prototype, 'whole');
  const memory = () => whole.mock.results.at(-1)?.value.buffer;
  afterAll(() => whole.mockRestore());

  it('is given back at once where it has been unpacked', async () => {
    const numbers = new Array(200_000).fill('1.000').join();
    const json = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,200000],"data":[${numbers}]}]}`;
    ledger = new GatherLedger(4 * MIB);
    sendPacked(gzipSync(json, { level: 0 }));
    await expectRest();
    expect([told, memory()?.detached]).toEqual([[200], true]);
  });

  it('is not where it is given up: a thread may still read it', async () => {
    const packed = gzipSync(randomBytes(2 * MIB), { level: 1 });
    // What is packed has room, and one of the pieces that come out of it.
    ledger = new GatherLedger(packed.length + 128 * KIB);
    sendPacked(packed);
    await expectRest();
    expect([told, memory()?.detached]).toEqual([[503], false]);
  });
});

it('a deadline that passes while a body is unpacked is told then, and no more of it is unpacked', async () => {
  const bytes = 64 * MIB;
  ledger = new GatherLedger(2 * bytes);
  sendPacked(gzipSync(Buffer.alloc(bytes), { level: 1 }), 2000);
  nowUs = 3000;
  let most = 0;
  while (ledger.taken > 0) {
    most = Math.max(most, ledger.taken);
    await turn();
  }
  expect(most).toBeLessThan(bytes / 2);
  await expectRest();
  expect([told, target.metrics.failures.get('DEADLINE_EXCEEDED')]).toEqual([[504], 1]);
});
