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
import { loadBinding } from '../../../src/native/load.ts';
import { InferRoad } from '../../../src/pipeline/infer.ts';
import { pictureModel } from '../../../src/pipeline/picture-model.ts';
import type { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';
import type { DecodeJob } from '../../../src/preprocess/decode-job.ts';
import { geometry } from '../../../src/preprocess/geometry.ts';
import { ihdr, png, pngChunk } from '../../support/image-bytes.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { LIMITS } from '../../support/pictures.ts';

const binding = loadBinding();
const FILE = png(ihdr(8, 8), pngChunk('IDAT', [1]), pngChunk('IEND'));
const MANY = 24;
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

/** Finds one box in every picture, and is the surer of it the later it runs. */
class ScriptedLane implements Lane {
  readonly id = 0;
  readonly ready = true;
  #runs = 0;
  load = () => Promise.reject(new Error('not scripted'));
  unload = () => Promise.resolve();

  async run({ outputs: [place] }: RunRequest): Promise<RunResult> {
    diary.push(`run ${++this.#runs}`);
    const { offset, dims } = place as NonNullable<typeof place>;
    const rows = dims[0] as number;
    const heads = new Float32Array(arena.buffer, offset, 5 * rows);
    for (let row = 0; row < rows; row++) heads.set([4, 4, 4, 4, 0.5 + this.#runs / 8], 5 * row);
    return { outputs: [null], runUs: 1 };
  }
}

let arena: Arena;
let road: InferRoad;
let target: Target;

beforeEach(() => {
  [tickUs, nowUs, diary] = [3_000, 0, []];
  arena = new Arena(binding, 32 * 1024 * 1024);
  const pool = {
    waiting: 0,
    refusal: () => null,
    cost: () => ({ bytes: 1, work: 1 }),
    announce: () => undefined,
    decode: async ({ pipeline }: DecodeJob) => geometry(pipeline, { width: 8, height: 8 }),
    cancel: () => undefined,
    expectedUs: () => 0,
  };
  const pictures = { limits: LIMITS, pool, atOnce: 4 };
  const scheduler = new PlanScheduler<InferRequest>(1);
  const onFailedRun = () => undefined;
  road = new InferRoad({ binding, arena, clock, lanes: [new ScriptedLane()], scheduler, pictures, onFailedRun });
  const inputs = [{ name: 'image', datatype: datatype('UINT8'), shape: [-1, 8, 8, 3] }];
  const signature = { inputs, outputs: [{ name: 'y', datatype: datatype('FP32'), shape: [-1, 5, 1] }] };
  const facts = { signature, maxBatchSize: MANY, labels: [null] } as unknown as ServedFacts;
  const room = { queueRows: 1000, queueBytes: 1024 * 1024 };
  const queue = road.driver.open({ lanes: [0], maxBatchRows: MANY, ...room, sloUs: 0, curve: knownCurve(() => 100) });
  const declared = pictureModel(parseModelPolicy(POLICY, 'model.yaml'), signature, new Map());
  const metrics = new TargetMetrics(true);
  const model = { model: 'm', version: '1', session: 1, facts, queue, metrics, jsonDepth: 100 };
  target = new Target({ binding, arena, ...model, pictures: declared });
});

/** A request of so many pictures, and the scores that it is answered. */
function ask(count: number, timeout = 0): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const reply = {
      answer: (body: Uint8Array) => {
        diary.push(`answered ${count}`);
        const [boxes] = JSON.parse(Buffer.from(body).toString()).outputs;
        resolve(boxes.data.filter((_: number, i: number) => i % 6 === 4));
      },
      fail: (error: GatewayError) => reject(error),
    };
    const request = road.open(target, reply, clock.nowUs(), 0, '', 0, null);
    const data = Array.from({ length: count }, () => Buffer.from(FILE).toString('base64'));
    const inputs = [{ name: 'image', datatype: 'BYTES', shape: [count], data }];
    road.take(request, Buffer.from(JSON.stringify({ parameters: { timeout }, inputs })), -1);
  });
}

async function until(line: string): Promise<void> {
  while (!diary.includes(line)) await turn();
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
  });
});
