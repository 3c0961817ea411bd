/** Conformance section D: transport. Raw sockets where a client library would hide what is tested. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { B, I, type RunningGateway, send, startGateway } from '../support/gateway.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

let server: RunningGateway;
let small: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['simple', 'id_fp32', 'id_bytes']);
  small = await startGateway(['id_fp32'], ['--limits-body-bytes', '100000', '--limits-gather-bytes', '150000']);
});

afterAll(async () => {
  await server.stop();
  await small.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A request whose answer is not unpacked on the way. */
function ask(
  url: string,
  method: string,
  headers: Record<string, string>,
  body?: Uint8Array,
  agent?: Agent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, headers, agent: agent ?? false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const infer = (model: string, on = server) => `${on.v2}/models/${model}/infer`;
const numbers = (count: number) => I('INPUT0', 'FP32', [1, count], new Array(count).fill(0.5));

function binaryRequest(): { head: Buffer; body: Buffer } {
  const head = Buffer.from(JSON.stringify({ inputs: [B('INPUT0', 'FP32', [1, 2], 8)] }));
  return { head, body: Buffer.concat([head, Buffer.from(Float32Array.of(1, 2).buffer)]) };
}

describe('packed request bodies', () => {
  async function inflated(coding: string, pack: (body: Uint8Array) => Buffer): Promise<void> {
    const { head, body } = binaryRequest();
    const headers = { 'Content-Encoding': coding, 'Inference-Header-Content-Length': String(head.length) };
    const reply = await send(infer('id_fp32'), pack(body), headers);
    expect(reply.status).toBe(200);
    expect(reply.json.outputs[0].data).toEqual([1, 2]);
  }

  test('D1 gzip with a binary tail, the head length being that of the inflated body', async () => {
    for (const coding of ['gzip', 'x-gzip', ' Identity , GZIP ']) await inflated(coding, gzipSync);
  });

  test('D2 deflate, with its zlib header and without', async () => {
    for (const pack of [deflateSync, deflateRawSync]) await inflated('deflate', pack);
  });

  test('D3 another coding is refused, and the ones we have are named', async () => {
    for (const coding of ['br', 'gzip, gzip', 'zstd']) {
      const reply = await send(infer('id_fp32'), Buffer.from('x'), { 'Content-Encoding': coding });
      expect([reply.status, reply.headers.get('accept-encoding')]).toEqual([415, 'gzip, deflate']);
    }
  });

  test('D4 damaged or truncated data are refused', async () => {
    const whole = gzipSync(binaryRequest().body);
    const damaged = Buffer.concat([whole.subarray(0, 10), Buffer.alloc(40, 0xff)]);
    for (const body of [damaged, whole.subarray(0, whole.length - 9), Buffer.alloc(0), Buffer.from('{"inputs":[]}')]) {
      const reply = await send(infer('id_fp32'), body, { 'Content-Encoding': 'gzip' });
      expect([reply.status, reply.json]).toEqual([400, { error: 'the body is not valid gzip data' }]);
    }
  });

  test('D4 a bomb ends at the body limit, and others are served meanwhile', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const replies = await Promise.all([
      send(infer('id_fp32', small), bomb, { 'Content-Encoding': 'gzip' }),
      send(infer('id_fp32', small), Buffer.from(JSON.stringify({ inputs: [numbers(2)] }))),
    ]);
    expect(replies.map((reply) => reply.status)).toEqual([413, 200]);
  });

  test('many at once share a bound: who comes too late is told when to come again', async () => {
    const body = gzipSync(JSON.stringify({ inputs: [numbers(20_000)] }));
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => send(infer('id_fp32', small), body, { 'Content-Encoding': 'gzip' })),
    );
    const statuses = replies.map((reply) => reply.status);
    expect(statuses).toContain(503);
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true);
    expect(replies.find((reply) => reply.status === 503)?.headers.get('retry-after')).toBe('1');
    // Everything was given back.
    expect((await send(infer('id_fp32', small), body, { 'Content-Encoding': 'gzip' })).status).toBe(200);
  });
});

