import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['slow', 'slow8', 'id_fp32']);
});

afterAll(async () => {
  await server.stop();
});

const slow = (model: string, parameters: object = {}): Promise<Reply> =>
  post(`${server.v2}/models/${model}/infer`, { parameters, inputs: [I('INPUT0', 'FP32', [1], [3])] });

describe('deadlines and full queues', () => {
  test('E1 a deadline that passes while the model runs is answered 504 on time, not when the model is done', async () => {
    const whole = performance.now();
    const undisturbed = await slow('slow8');
    const runMs = performance.now() - whole;
    expect(undisturbed.json.outputs[0].data).toEqual([3]);
    const started = performance.now();
    const late = await slow('slow8', { timeout: 50_000 });
    const waitedMs = performance.now() - started;
    expect(late.status).toBe(504);
    expect(late.headers.get('x-error-code')).toBe('DEADLINE_EXCEEDED');
    expect(waitedMs).toBeLessThan(runMs);
  });

  test('a deadline that passes in the queue is never run', async () => {
    const [first, second] = await Promise.all([slow('slow8'), slow('slow8', { timeout: 20_000 })]);
    expect([first.status, second.status]).toEqual([200, 504]);
  });

  test('E2 a timeout of 0 is none; what is no whole number of at least 0 is refused', async () => {
    const ask = (timeout: unknown) =>
      post(`${server.v2}/models/id_fp32/infer`, {
        parameters: { timeout },
        inputs: [I('INPUT0', 'FP32', [1, 1], [3])],
      });
    expect((await ask(0)).status).toBe(200);
    for (const timeout of ['5', -1, 1.5]) expect((await ask(timeout)).status).toBe(400);
  });

  test('E3 a full queue refuses at once, with a time to come back', async () => {
    const replies = await Promise.all([slow('slow'), slow('slow'), slow('slow')]);
    expect(replies.map((r) => r.status).sort()).toEqual([200, 200, 503]);
    const refused = replies.find((r) => r.status === 503) as Reply;
    expect(refused.headers.get('x-error-code')).toBe('OVERLOADED');
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  });

  test('a caller who goes away leaves the queue to the others', async () => {
    const gone = new AbortController();
    const body = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1], [3])] });
    const idle = await gauge('penstock_arena_bytes');
    const running = slow('slow');
    await until(async () => (await gauge('penstock_arena_bytes')) > idle);
    const waiting = fetch(`${server.v2}/models/slow/infer`, { method: 'POST', body, signal: gone.signal });
    await until(async () => (await gauge(QUEUE)) === 1);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await until(async () => (await gauge(QUEUE)) === 0);
    const next = slow('slow');
    expect([(await running).status, (await next).status]).toEqual([200, 200]);
  });
});

/** The first part of a request whose rest never comes. @returns what is answered until the connection is closed */
async function half(head: string, part: string): Promise<string> {
  const { hostname, port } = new URL(server.inferenceUrl);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  socket.write(`POST /v2/models/id_fp32/infer HTTP/1.1\r\nHost: ${hostname}\r\n${head}\r\n${part}`);
  await once(socket, 'close');
  return text;
}

describe('a deadline that passes while the body is still coming', () => {
  // Without a deadline such a body is waited for far longer than this test may take.
  const LATE =
    /^HTTP\/1\.1 504 [\s\S]*x-error-code: DEADLINE_EXCEEDED[\s\S]*the deadline passed after \d+ ms, before the body was complete/i;
  const held = async () => (await gauge('penstock_gathered_bytes')) + (await gauge('penstock_arena_bytes'));

  test('is answered 504 although nothing more comes, and what came is let go', async () => {
    const idle = await held();
    const part = `{"inputs":[${' '.repeat(10_000)}`;
    const answer = await half('X-Request-Timeout-Ms: 50\r\nContent-Length: 20000\r\n', part);
    expect(answer).toMatch(LATE);
    expect(answer).toMatch(/^connection: close/im);
    expect(await held()).toBe(idle);
  });

  test('is so where the head of a binary body names it', async () => {
    const idle = await held();
    const inputs = [B('INPUT0', 'FP32', [1, 50_000], 200_000)];
    const document = JSON.stringify({ parameters: { timeout: 50_000 }, inputs });
    const lengths = `Inference-Header-Content-Length: ${document.length}\r\nContent-Length: ${document.length + 200_000}\r\n`;
    expect(await half(lengths, document + '\0'.repeat(1000))).toMatch(LATE);
    expect(await held()).toBe(idle);
  });
});

const QUEUE = 'penstock_queue_rows{model="slow",version="1"}';

async function gauge(name: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** Looks until `holds`; the test's own limit ends a wait for what never comes. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
