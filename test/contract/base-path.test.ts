import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get, I, post, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['raw8'], ['--base-path', '/inference']);
});

afterAll(() => server.stop());

describe('with a base path', () => {
  test('every route answers behind it', async () => {
    const v2 = `${server.inferenceUrl}/inference/v2`;
    expect((await get(v2)).json.name).toBe('penstock');
    expect((await get(`${v2}/health/ready`)).status).toBe(200);
    const inputs = [I('INPUT0', 'FP32', [1, 8], [1, 2, 3, 4, 5, 6, 7, 8])];
    for (let i = 0; i < 2; i++) {
      expect((await post(`${v2}/models/raw8/infer`, { inputs })).json.outputs[0].data).toHaveLength(8);
    }
    expect((await fetch(`${server.adminUrl}/inference/metrics`)).status).toBe(200);
  });

  test('what only begins like it is no route', async () => {
    for (const path of ['/inference', '/inferencex/v2', '/inference2/v2/models', '/inference//v2']) {
      expect((await get(server.inferenceUrl + path)).status).toBe(404);
    }
  });
});
