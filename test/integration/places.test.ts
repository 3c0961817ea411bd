/** Instances come and go, and versions move, on real models; the rests between are passed by a clock that is put forward. */

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../src/config/model-schema.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { SessionSpec } from '../../src/core/instance.ts';
import type { Curve } from '../../src/core/scheduling.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { Arena } from '../../src/native/arena.ts';
import { CrashMarks } from '../../src/native/crash-marks.ts';
import { loadBinding } from '../../src/native/load.ts';
import { settleThreads } from '../../src/pipeline/threads.ts';
import { WorkerPool } from '../../src/workers/pool.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { B, get, I, post, type Reply, type RunningGateway, startGatewayOn } from '../support/gateway.ts';

const DYING = new URL('../support/dying-thread.ts', import.meta.url);
const ROW = new Uint8Array(new Float32Array(512).fill(0.5).buffer);

/** The process's time, put forward. */
class Forward implements Clock {
  aheadUs = 0;
  nowUs(): number {
    return systemClock.nowUs() + this.aheadUs;
  }
}

/** Batches of any size take what the test says. */
class Told implements Curve {
  us = 100;
  readonly mostRows = 1024;
  readonly revision = 0;
  readonly spread = 0;
  readonly shifts = 0;
  readonly ignored = 0;
  at(): number {
    return this.us;
  }
  observe(): void {}
  knownAbove(): number {
    return 0;
  }
  points(): [] {
    return [];
  }
}

let server: RunningGateway | null = null;
let folder = '';
const clock = new Forward();
afterEach(async () => {
  await server?.stop();
  server = null;
});

