import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['id_fp32']);
});

afterAll(async () => {
  await server.stop();
});

const INPUT = I('INPUT0', 'FP32', [1, 2], [1, 2]);
const ask = (request: object, ...tail: Uint8Array[]): Promise<Reply> =>
  post(`${server.v2}/models/id_fp32/infer`, { inputs: [INPUT], ...request }, ...tail);

describe('request parameters', () => {
  test.each<[object]>([
    [{ priority: 0 }],
    [{ priority: 1 }],
    [{ priority: 4_294_967_295, timeout: 60_000_000 }],
    [{ timeout: 0 }],
    [{ timeout: null }],
    [{ sequence_id: 0, sequence_start: false, sequence_end: true }],
    [{ sequence_id: '' }],
    [{ sequence_id: null, priority: null, sequence_start: null, binary_data_output: null }],
    [{ binary_data_output: false }],
    [{ headers: 'x', mine: 1.5, 'not.triton_x': true, Triton_x: 1, constructor: 'a', __proto__x: 1 }],
  ])('%j are taken', async (parameters) => {
    const reply = await ask({ parameters });
    expect([reply.status, reply.json.outputs?.[0].data]).toEqual([200, [1, 2]]);
    // What is not known of a parameter is not told either: a Java client knows no further members.
    expect(Object.keys(reply.json)).toEqual(['model_name', 'model_version', 'outputs']);
  });

  test.each([
    ['priority', { priority: -1 }],
    ['priority', { priority: 1.5 }],
    ['priority', { priority: '1' }],
    ['priority', { priority: true }],
    ['timeout', { timeout: -1 }],
    ['timeout', { timeout: 1.5 }],
    ['timeout', { timeout: '5' }],
    ['timeout', { timeout: true }],
    ['timeout', { timeout: 2 ** 53 }],
    ['timeout', { timeout: 1e300 }],
    ['sequence_id', { sequence_id: 1 }],
    ['sequence_id', { sequence_id: 'a', sequence_start: true }],
    ['sequence_id', { sequence_id: -1 }],
    ['sequence_id', { sequence_id: false }],
    ['sequence_start', { sequence_start: true }],
    ['sequence_start', { sequence_id: 0, sequence_start: true }],
    ['sequence_start', { sequence_start: 1 }],
    ['sequence_end', { sequence_end: 'yes' }],
    ['binary_data_output', { binary_data_output: 1 }],
    ['binary_data_output', { binary_data_output: 'true' }],
    ['headers', { headers: { a: 'b' } }],
    ['triton_enable_empty_final_response', { triton_enable_empty_final_response: true }],
    ['triton_', { triton_: null }],
  ])('%s: refused in %j, by name', async (name, parameters) => {
    const reply = await ask({ parameters });
    expect([reply.status, reply.headers.get('x-error-code')]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(reply.json.error).toContain(name);
  });

  test('a refused parameter is refused again when its head has been seen', async () => {
    for (let i = 0; i < 3; i++) expect((await ask({ parameters: { sequence_id: 7 } })).status).toBe(400);
  });

  test('shared memory is refused as what is not offered, and as a contradiction beside data', async () => {
    const region = { shared_memory_region: 'r', shared_memory_byte_size: 8 };
    const bare = { name: 'INPUT0', datatype: 'FP32', shape: [1, 2], parameters: region };
    const sized = { ...B('INPUT0', 'FP32', [1, 2], 8), parameters: { ...region, binary_data_size: 8 } };
    const replies = [
      await ask({ inputs: [bare] }),
      await ask({ outputs: [{ name: 'OUTPUT0', parameters: region }] }),
      await ask({ inputs: [{ ...bare, data: [1, 2] }] }),
      await ask({ inputs: [sized] }, new Uint8Array(8)),
    ];
    expect(replies.map(({ status }) => status)).toEqual([501, 501, 400, 400]);
    expect(replies[0]?.headers.get('x-error-code')).toBe('NOT_IMPLEMENTED');
    expect(replies[0]?.json.error).toContain('INPUT0');
  });
});
