import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mixed, writeMixed } from '../../bench/http/mix.ts';
import { type RunningGateway, send, startGatewayOn } from '../support/gateway.ts';

let server: RunningGateway;
beforeAll(async () => {
  const models = await mkdtemp(join(tmpdir(), 'penstock-mix-'));
  await writeMixed(models);
  server = await startGatewayOn(models, [], {}, () => rm(models, { recursive: true }));
});
afterAll(() => server.stop());

const { good, bad } = mixed();
const models = (loads: typeof good) => new Set(loads.map(({ path }) => path.split('/')[3]));

describe('the mix of the soak', () => {
  test('asks four models, in JSON and in binary', () => {
    expect([...models(good)].sort()).toEqual(['digits', 'id_bytes', 'mlp', 'pair']);
    const binary = good.filter(({ headers }) => 'Inference-Header-Content-Length' in headers);
    expect([...models(binary)].sort()).toEqual(['id_bytes', 'mlp', 'pair']);
    expect(binary.length).toBeLessThan(good.length);
  });

  test('is answered, and its bad requests are refused on a connection that stays open', async () => {
    for (const { path, body, headers } of good) {
      expect((await send(server.inferenceUrl + path, body, headers)).status).toBe(200);
    }
    for (const { path, body, headers } of bad) {
      const reply = await send(server.inferenceUrl + path, body, headers);
      expect([400, 404]).toContain(reply.status);
      expect(reply.headers.get('connection')).not.toBe('close');
    }
    // Each of another kind: they do not all end at the same check.
    const reasons = await Promise.all(
      bad.map(async ({ path, body, headers }) => (await send(server.inferenceUrl + path, body, headers)).json.error),
    );
    expect(new Set(reasons).size).toBe(bad.length);
  });
});