describe('packed answers', () => {
  const body = Buffer.from(JSON.stringify({ inputs: [numbers(4_000)] }));

  test.each([
    ['gzip', 'gzip', gunzipSync],
    ['deflate', 'deflate', inflateSync],
    ['br, deflate;q=0.5, gzip;q=0.8, *', 'gzip', gunzipSync],
    ['deflate, gzip', 'deflate', inflateSync],
  ] as const)('D6 Accept-Encoding %s gives %s', async (accept, coding, unpack) => {
    const plain = await ask(infer('id_fp32'), 'POST', {}, body);
    const packed = await ask(infer('id_fp32'), 'POST', { 'Accept-Encoding': accept }, body);
    expect([packed.status, packed.headers['content-encoding']]).toEqual([200, coding]);
    expect(packed.headers['inference-header-content-length']).toBeUndefined();
    expect(packed.body.length).toBeLessThan(plain.body.length / 4);
    expect(unpack(packed.body).equals(plain.body)).toBe(true);
  });

  test('D6 short and binary answers are left alone, and so are those for who does not ask', async () => {
    const short = Buffer.from(JSON.stringify({ inputs: [numbers(2)] }));
    const binary = Buffer.from(JSON.stringify({ inputs: [numbers(4_000)], parameters: { binary_data_output: true } }));
    const accept = { 'Accept-Encoding': 'gzip, deflate' };
    const replies = [
      await ask(infer('id_fp32'), 'POST', accept, short),
      await ask(infer('id_fp32'), 'POST', accept, binary),
      await ask(infer('id_fp32'), 'POST', { 'Accept-Encoding': 'gzip;q=0, br, *' }, body),
    ];
    for (const reply of replies) expect([reply.status, reply.headers['content-encoding']]).toEqual([200, undefined]);
  });

  test('D7 nothing but a good inference answer is ever packed', async () => {
    const accept = { 'Accept-Encoding': 'gzip, deflate' };
    const { v2 } = server;
    const long = Buffer.from(JSON.stringify({ inputs: [{ name: 'x'.repeat(3_000) }] }));
    const replies = [
      await ask(v2, 'GET', accept),
      await ask(`${v2}/models/simple`, 'GET', accept),
      await ask(`${v2}/models/simple/config`, 'GET', accept),
      await ask(`${v2}/models/stats`, 'GET', accept),
      await ask(`${v2}/models/simple/stats`, 'GET', accept),
      await ask(`${v2}/openapi.json`, 'GET', accept),
      await ask(`${v2}/repository/index`, 'POST', accept),
      await ask(infer('simple'), 'POST', accept, long),
    ];
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 200, 200, 200, 200, 400]);
    for (const { headers } of replies) expect(headers['content-encoding']).toBeUndefined();
  });
});

/** Writes raw pieces; resolves with everything that came back once `done` says so. */
async function raw(pieces: readonly (string | Buffer)[], done: (text: string) => boolean): Promise<string> {
  const { hostname, port } = new URL(server.inferenceUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.setNoDelay(true);
  let text = '';
  for (const piece of pieces) socket.write(piece);
  for await (const chunk of socket) {
    text += chunk;
    if (done(text)) break;
  }
  return text;
}

const ended = (text: string) => text.endsWith('}');

describe('framing', () => {
  const document = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 400], new Array(400).fill(0.25))] });
  const head = 'POST /v2/models/id_fp32/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n';

  test('D9 a chunked body in one chunk, and in two thousand of one byte', async () => {
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
    const one = `${document.length.toString(16)}\r\n${document}\r\n0\r\n\r\n`;
    const padded = document.padEnd(2_000);
    const many = [...padded].map((byte) => `1\r\n${byte}\r\n`).join('');
    for (const body of [one, `${many}0\r\n\r\n`]) {
      const text = await raw([chunked, body], ended);
      expect(text.split('\r\n', 1)[0]).toBe('HTTP/1.1 200 OK');
    }
  });

  test('D10 Expect: 100-continue is answered at once, and then the request', async () => {
    const body = JSON.stringify({ inputs: [numbers(525_000)] });
    expect(body.length).toBeGreaterThan(2 * 1024 * 1024);
    const { hostname, port } = new URL(server.inferenceUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
    const [interim] = (await once(socket, 'data')) as [Buffer];
    expect(interim.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(body);
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString().split('\r\n', 1)[0]).toBe('HTTP/1.1 200 OK');
    socket.destroy();
  });

  test('D11 an index request with neither length nor body', async () => {
    const text = await raw(['POST /v2/repository/index HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'], (t) => t.endsWith(']'));
    const documents = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { name: string }[];
    expect(documents.map(({ name }) => name)).toContain('simple');
  });

  test('D12 five hundred requests on one connection, fifteen idle seconds, and one more', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const body = Buffer.from(JSON.stringify({ inputs: [numbers(2)] }));
    for (let i = 0; i < 500; i++) {
      expect((await ask(infer('id_fp32'), 'POST', {}, body, agent)).status).toBe(200);
    }
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    // The idle connection was closed cleanly: a client that keeps connections opens another one.
    expect((await ask(infer('id_fp32'), 'POST', {}, body, agent)).status).toBe(200);
    agent.destroy();
  }, 40_000);

  test('D17 a header block of twelve kibibytes is taken', async () => {
    // uWebSockets.js takes its limit from the environment of the process, before it is loaded.
    const models = await mkdtemp(join(tmpdir(), 'penstock-d17-'));
    await writeFixtures(models, ['id_fp32']);
    const served = await serveProcess(models, '--workers', '1');
    await untilReady(served.url);
    const headers = { Authorization: `Bearer ${'x'.repeat(12 * 1024)}` };
    const body = Buffer.from(JSON.stringify({ inputs: [numbers(2)] }));
    expect((await ask(`${served.url}/v2/models/id_fp32/infer`, 'POST', headers, body)).status).toBe(200);
    served.child.kill('SIGTERM');
    expect((await served.ended).code).toBe(0);
    await rm(models, { recursive: true });
  });
});
