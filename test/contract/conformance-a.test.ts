import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get, post, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['simple', 'broken', 'v2', 'id_bf16', 'id_fp32'], ['--allowed-hosts', 'gate.example']);
});

afterAll(async () => {
  await server.stop();
});

/** Status of an empty POST whose Host is `host`: what a page gets whose name was bound to this machine. */
function statusFor(host: string, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers: { Host: host } }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function isError(reply: Awaited<ReturnType<typeof get>>, status: number): void {
  expect(reply.status).toBe(status);
  expect(reply.headers.get('content-type')).toBe('application/json');
  expect(Object.keys(reply.json)).toEqual(['error']);
  expect(reply.json.error).not.toBe('');
  expect(reply.headers.get('x-request-id')).not.toBeNull();
}

describe('health, metadata and routing (conformance A)', () => {
  test('A1 A2 live and ready answer with both members', async () => {
    expect((await get(`${server.v2}/health/live`)).json).toEqual({ live: true });
    expect((await get(`${server.v2}/health/ready`)).json).toEqual({ live: true, ready: true });
  });

  test('A4 server metadata, with and without a slash at the end', async () => {
    for (const url of [server.v2, `${server.v2}/`]) {
      const { json } = await get(url);
      expect(json.name).toBe('penstock');
      expect(typeof json.version).toBe('string');
      // What is true and nothing else: perf_analyzer asks for whatever is listed here.
      expect(json.extensions).toEqual([
        'binary_tensor_data',
        'classification',
        'parameters',
        'model_configuration',
        'statistics',
      ]);
    }
  });

  test('A5 model metadata shows full shapes, datatypes and versions', async () => {
    const { json } = await get(`${server.v2}/models/simple`);
    expect(json.platform).toBe('onnxruntime_onnx');
    expect(json.versions).toEqual(['1']);
    expect(json.inputs[0]).toEqual({ name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] });
  });

  test('A6 A7 unknown models and versions are 404 everywhere', async () => {
    expect((await get(`${server.v2}/models/simple/versions/1`)).status).toBe(200);
    for (const path of [
      'models/simple/versions/99',
      'models/simple/versions/v1',
      'models/simple/versions/01',
      'models/nope',
      'models/nope/ready',
      'models/nope/config',
    ]) {
      isError(await get(`${server.v2}/${path}`), 404);
    }
    isError(await post(`${server.v2}/models/nope/infer`, {}), 404);
    isError(await post(`${server.v2}/models/simple/versions/9/infer`, {}), 404);
  });

  test('A8 A9 a model is ready, a broken one is 503 with its reason', async () => {
    expect((await get(`${server.v2}/models/simple/ready`)).json).toEqual({ name: 'simple', ready: true });
    const broken = await get(`${server.v2}/models/broken/ready`);
    isError(broken, 503);
    expect(broken.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(broken.json.error).not.toContain('/');
  });

  test('a BF16 model is unavailable, and the index says why', async () => {
    const { json } = await post(`${server.v2}/repository/index`, '');
    const item = json.find((m: { name: string }) => m.name === 'id_bf16');
    expect(item).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringContaining('BF16') });
  });

  test('A10 unknown paths are 404 Not Found', async () => {
    for (const path of [
      '/nothing',
      '/v2/models/simple/bogus',
      '/v2/models/simple/',
      '/v2//models',
      '/v2/models//infer',
    ]) {
      const reply = await get(server.inferenceUrl + path);
      isError(reply, 404);
    }
    expect((await get(`${server.inferenceUrl}/nothing`)).json.error).toBe('Not Found');
  });

  test('A11 a known path with the wrong method is 405 with Allow', async () => {
    const wrong = [await get(`${server.v2}/models/simple/infer`), await post(`${server.v2}/health/live`, '')];
    wrong.push(await get(`${server.v2}/repository/index`));
    for (const reply of wrong) {
      isError(reply, 405);
      expect(reply.headers.get('allow')).not.toBeNull();
    }
  });

  test('A17 the model list', async () => {
    expect((await get(`${server.v2}/models`)).json.models).toContain('simple');
  });

  test('HEAD answers like GET without a body', async () => {
    for (const path of ['', '/health/ready', '/models/simple', '/models/simple/config']) {
      const reply = await fetch(server.v2 + path, { method: 'HEAD' });
      expect(reply.status).toBe(200);
      expect(await reply.text()).toBe('');
    }
  });

  test('the version is the URL’s, else the highest that is ready', async () => {
    const inputs = [{ name: 'INPUT0', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }];
    const latest = await post(`${server.v2}/models/v2/infer`, { inputs });
    expect(latest.json).toMatchObject({ model_version: '3', outputs: [{ data: [2, 3, 4, 5] }] });
    const first = await post(`${server.v2}/models/v2/versions/1/infer`, { inputs });
    expect(first.json).toMatchObject({ model_version: '1', outputs: [{ data: [1, 2, 3, 4] }] });
  });

  test('model config is what perf_analyzer reads', async () => {
    const { json } = await get(`${server.v2}/models/simple/config`);
    expect(json.max_batch_size).toBe(8);
    expect(json.input[0]).toEqual({ name: 'INPUT0', data_type: 'TYPE_INT32', dims: [16] });
    expect(json.parameters.placement.string_value).toMatch(/^(inline|worker)$/);
  });

  test('a foreign Host or Origin may not post', async () => {
    const refused = await fetch(`${server.v2}/models/simple/infer`, {
      method: 'POST',
      body: '{}',
      headers: { Origin: 'http://evil.example' },
    });
    expect(refused.status).toBe(403);
    const own = await fetch(`${server.v2}/models/simple/infer`, {
      method: 'POST',
      body: '{}',
      headers: { Origin: server.inferenceUrl },
    });
    expect(own.status).toBe(400);
    for (const path of ['models/simple/infer', 'repository/index']) {
      expect(await statusFor('evil.example', `${server.v2}/${path}`)).toBe(403);
      expect(await statusFor('gate.example', `${server.v2}/${path}`)).not.toBe(403);
    }
  });

  test('percent-encoded names are decoded, broken encoding is 400', async () => {
    expect((await get(`${server.v2}/models/s%69mple`)).json.name).toBe('simple');
    isError(await get(`${server.v2}/models/%zz`), 400);
  });

  test('health and metrics answer on the admin port, models do not', async () => {
    expect((await get(`${server.adminUrl}/v2/health/ready`)).status).toBe(200);
    const metrics = await fetch(`${server.adminUrl}/metrics`);
    expect(await metrics.text()).toContain('penstock_');
    isError(await get(`${server.adminUrl}/v2/models`), 404);
    isError(await get(`${server.inferenceUrl}/metrics`), 404);
  });
});
