import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseModelPolicy } from '../../src/config/model-schema.ts';
import type { RunRequest, SessionSpec } from '../../src/core/instance.ts';
import { Arena } from '../../src/native/arena.ts';
import { CrashMarks } from '../../src/native/crash-marks.ts';
import { loadBinding } from '../../src/native/load.ts';
import { WorkerPool } from '../../src/workers/pool.ts';
import { writeFixtures } from '../support/fixtures/write.ts';

const DYING = new URL('../support/dying-thread.ts', import.meta.url);
const DEADLY = 666;

let models = '';
beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'penstock-lane-'));
  await writeFixtures(models, ['raw8', 'resnet18']);
});
afterAll(() => rm(models, { recursive: true }));

function spec(model: string, session: number): SessionSpec {
  const { session: options } = parseModelPolicy('', 'model.yaml');
  return { session, path: join(models, model, '1', 'model.onnx'), options: { ...options, intraOpThreads: 1 } };
}

test('what is unloaded while a lane loads its sessions again is not there afterwards; the others are', async () => {
  const binding = loadBinding();
  const arena = new Arena(binding, 4 * 1024 * 1024);
  const marks = new CrashMarks(binding, -1);
  const parts = { slots: 1, arena: arena.buffer, marks, onLaneChange: () => undefined, entry: DYING };
  const pool = new WorkerPool(parts);
  const lane = pool.lanes[0];
  const eight = (session: number): RunRequest => {
    return { session, inputs: [{ offset: 0, dims: [1, 8], strings: null }], outputs: [null] };
  };
  for (const [model, session] of [
    ['resnet18', 1],
    ['raw8', 2],
    ['raw8', 3],
  ] as const) {
    await lane.load(spec(model, session));
  }
  const numbers = new Float32Array(arena.buffer, 0, 8);
  numbers[0] = DEADLY;
  await expect(lane.run(eight(2))).rejects.toMatchObject({ failure: 'WORKER_DIED' });
  numbers[0] = 7;
  // The slot of the lane says what it does: it loads the first one again.
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(() => marks.slots[0] === 1);
  await Promise.all([lane.unload(1), lane.unload(2)]);
  await until(() => lane.ready);
  await expect(lane.run(eight(1))).rejects.toMatchObject({ failure: 'INSTANCE_LOST' });
  await expect(lane.run(eight(2))).rejects.toMatchObject({ failure: 'INSTANCE_LOST' });
  expect((await lane.run(eight(3))).outputs[0]?.bytes?.length).toBe(32);
  await pool.close();
});
