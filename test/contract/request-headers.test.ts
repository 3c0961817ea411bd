/** What the headers of a request do beside naming it: deadlines, traces, and doubles that must not be. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { I, post, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['slow8', 'id_fp32']);
});

afterAll(async () => {
  await server.stop();
});

const slow = (headers: Record<string, string>, parameters: object = {}): Promise<Reply> =>
  send(
    `${server.v2}/models/slow8/infer`,
    Buffer.from(JSON.stringify({ parameters, inputs: [I('INPUT0', 'FP32', [1], [3])] })),
    headers,
  );

describe('a deadline in a header', () => {
  test.each([
    ['X-Request-Timeout-Ms', '30'],
    ['x-envoy-expected-rq-timeout-ms', '30'],
    ['grpc-timeout', '30m'],
  ])('%s: %s is kept (E1)', async (name, value) => {
    const reply = await slow({ [name]: value });
    expect([reply.status, reply.headers.get('x-error-code')]).toEqual([504, 'DEADLINE_EXCEEDED']);
  });

  test('is the shorter of that and the parameter', async () => {
    expect((await slow({ 'X-Request-Timeout-Ms': '30' }, { timeout: 60_000_000 })).status).toBe(504);
    expect((await slow({ 'X-Request-Timeout-Ms': '60000' }, { timeout: 30_000 })).status).toBe(504);
  });

  test('is passed over where it is malformed', async () => {
    expect(
      (await slow({ 'X-Request-Timeout-Ms': 'soon', 'grpc-timeout': '1', 'x-envoy-expected-rq-timeout-ms': '-1' }))
        .status,
    ).toBe(200);
  });

  test('that is malformed takes nothing from a good one beside it', async () => {
    const malformed = { 'X-Request-Timeout-Ms': '1e3', 'grpc-timeout': '30' };
    expect((await slow({ ...malformed, 'x-envoy-expected-rq-timeout-ms': '30' })).status).toBe(504);
  });
});

describe('a trace', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const ask = (headers: Record<string, string>) =>
    send(
      `${server.v2}/models/id_fp32/infer`,
      Buffer.from(JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 1], [1])] })),
      headers,
    );

  test('E13 is continued in the answer, its state passed through, in an error as well', async () => {
    const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01`, tracestate: 'vendor=1' };
    for (const reply of [
      await ask(headers),
      await send(`${server.v2}/models/none/infer`, Buffer.from('{}'), headers),
    ]) {
      expect(reply.headers.get('traceparent')).toMatch(new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`));
      expect(reply.headers.get('tracestate')).toBe('vendor=1');
    }
  });

  test('E13 is begun anew where the one given is invalid, and left alone where none is', async () => {
    const invalid = await ask({ traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` });
    expect(invalid.status).toBe(200);
    expect(invalid.headers.get('traceparent')).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect((await ask({})).headers.get('traceparent')).toBeNull();
  });
});

describe('a header that came twice', () => {
  async function raw(lines: readonly string[], body: string): Promise<string> {
    const { hostname, port } = new URL(server.inferenceUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`POST /v2/models/id_fp32/infer HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
    let text = '';
    // It ends by itself: the server closes the connection with its answer.
    for await (const chunk of socket) text += chunk;
    return text;
  }
  const body = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 1], [1])] });
  const host = 'Host: 127.0.0.1';
  const length = `Content-Length: ${body.length}`;

  test.each([
    ['H2', 'content-length', [host, length, `Content-Length: ${body.length + 1}`]],
    ['H2', 'host', [host, 'Host: localhost', length]],
    ['an empty first', 'host', ['Host:', host, length]],
    [
      'another',
      'inference-header-content-length',
      [host, length, 'Inference-Header-Content-Length: 2', 'Inference-Header-Content-Length: 3'],
    ],
    ['H17', 'authorization', [host, length, 'Authorization: Bearer a', 'Authorization: Bearer b']],
  ] as const)('H2 H17 %s %s is refused, and the connection closed', async (_case, name, lines) => {
    const text = await raw(lines, body);
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(text).toMatch(/\r\nConnection: close\r\n/i);
    expect(text.endsWith(`{"error":"the header '${name}' came more than once"}`)).toBe(true);
    expect((await post(`${server.v2}/models/id_fp32/infer`, body)).status).toBe(200);
  });
});
