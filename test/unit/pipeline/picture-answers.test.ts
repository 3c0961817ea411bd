import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { GatewayError } from '../../../src/core/error.ts';
import type { Lane, RunRequest, RunResult } from '../../../src/core/instance.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena } from '../../../src/native/arena.ts';
import type { Binding } from '../../../src/native/binding.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { InferRoad } from '../../../src/pipeline/infer.ts';
import { pictureModel } from '../../../src/pipeline/picture-model.ts';
import type { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';
import type { DecodeJob } from '../../../src/preprocess/decode-job.ts';
import { geometry } from '../../../src/preprocess/geometry.ts';
import { ihdr, png, pngChunk } from '../../support/image-bytes.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { noPictures } from '../../support/no-pictures.ts';
import { LIMITS } from '../../support/pictures.ts';

const real = loadBinding();
const FILE = png(ihdr(8, 8), pngChunk('IDAT', [1]), pngChunk('IEND'));
const MANY = 24;
/** Boxes of a row of an output that has no place: as many as make it worth giving back. */
const LOOSE_BOXES = 10_000;
const POLICY = `
preprocess: { input: image, image: { datatype: UINT8, layout: NHWC } }
postprocess: { y: { boxes: { layout: yolov8 } } }
`;

/** Every look at the clock takes so long: with 3 ms every step of an answer is a turn of its own. */
let tickUs: number;
let nowUs: number;
const clock = { nowUs: () => (nowUs += tickUs) };

/** What happened, in order. */
let diary: string[];

/** Rows of outputs that boxes were looked for in. */
let searched: number;
const detect: Binding['detect'] = (...values) => {
  searched++;
  return real.detect(...values);
};
const binding = { ...real, detect };

/** Finds one box in every picture, and is the surer of it the later it runs. */
class ScriptedLane implements Lane {
  readonly id = 0;
  readonly ready = true;
  /** Outputs that have no place, in the order of the runs. */
  readonly loose: Uint8Array[] = [];
  /** What a run waits for. */
  gate: Promise<void> = Promise.resolve();
  #runs = 0;
  load = () => Promise.reject(new Error('not scripted'));
  unload = () => Promise.resolve();

  async run({ inputs: [input], outputs: [place] }: RunRequest): Promise<RunResult> {
    const score = 0.5 + ++this.#runs / 8;
    diary.push(`run ${this.#runs}`);
    await this.gate;
    const rows = input?.dims[0] as number;
    const bytes = place === null ? new Uint8Array(20 * rows * LOOSE_BOXES) : arena.bytes;
    const boxes = place === null ? LOOSE_BOXES : 1;
    const heads = new Float32Array(bytes.buffer, place?.offset ?? 0, 5 * rows * boxes);
    for (let row = 0; row < rows; row++) {
      for (const [i, value] of [4, 4, 4, 4, score].entries()) heads[(5 * row + i) * boxes] = value;
    }
    if (place !== null) return { outputs: [null], runUs: 1 };
    this.loose.push(bytes);
    return { outputs: [{ bytes, dims: [rows, 5, boxes], strings: null }], runUs: 1 };
  }
}

let arena: Arena;
let lane: ScriptedLane;
let road: InferRoad;
let target: Target;

beforeEach(() => serve(1));

/** @param boxes of a row of the output; -1 = any number */
function serve(boxes: number): void {
  [tickUs, nowUs, diary, searched] = [3_000, 0, [], 0];
  arena = new Arena(binding, 32 * 1024 * 1024);
  const pool = {
    ...noPictures(),
    decode: async ({ pipeline }: DecodeJob) => geometry(pipeline, { width: 8, height: 8 }),
  };
  const pictures = { limits: LIMITS, pool, atOnce: 4 };
  const scheduler = new PlanScheduler<InferRequest>(1);
  const onFailedRun = () => undefined;
  lane = new ScriptedLane();
  road = new InferRoad({ binding, arena, clock, lanes: [lane], cores: 1, scheduler, pictures, onFailedRun });
  const inputs = [{ name: 'image', datatype: datatype('UINT8'), shape: [-1, 8, 8, 3] }];
  const signature = { inputs, outputs: [{ name: 'y', datatype: datatype('FP32'), shape: [-1, 5, boxes] }] };
  const facts = { signature, maxBatchSize: MANY, labels: [null] } as unknown as ServedFacts;
  const room = { queueRows: 1000, queueBytes: 1024 * 1024 };
  const queue = road.driver.open({ lanes: [0], maxBatchRows: MANY, ...room, sloUs: 0, curve: knownCurve(() => 100) });
  const declared = pictureModel(parseModelPolicy(POLICY, 'model.yaml'), signature, new Map());
  const metrics = new TargetMetrics(true);
  const model = { model: 'm', version: '1', session: 1, facts, queue, metrics, jsonDepth: 100 };
  target = new Target({ binding, arena, ...model, pictures: declared });
}

/** A request, and the one output that it is answered. */
function send(name: string, input: object, timeout = 0): { request: InferRequest; answer: Promise<number[]> } {
  const { promise: answer, resolve, reject } = Promise.withResolvers<number[]>();
  const reply = {
    pack: () => null,
    answer: (body: Uint8Array) => {
      diary.push(`answered ${name}`);
      resolve(JSON.parse(Buffer.from(body).toString()).outputs[0].data);
    },
    fail: (error: GatewayError) => reject(error),
  };
  const request = road.open(target, reply, clock.nowUs(), 0, '', 0, null);
  const inputs = [{ name: 'image', ...input }];
  road.take(request, Buffer.from(JSON.stringify({ parameters: { timeout }, inputs })), -1);
  return { request, answer };
}

/** A request of so many pictures, and the scores that it is answered. */
function asked(count: number, timeout = 0): { request: InferRequest; scores: Promise<number[]> } {
  const data = Array.from({ length: count }, () => Buffer.from(FILE).toString('base64'));
  const { request, answer } = send(`${count}`, { datatype: 'BYTES', shape: [count], data }, timeout);
  return { request, scores: answer.then((boxes) => boxes.filter((_, i) => i % 6 === 4)) };
}

function ask(count: number, timeout = 0): Promise<number[]> {
  return asked(count, timeout).scores;
}

async function until(line: string): Promise<void> {
  while (!diary.includes(line)) await turn();
}

/** Nothing is held any more. */
async function letGo(): Promise<void> {
  while (target.ring?.live !== 0) await turn();
}

describe('an answer that takes many steps', () => {
  it('does not hold up others, and keeps its outputs until it is made', async () => {
    const many = ask(MANY);
    await until('run 1');
    await turn();
    expect(target.ring?.heldRows).toBe(MANY);
    expect(await ask(1)).toEqual([0.75]);
    expect(await many).toEqual(Array(MANY).fill(0.625));
    expect(diary).toEqual(['run 1', 'run 2', 'answered 1', `answered ${MANY}`]);
    await road.drain();
    await turn();
    expect(target.ring?.live).toBe(0);
  });

  it('is not sent after its deadline', async () => {
    const late = ask(MANY, 1_000_000_000);
    const failed = expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await until('run 1');
    nowUs += 1_000_000_000;
    await failed;
    await road.drain();
    await turn();
    expect([target.ring?.live, road.inFlight, target.metrics.failures.get('DEADLINE_EXCEEDED')]).toEqual([0, 0, 1]);
    // It is noticed before the next step, and it was a promise.
    expect(searched).toBeLessThan(MANY);
    expect([target.queue.late, target.metrics.answered]).toEqual([1, 0]);
  });

  it('is not finished for a caller who has gone, who is told once', async () => {
    const { request, scores } = asked(MANY);
    const failed = expect(scores).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await until('run 1');
    await turn();
    expect(searched).toBeGreaterThan(0);
    road.abort(request);
    await failed;
    // The outputs are read until the step under way has ended.
    expect([road.inFlight, target.ring?.heldRows]).toEqual([0, MANY]);
    road.abort(request);
    await letGo();
    expect(searched).toBeLessThan(MANY);
    const { answered, failed: failures } = target.metrics;
    expect([answered, failures, target.queue.late, target.metrics.batches.get(MANY)?.count]).toEqual([0, 1, 0, 1]);
  });

  it('keeps outputs that have no place until the last of a batch is answered', async () => {
    serve(-1);
    const gate = Promise.withResolvers<void>();
    lane.gate = gate.promise;
    const first = ask(1);
    await until('run 1');
    const pictures = MANY - 2;
    const row = { datatype: 'UINT8', shape: [1, 8, 8, 3], data: Array(192).fill(1) };
    const answers = [send('first row', row), send('last row', row)].map(({ answer }) => answer);
    answers.splice(1, 0, ask(pictures));
    while (target.queue.rows < MANY) await turn();
    gate.resolve();
    for (const tensor of [answers[0], answers[2]]) expect((await tensor)?.[4 * LOOSE_BOXES]).toBe(0.75);
    const output = lane.loose[1] as Uint8Array;
    expect([diary.at(-1), output.length]).toEqual(['answered last row', 20 * MANY * LOOSE_BOXES]);
    expect(await answers[1]).toEqual(Array(pictures).fill(0.75));
    expect(await first).toEqual([0.625]);
    await turn();
    expect([output.length, lane.loose.length]).toEqual([0, 2]);
  });
});
