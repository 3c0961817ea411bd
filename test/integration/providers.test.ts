import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, post } from '../support/gateway.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

const LIBRARIES = join(
  dirname(fileURLToPath(import.meta.resolve('onnxruntime-node'))),
  `../bin/napi-v6/${process.platform}/${process.arch}`,
);
const HAS_CUDA = existsSync(join(LIBRARIES, 'libonnxruntime_providers_cuda.so'));

describe.skipIf(HAS_CUDA)('execution providers where CUDA is absent', () => {
  let models: string;
  let served: Served;

  beforeAll(async () => {
    models = await mkdtemp(join(tmpdir(), 'penstock-providers-'));
    await writeFixtures(models, ['raw8', 'cls', 'simple']);
    await writeFile(join(models, 'raw8/model.yaml'), 'session: { executionProviders: [cuda] }\n');
    await writeFile(join(models, 'cls/model.yaml'), 'session: { executionProviders: [cuda, cpu] }\n');
    served = await serveProcess(models, '--workers', '1');
    await untilReady(served.url);
  });

  afterAll(async () => {
    served.child.kill('SIGTERM');
    await served.ended;
    await rm(models, { recursive: true });
  });

  test('a model that asks for cuda alone is unavailable, with the reason and without paths', async () => {
    const { json } = await post(`${served.url}/v2/repository/index`, '');
    const item = json.find((m: { name: string }) => m.name === 'raw8');
    expect(item).toEqual({
      name: 'raw8',
      version: '1',
      state: 'UNAVAILABLE',
      reason: 'the model asks for cuda, which is absent on this machine',
    });
  });

  test('a model that lists cpu second falls back to it and answers', async () => {
    const config = await get(`${served.url}/v2/models/cls/config`);
    expect(config.json.parameters.execution_provider.string_value).toBe('cpu');
    expect(config.json.instance_group[0].kind).toBe('KIND_CPU');
    const answer = await post(`${served.url}/v2/models/cls/infer`, {
      inputs: [I('INPUT0', 'FP32', [1, 4], [1, 2, 3, 4])],
    });
    expect(answer.json.outputs[0].data).toEqual([1, 2, 3, 4]);
  });

  test('the comparison of cuda with cpu is skipped aloud', () => {
    const script = fileURLToPath(new URL('../../bench/check-cuda.ts', import.meta.url));
    const { status, stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^check:cuda SKIPPED, nothing was compared: .*cuda/)]);
  });

  test('start says both in one clear line each, and the runtime adds none of its own', () => {
    const said = served.output().split('\n');
    const plain = said.filter((line) => !line.startsWith('{'));
    expect(plain).toContain('  raw8 1: FAILED (the model asks for cuda, which is absent on this machine)');
    expect(plain).toContain('  cls 1: READY on cpu (the model asks for cuda, which is absent on this machine)');
    expect(plain).toContain('  simple 1: READY');
    expect(plain.filter((line) => line.includes('onnxruntime'))).toEqual([]);
  });
});
