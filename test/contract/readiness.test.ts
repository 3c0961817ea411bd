import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, makeGateway, post, startGateway } from '../support/gateway.ts';

let models: string;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'penstock-ready-'));
  await writeFixtures(models, ['slow8', 'slow']);
});

afterAll(() => rm(models, { recursive: true }));

const BODY = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1], [3])] });
const slow = (v2: string) => post(`${v2}/models/slow8/infer`, BODY);

const unstarted = () => makeGateway(models, ['--workers', '1']);

/** Status and code of a request on the one connection of `agent`. */
function on(agent: Agent, url: string, body = ''): Promise<[number, string | undefined, string | undefined]> {
  const method = body === '' ? 'GET' : 'POST';
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method }, (answer) => {
      const { 'x-error-code': code, connection } = answer.headers;
      answer.resume();
      answer.on('end', () => resolve([answer.statusCode ?? 0, code as string | undefined, connection]));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('readiness (conformance A)', () => {
  test('A3 while a startup model loads ready is 503 and live 200, on both listeners', async () => {
    const gateway = unstarted();
    const { inferenceUrl, adminUrl } = await gateway.start();
    for (const url of [inferenceUrl, adminUrl]) {
      expect((await get(`${url}/v2/health/live`)).json).toEqual({ live: true });
      const ready = await get(`${url}/v2/health/ready`);
      expect(ready.status).toBe(503);
      expect(ready.headers.get('x-error-code')).toBe('MODEL_NOT_READY');
      expect(ready.json).toEqual({ error: 'models are loading' });
    }
    const early = [await get(`${inferenceUrl}/v2/models/slow8/ready`), await slow(`${inferenceUrl}/v2`)];
    for (const reply of early) {
      expect(reply.status).toBe(503);
      expect(reply.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
      expect(reply.json.error).toContain('loading');
    }
    await gateway.settled();
    expect((await get(`${adminUrl}/v2/health/ready`)).status).toBe(200);
    expect(await gateway.stop(10_000)).toBe(true);
  });

  test('A3 during drain ready is 503 and live 200, what was accepted is answered, what comes is refused', async () => {
    const gateway = unstarted();
    const { inferenceUrl, adminUrl } = await gateway.start();
    await gateway.settled();
    const v2 = `${inferenceUrl}/v2`;
    const kept = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true }), new Agent({ keepAlive: true })];
    for (const agent of kept) expect((await on(agent, `${v2}/health/ready`))[0]).toBe(200);
    const accepted = slow(v2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stopped = gateway.stop(10_000);
    expect((await get(`${adminUrl}/v2/health/live`)).status).toBe(200);
    const ready = await get(`${adminUrl}/v2/health/ready`);
    expect([ready.status, ready.headers.get('x-error-code')]).toEqual([503, 'SHUTTING_DOWN']);
    // Connections that were open before are told on their next request, and closed.
    const [first, second, third] = kept as [Agent, Agent, Agent];
    expect(await on(first, `${v2}/health/ready`)).toEqual([503, 'SHUTTING_DOWN', 'close']);
    expect(await on(second, `${v2}/health/live`)).toEqual([200, undefined, 'close']);
    expect(await on(third, `${v2}/models/slow8/infer`, BODY)).toEqual([503, 'SHUTTING_DOWN', 'close']);
    await expect(fetch(`${v2}/health/live`)).rejects.toThrow();
    expect((await accepted).json.outputs[0].data).toEqual([3]);
    expect(await stopped).toBe(true);
  });

  test('a stop while models load waits for the one that is being loaded, and not for the others', async () => {
    const gateway = unstarted();
    await gateway.start();
    expect(await gateway.stop(10_000)).toBe(true);
    const states = [...gateway.snapshot.models.values()].flatMap(({ versions }) => versions.map(({ state }) => state));
    expect(states).toContain('LOADING');
  });

  test('one model is enough, or all of them with strictReadiness', async () => {
    const lenient = await startGateway(['simple', 'broken']);
    expect((await get(`${lenient.v2}/health/ready`)).status).toBe(200);
    await lenient.stop();
    const strict = await startGateway(['simple', 'broken'], ['--strict-readiness']);
    const reply = await get(`${strict.v2}/health/ready`);
    expect([reply.status, reply.json.error]).toEqual([503, 'not every model is ready']);
    expect((await get(`${strict.v2}/models/simple/ready`)).status).toBe(200);
    await strict.stop();
  });

  test('no model at all, or only broken ones, is not ready', async () => {
    const broken = await startGateway(['broken']);
    expect((await get(`${broken.v2}/health/ready`)).json).toEqual({ error: 'no model is ready' });
    await broken.stop();
    const nothing = await startGateway([]);
    expect((await get(`${nothing.v2}/health/ready`)).status).toBe(503);
    expect((await get(`${nothing.v2}/health/live`)).status).toBe(200);
    await nothing.stop();
  });
});
