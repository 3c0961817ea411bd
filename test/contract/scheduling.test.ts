import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Logger } from '../../src/logging/logger.ts';
import { get, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;
let logged: readonly unknown[][];

beforeAll(async () => {
  const info = vi.spyOn(Logger.prototype, 'info');
  server = await startGateway(['simple', 'id_fp32', 'broken']);
  logged = [...info.mock.calls];
  info.mockRestore();
});
afterAll(() => server.stop());

const admin = (path: string) => get(`${server.adminUrl}${path}`);

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

const PATHS = ['/v2/models/simple/scheduler', '/v2/models/simple/versions/1/scheduler', '/v2/capacity'];

describe('the scheduler of a model', () => {
  test('is shown for a version, and without one for the version that answers', async () => {
    const [model, version] = await Promise.all(PATHS.slice(0, 2).map(admin));
    expect([model?.status, version?.status]).toEqual([200, 200]);
    expect(model?.json).toMatchObject({ name: 'simple', version: '1' });
    expect(model?.json.instances.min).toBe(1);
    expect(Object.keys(version?.json)).toEqual(Object.keys(model?.json));
  });

  test.each([
    ['nope/scheduler', 404, 'MODEL_NOT_FOUND'],
    ['simple/versions/9/scheduler', 404, 'MODEL_NOT_FOUND'],
    ['broken/scheduler', 503, 'MODEL_NOT_READY'],
    ['broken/versions/1/scheduler', 503, 'MODEL_NOT_READY'],
    ['%zz/scheduler', 400, 'INVALID_ARGUMENT'],
  ])('%s is %d %s', async (path, status, code) => {
    const reply = await admin(`/v2/models/${path}`);
    expect([reply.status, reply.headers.get('x-error-code')]).toEqual([status, code]);
    expect(Object.keys(reply.json)).toEqual(['error']);
  });
});

test('the log names the latency target of a model that is ready, and where it comes from', () => {
  for (const model of ['simple', 'id_fp32']) {
    const line = expect.objectContaining({
      model,
      version: '1',
      targetMs: expect.any(Number),
      targetSource: 'measured',
    });
    expect(logged).toContainEqual([line, 'model ready']);
  }
});

describe('the capacity', () => {
  test('names every version in service, and no other', async () => {
    const { models } = (await admin('/v2/capacity')).json;
    expect(models.map(({ name }: { name: string }) => name)).toEqual(['id_fp32', 'simple']);
  });
});

describe.each(PATHS)('%s', (path) => {
  test('is shown on the admin listener alone, to readers alone', async () => {
    expect((await get(`${server.inferenceUrl}${path}`)).status).toBe(404);
    expect(await ask('HEAD', path, {})).toBe(200);
    expect(await ask('POST', path, {})).toBe(405);
  });

  test('is not shown to a web page, by whatever name it reaches this machine', async () => {
    expect(await ask('GET', path, { host: 'rebound.example' })).toBe(403);
    expect(await ask('GET', path, { origin: 'http://evil.example' })).toBe(403);
    expect(await ask('GET', path, { host: 'localhost:8002' })).toBe(200);
  });
});
