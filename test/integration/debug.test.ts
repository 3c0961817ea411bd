import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { type Config, describeConfig } from '../../src/config/schema.ts';
import { EMPTY_SNAPSHOT } from '../../src/core/model.ts';
import { type DebugSources, debugDocument } from '../../src/http/debug.ts';
import { get, I, post, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  // One worker lane: while `slow8` runs on it, what comes for it waits.
  server = await startGateway(['simple', 'slow8', 'broken'], ['--workers', '1', '--limits-queue-rows', '77']);
});
afterAll(() => server.stop());

const row = new Array(16).fill(1);
const sums = { inputs: ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [1, 16], row)) };
const slow = () => post(`${server.v2}/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });
const picture = async () => (await get(`${server.adminUrl}/admin/debug`)).json;
// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
const modelOf = (seen: any, name: string) => seen.models.find(({ model }: { model: string }) => model === name);

/** Asks with headers of choice, which fetch does not let through. */
function ask(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const { hostname, port } = new URL(server.adminUrl);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, method, headers }, (reply) => {
      reply.resume();
      resolve(reply.statusCode as number);
    });
    asked.on('error', reject).end();
  });
}

describe('the picture of a gateway', () => {
  test('shows what stands still', async () => {
    expect((await post(`${server.v2}/models/simple/infer`, sums)).status).toBe(200);
    expect((await post(`${server.v2}/models/simple/infer`, { inputs: [] })).status).toBe(400);
    const seen = await picture();
    expect(seen).toMatchObject({
      state: 'serving',
      pid: process.pid,
      versions: { node: process.versions.node, onnxruntime: expect.stringMatching(/^\d+\.\d+/) },
      requestsInFlight: 0,
      arena: { capacityBytes: 512 * 1024 * 1024 },
      lanes: [
        { lane: 0, placement: 'worker', up: true, runs: null },
        { lane: 1, placement: 'inline', up: true, runs: null },
      ],
      limits: { queueRows: 77, chunks: 65_536 },
      config: { workers: 1, log: { level: 'silent' } },
    });
    expect(seen.arena.usedBytes).toBeGreaterThan(0);
    expect(modelOf(seen, 'simple')).toMatchObject({
      state: 'READY',
      queue: { requests: 0, rows: 0, bytes: 0, mostRows: 77, oldestUs: null },
      ring: { heldRows: 0 },
      requests: { answered: 1, rows: 1, retries: 0, failed: { INVALID_ARGUMENT: 1 } },
    });
    expect(modelOf(seen, 'broken')).toEqual({
      model: 'broken',
      version: '1',
      state: 'FAILED',
      reason: 'the model file cannot be loaded',
    });
  });

  test('shows what moves: the batch on its lane and since when, and what waits behind it', async () => {
    const busy = Promise.all([slow(), slow(), slow()]);
    let seen = await picture();
    while (seen.lanes[0].runs === null || modelOf(seen, 'slow8').queue.requests < 2) seen = await picture();
    expect(seen.lanes[0].runs).toMatchObject({ model: 'slow8', version: '1', requests: 1, rows: 1 });
    expect(seen.lanes[0].runs.forUs).toBeGreaterThanOrEqual(0);
    expect(seen.requestsInFlight).toBe(3);
    expect(modelOf(seen, 'slow8').queue).toMatchObject({ requests: 2, rows: 2, bytes: 8 });
    expect(modelOf(seen, 'slow8').queue.oldestUs).toBeGreaterThanOrEqual(0);
    expect((await busy).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await picture()).lanes[0].runs).toBeNull();
  });

  test('is shown on the admin listener alone, to readers alone', async () => {
    expect((await get(`${server.inferenceUrl}/admin/debug`)).status).toBe(404);
    expect(await ask('HEAD', '/admin/debug', {})).toBe(200);
    expect(await ask('POST', '/admin/debug', {})).toBe(405);
  });

  test('is not shown to a web page, by whatever name it reaches this machine', async () => {
    expect(await ask('GET', '/admin/debug', { host: 'rebound.example' })).toBe(403);
    expect(await ask('GET', '/admin/debug', { origin: 'http://evil.example' })).toBe(403);
    expect(await ask('GET', '/admin/debug', { host: 'localhost:8002' })).toBe(200);
  });
});

describe('the settings in the picture', () => {
  const config = loadConfig({ args: [], env: {} });
  const readings = { versions: {}, connections: {}, lanes: [], models: [] } as unknown as DebugSources['readings'];
  const of = (shown: Config) =>
    debugDocument({
      nowUs: 0,
      draining: false,
      config: shown,
      readings,
      snapshot: EMPTY_SNAPSHOT,
      lanes: [],
      target: () => null,
      view: () => null,
      startMs: { steps: {}, models: {} },
    }) as { config: object; limits: object };

  test('are all there are today', () => {
    const { config: shown, limits } = of(config);
    const groups = new Set(describeConfig().map(({ path }) => path[0] as string));
    expect(Object.keys({ ...shown, limits }).sort()).toEqual([...groups].sort());
  });

  test('are none that nobody has put there, for it may be a secret', () => {
    const later = { ...config, signingKey: 'planted-secret' } as Config;
    expect(JSON.stringify(of(later))).not.toContain('planted-secret');
  });
});