async function start(model: string, policy: string, options: GatewayOptions = {}): Promise<RunningGateway> {
  folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  const models = folder;
  await writeFixtures(models, [model]);
  await writeFile(join(models, model, 'model.yaml'), policy);
  server = await startGatewayOn(models, [], { clock, ...options }, () => rm(models, { recursive: true }));
  return server;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never ${what}`);
}

const config = async (model: string) => (await get(`${server?.v2}/models/${model}/config`)).json;
const instances = async (model: string): Promise<number> => (await config(model)).instance_group[0].count;
const placement = async (model: string): Promise<string> => (await config(model)).parameters.placement.string_value;
const infer = (): Promise<Reply> =>
  post(`${server?.v2}/models/mlp1ms/infer`, { inputs: [B('input', 'FP32', [1, 512], ROW.length)] }, ROW);

/** Callers who ask again with every answer, until they are told to stop; the statuses that they were given. */
function callers(count: number, ask: () => Promise<Reply>): { stop(): Promise<Set<number>> } {
  const seen = new Set<number>();
  let going = true;
  const each = Array.from({ length: count }, async () => {
    while (going) seen.add((await ask()).status);
  });
  return {
    async stop() {
      going = false;
      await Promise.all(each);
      return seen;
    },
  };
}

describe('instances', () => {
  test('are added while callers wait and go when they rest; every answer is right meanwhile', async () => {
    const { adminUrl } = await start('mlp1ms', '');
    expect(await instances('mlp1ms')).toBe(1);
    const right = (await infer()).json.outputs[0];
    for (let round = 0; round < 2; round++) {
      const many = callers(12, infer);
      await until('two instances', async () => (await instances('mlp1ms')) === 2);
      expect(await many.stop()).toEqual(new Set([200]));
      // One after the other, over the move: nobody needs the second instance any more.
      const one = callers(1, infer);
      await until('one instance', async () => {
        clock.aheadUs += 500_000;
        return (await instances('mlp1ms')) === 1;
      });
      expect(await one.stop()).toEqual(new Set([200]));
    }
    expect((await infer()).json.outputs[0]).toEqual(right);
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    expect(metrics).toContain('penstock_instances{model="mlp1ms",version="1"} 1\n');
    expect(metrics).toContain('penstock_instances_min{model="mlp1ms",version="1"} 1\n');
    expect(metrics).toContain('penstock_instances_max{model="mlp1ms",version="1"} 2\n');
  }, 20_000);

  test.each([1, 2])('of a model that states %i never change', async (count) => {
    await start('mlp1ms', `instances: ${count}\n`);
    const seen = new Set<number>();
    const many = callers(12, infer);
    for (let i = 0; i < 15; i++) {
      seen.add(await instances('mlp1ms'));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await many.stop()).toEqual(new Set([200]));
    await new Promise((resolve) => setTimeout(resolve, 250));
    clock.aheadUs += 60_000_000;
    await new Promise((resolve) => setTimeout(resolve, 250));
    seen.add(await instances('mlp1ms'));
    expect(seen).toEqual(new Set([count]));
  });

  test('that cannot be added disturb nobody, and are tried again later', async () => {
    await start('mlp1ms', '');
    const file = join(folder, 'mlp1ms', '1', 'model.onnx');
    await rename(file, `${file}.away`);
    const many = callers(12, infer);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await instances('mlp1ms')).toBe(1);
    await rename(`${file}.away`, file);
    clock.aheadUs += 2_000_000;
    await until('two instances', async () => (await instances('mlp1ms')) === 2);
    expect(await many.stop()).toEqual(new Set([200]));
  });

  test('take the place of those whose thread died', async () => {
    const { v2 } = await start('raw8', 'maxBatchRows: 4\n', { placement: 'worker', workerEntry: DYING });
    const eight = (first: number) =>
      post(`${v2}/models/raw8/infer`, { inputs: [I('INPUT0', 'FP32', [1, 8], [first, 0, 0, 0, 0, 0, 0, 0])] });
    expect((await eight(666)).status).toBe(500);
    expect(await instances('raw8')).toBe(2);
    await until('answers', async () => (await eight(1)).status === 200);
    await until('one instance', async () => {
      clock.aheadUs += 500_000;
      return (await instances('raw8')) === 1;
    });
    expect((await eight(7)).json.outputs[0].data[0]).toBe(7);
  });
});

describe('threads of ONNX Runtime', () => {
  test('are one where no target asks for more, and what model.yaml says where it does', async () => {
    const threads = async (model: string) => (await config(model)).parameters.intra_op_threads.string_value;
    for (const [policy, expected] of [
      ['', '1'],
      ['slo: { p99Ms: 3600000 }\n', '1'],
      ['slo: { p99Ms: 3600000 }\nsession: { intraOpThreads: 2 }\n', '2'],
    ] as const) {
      await start('resnet18', `${policy}maxBatchRows: 0\n`);
      expect([policy, await threads('resnet18')]).toEqual([policy, expected]);
      await server?.stop();
      server = null;
    }
  });

  test('are more where only they make the target: the session is loaded anew, and runs', async () => {
    const models = await mkdtemp(join(tmpdir(), 'penstock-threads-'));
    await writeFixtures(models, ['resnet18']);
    const binding = loadBinding();
    const arena = new Arena(binding, 16 * 1024 * 1024);
    const marks = new CrashMarks(binding, -1);
    const pool = new WorkerPool({ slots: 1, arena: arena.buffer, marks, onLaneChange: () => undefined });
    const lane = pool.lanes[0];
    const { session: options } = parseModelPolicy('session: { intraOpThreads: 1 }', 'model.yaml');
    const path = join(models, 'resnet18', '1', 'model.onnx');
    const spec: SessionSpec = { session: 1, path, options: { ...options, intraOpThreads: 1 } };
    await lane.load(spec);
    const inputs = [{ offset: 0, dims: [1, 3, 224, 224], strings: null }];
    const run = () => lane.run({ session: 1, inputs, outputs: [null] });
    const alone = (await run()).outputs[0]?.bytes;
    const tried: number[] = [];
    // What they would take on four idle cores; the runs are real.
    const settled = await settleThreads(lane, spec, { rowUs: 40_000, sloUs: 21_000, cores: 4 }, async () => {
      tried.push((await run()).runUs);
      return 40_000 / 2 ** tried.length;
    });
    expect([settled.options.intraOpThreads, tried.length]).toEqual([4, 2]);
    const sum = (bytes: Uint8Array | null | undefined) =>
      new Float32Array(bytes?.slice().buffer ?? new ArrayBuffer(0)).reduce((total, x) => total + Math.abs(x), 0);
    expect(sum((await run()).outputs[0]?.bytes) / sum(alone)).toBeCloseTo(1, 3);
    await pool.close();
    await rm(models, { recursive: true });
  });
});

describe('a model', () => {
  const ask = () => post(`${server?.v2}/models/v2/infer`, { inputs: [I('INPUT0', 'FP32', [1, 4], [1, 2, 3, 4])] });

  test('moves to workers when its batches become slow, and back when they are quick again', async () => {
    const told = new Told();
    await start('v2', 'maxBatchRows: 8\n', { curve: () => told });
    const moved = async (to: string) => {
      clock.aheadUs += 400_000;
      return (await placement('v2')) === to;
    };
    await until('inline', () => moved('inline'));
    const one = callers(2, ask);
    for (let i = 0; i < 2; i++) {
      told.us = 600;
      await until('on a worker', () => moved('worker'));
      expect((await config('v2')).parameters.batch_rows.string_value).toBe('8');
      told.us = 60;
      await until('inline', () => moved('inline'));
    }
    expect(await one.stop()).toEqual(new Set([200]));
    expect((await ask()).json.outputs[0].data).toEqual([2, 3, 4, 5]);
  }, 20_000);
});
