import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

/** What `npm run fuzz -- http` found once: each finding stays a test. */
describe('found by fuzzing', () => {
  let server: RunningGateway;

  beforeAll(async () => {
    server = await startGateway(['id_int16', 'id_uint8', 'id_bytes'], ['--limits-arena-bytes', '1048576']);
  });

  afterAll(() => server.stop());

  const infer = (model: string, input: unknown, tail = Buffer.alloc(0)): Promise<Reply> =>
    post(`${server.v2}/models/${model}/infer`, { inputs: [input] }, tail);
  const arenaBytes = async () => {
    const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
    return Number(/^penstock_arena_bytes (\d+)$/m.exec(text)?.[1]);
  };

  // ONNX Runtime multiplies all dimensions, and models make outputs from them: no elements is no excuse.
  test.each([
    ['id_int16', 'INT16', [0, 9007199254740991]],
    ['id_int16', 'INT16', [9007199254740991, 0]],
    ['id_uint8', 'UINT8', [0, 2 ** 31]],
    ['id_bytes', 'BYTES', [0, 2 ** 40]],
  ])('%s with no elements in a dimension beyond all memory is refused, not run: %s %j', async (model, type, shape) => {
    const reply = await infer(model, I('INPUT0', type, shape, []));
    expect([reply.status, reply.json.error]).toEqual([400, expect.stringContaining('INPUT0')]);
    expect(reply.headers.get('x-error-code')).toBe('INVALID_ARGUMENT');
  });

  test('a shape without elements still runs', async () => {
    expect((await infer('id_int16', I('INPUT0', 'INT16', [0, 1000], []))).json.outputs[0].shape).toEqual([0, 1000]);
  });

  // 503 would tell the client to try again for ever.
  test('a shape that its binary data does not fill is the caller’s mistake, whatever memory it would take', async () => {
    const reply = await infer('id_uint8', B('INPUT0', 'UINT8', [2, 1_000_000], 2_000_000), Buffer.alloc(10));
    expect([reply.status, reply.headers.get('x-error-code')]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(reply.json.error).toBe('the binary data of the inputs are 2000000 bytes, found 10');
  });

  test('a head that claims more than the body holds takes no memory while the body is coming', async () => {
    const before = await arenaBytes();
    const head = JSON.stringify({ inputs: [B('INPUT0', 'UINT8', [1, 500_000], 500_000)] });
    const { hostname, port } = new URL(server.inferenceUrl);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v2/models/id_uint8/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${head.length + 10}\r\n` +
        `Inference-Header-Content-Length: ${head.length}\r\n\r\n${head}12345`,
    );
    const [answer] = await once(socket, 'data');
    expect(answer.toString()).toContain('the binary data of the inputs are 500000 bytes, found 10');
    expect(await arenaBytes()).toBe(before);
    socket.resetAndDestroy();
  });
});
