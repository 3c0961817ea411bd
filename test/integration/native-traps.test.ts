import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { portHolder } from '../../src/cli/port-holder.ts';
import { cosines } from '../support/fixtures/models.ts';
import { constant, type Graph, node, onnx } from '../support/fixtures/onnx.ts';
import { I, post } from '../support/gateway.ts';
import { type Served, startProcess, untilListening, untilReady } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const ON_WORKERS = fileURLToPath(new URL('../support/serve-on-workers.ts', import.meta.url));
const ENDLESS = 1_000_000_000_000;

const models = mkdtempSync(join(tmpdir(), 'penstock-traps-'));
let served: Served | null = null;

beforeAll(() => {
  mkdirSync(join(models, 'rounds/1'), { recursive: true });
  writeFileSync(join(models, 'rounds/1/model.onnx'), onnx(rounds()));
});
afterAll(() => rmSync(models, { recursive: true }));
// A failed test must not leave its server behind.
afterEach(async () => {
  served?.child.kill('SIGKILL');
  await served?.ended;
});

/** A loop of as many rounds as the input says: quick when it is measured, endless when somebody wants it so. */
function rounds(): Graph {
  return {
    inputs: [['INPUT0', 'INT64', [1]]],
    outputs: [['OUTPUT0', 'FP32', [1]]],
    nodes: [node('Loop', ['INPUT0', 'yes', 'start'], ['OUTPUT0'], { body: cosines() })],
    constants: [constant('yes', 'BOOL', [], Uint8Array.of(1)), constant('start', 'FP32', [1], Float32Array.of(1))],
  };
}

const run = ({ url }: Served, count: number) =>
  post(`${url}/v2/models/rounds/infer`, { inputs: [I('INPUT0', 'INT64', [1], [count])] });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function start(entry: string, ...flags: string[]): Promise<Served> {
  served = await untilListening(startProcess(entry, models, '--workers', '1', ...flags));
  await untilReady(served.url);
  expect((await run(served, 2)).status).toBe(200);
  return served;
}

describe.runIf(process.platform === 'linux')('a run that never ends', { timeout: 30_000 }, () => {
  test('F4: on the front thread, where no signal is heard any more, a second one has the supervisor kill the process', async () => {
    const hung = await start(MAIN, '--supervise');
    const lost = run(hung, ENDLESS).catch(() => null);
    await pause(200);
    hung.child.kill('SIGTERM');
    await pause(1_200);
    hung.child.kill('SIGTERM');
    expect(await hung.ended).toEqual({ code: 137, signal: null });
    expect(await lost).toBeNull();
    expect(portHolder(Number(new URL(hung.url).port))).toBe('');
    expect(hung.output()).not.toContain('started again');
  });

  test('F4: on the front thread, the drain time ends it too', async () => {
    const hung = await start(MAIN, '--supervise', '--drain-timeout-s', '0');
    const lost = run(hung, ENDLESS).catch(() => null);
    await pause(200);
    hung.child.kill('SIGTERM');
    expect(await hung.ended).toEqual({ code: 137, signal: null });
    expect(await lost).toBeNull();
  });

  test('F4: on the front thread, the end of the supervisor ends it too', async () => {
    const hung = await start(MAIN, '--supervise', '--drain-timeout-s', '0');
    const lost = run(hung, ENDLESS).catch(() => null);
    await pause(200);
    hung.child.kill('SIGKILL');
    expect(await hung.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await lost).toBeNull();
    expect(portHolder(Number(new URL(hung.url).port))).toBe('');
  });

  test('F1, F2: on a worker, the process ends by a kill and never by an abort', async () => {
    const hung = await start(ON_WORKERS, '--drain-timeout-s', '0');
    const lost = run(hung, ENDLESS).catch(() => null);
    await pause(200);
    hung.child.kill('SIGTERM');
    expect(await hung.ended).toEqual({ code: 137, signal: null });
    expect(await lost).toBeNull();
    expect(hung.output()).toContain('the drain time is over');
    expect(hung.output()).not.toMatch(/terminate called|Napi::Error/);
  });
});
