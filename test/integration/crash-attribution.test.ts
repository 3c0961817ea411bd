import { mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { portHolder } from '../../src/cli/port-holder.ts';
import { constant, node, onnx } from '../support/fixtures/onnx.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, post } from '../support/gateway.ts';
import { type Served, startProcess, untilListening } from '../support/server-process.ts';

const WEIGHTS = 1 << 18;
const WRITTEN = new Date('2026-01-01');
const ENTRIES = {
  'the front thread': fileURLToPath(new URL('../../src/main.ts', import.meta.url)),
  'a worker': fileURLToPath(new URL('../support/serve-on-workers.ts', import.meta.url)),
};

let models: string;
let weights: string;
let served: Served | null = null;

beforeEach(async () => {
  models = mkdtempSync(join(tmpdir(), 'penstock-crash-'));
  await writeFixtures(models, ['simple']);
  mkdirSync(join(models, 'mapped/1'), { recursive: true });
  weights = join(models, 'mapped/1/weights.bin');
  writeFileSync(weights, Buffer.alloc(4 * WEIGHTS));
  utimesSync(weights, WRITTEN, WRITTEN);
  writeFileSync(join(models, 'mapped/1/model.onnx'), mapped());
});

afterEach(async () => {
  served?.child.kill('SIGTERM');
  await served?.ended;
  served = null;
  rmSync(models, { recursive: true });
});

/** Looks numbers up in a table that ONNX Runtime maps from its file. */
function mapped(): Uint8Array {
  const table = { ...constant('table', 'FP32', [WEIGHTS], new Float32Array(0)), file: 'weights.bin' };
  return onnx({
    inputs: [['INPUT0', 'INT64', ['batch', 1]]],
    outputs: [['OUTPUT0', 'FP32', ['batch', 1]]],
    nodes: [node('Gather', ['table', 'INPUT0'], ['OUTPUT0'])],
    constants: [table],
  });
}

async function start(entry: string): Promise<string> {
  const flags = entry.endsWith('main.ts') ? ['--supervise'] : [];
  served = await untilListening(startProcess(entry, models, ...flags, '--workers', '2'));
  return served.url;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never ${holds}: ${served?.output()}`);
}

const settled = (url: string) => until(async () => (await get(`${url}/v2/health/ready`)).status === 200);
const look = (url: string) =>
  post(`${url}/v2/models/mapped/infer`, { inputs: [I('INPUT0', 'INT64', [1, 1], [200_000])] });
const slow = (url: string) => post(`${url}/v2/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });
const deaths = () =>
  (served as Served)
    .output()
    .split('\n')
    .filter((line) => line.includes('is started again'))
    .map((line) => JSON.parse(line));

/** Cuts the file that is mapped (SIGBUS at the next look), and puts it back as it was before the next start reads it. */
async function crash(url: string): Promise<void> {
  const before = deaths().length;
  truncateSync(weights, 0);
  await expect(look(url)).rejects.toThrow();
  truncateSync(weights, 4 * WEIGHTS);
  utimesSync(weights, WRITTEN, WRITTEN);
  await until(async () => deaths().length > before);
}

describe.runIf(process.platform === 'linux')('a model that kills the process', { timeout: 60_000 }, () => {
  test.each(Object.entries(ENTRIES))(
    'three times in a row on %s is not loaded again, alone, until its files change',
    async (where, entry) => {
      // An innocent one that runs each time: the mark of the thread that faulted tells them apart.
      const crowded = where === 'a worker';
      if (crowded) await writeFixtures(models, ['slow8']);
      const url = await start(entry);
      await settled(url);
      for (let i = 0; i < 3; i++) {
        const neighbour = crowded ? slow(url).catch(() => null) : null;
        await crash(url);
        await neighbour;
        await settled(url);
      }
      expect(deaths()).toMatchObject([1, 2, 3].map(() => ({ cause: 'SIGBUS', ran: ['mapped 1'] })));
      const refused = await look(url);
      expect([refused.status, refused.headers.get('x-error-code')]).toEqual([503, 'MODEL_NOT_READY']);
      expect(refused.json.error).toContain('several times in a row (SIGBUS)');
      expect((await get(`${url}/v2/models/simple/ready`)).status).toBe(200);
      if (crowded) expect((await slow(url)).status).toBe(200);
      const index = (await post(`${url}/v2/repository/index`, {})).json;
      expect(index).toContainEqual(expect.objectContaining({ name: 'mapped', state: 'UNAVAILABLE' }));

      utimesSync(weights, new Date(), new Date());
      killServer(url);
      await until(async () => deaths().length === 4);
      await settled(url);
      expect((await look(url)).status).toBe(200);
    },
  );

  test('a process that is killed from outside says what ran', async () => {
    await writeFixtures(models, ['slow8']);
    const url = await start(ENTRIES['the front thread']);
    await settled(url);
    const lost = slow(url).catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 200));
    killServer(url);
    expect(await lost).toBeNull();
    await until(async () => deaths().length === 1);
    expect(deaths()).toMatchObject([{ cause: 'SIGKILL', ran: ['slow8 1'] }]);
    await settled(url);
    expect((await slow(url)).status).toBe(200);
  });
});

function killServer(url: string): void {
  process.kill(Number(/^process (\d+)/.exec(portHolder(Number(new URL(url).port)))?.[1]), 'SIGKILL');
}
