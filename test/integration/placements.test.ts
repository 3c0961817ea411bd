import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, get, I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

const MODELS = ['simple', 'id_bytes', 'pair', 'big', 'ragged', 'cls', 'v2', 'picky', 'nonfinite'];

describe.each(['inline', 'worker'] as const)('a model that runs %s', (placement) => {
  let server: RunningGateway;

  beforeAll(async () => {
    server = await startGateway(MODELS, [], { placement });
  });

  afterAll(() => server.stop());

  const infer = (model: string, body: unknown, ...tail: Uint8Array[]): Promise<Reply> =>
    post(`${server.v2}/models/${model}/infer`, body, ...tail);
  const sums = (k: number) => {
    const row = new Array(16).fill(k);
    return infer('simple', {
      id: `r${k}`,
      inputs: [I('INPUT0', 'INT32', [1, 16], row), I('INPUT1', 'INT32', [1, 16], row)],
    });
  };

  test('says so in its config', async () => {
    for (const model of MODELS) {
      const { json } = await get(`${server.v2}/models/${model}/config`);
      expect(json.parameters.placement.string_value).toBe(placement);
      expect(json.parameters.measured_us.string_value).toMatch(/^\d+$/);
    }
  });

  test.runIf(process.platform === 'linux')('has workers beside it that give way to the front thread', async () => {
    await sums(1);
    const nice = (task: string) => getPriority(Number(task));
    const nicer = readdirSync('/proc/self/task').filter((task) => nice(task) === getPriority(process.pid) + 5);
    expect(nicer.length).toBeGreaterThan(0);
  });

  test('takes strings and gives them back, also none', async () => {
    for (const strings of [['', 'héllo', '日本', 'x'.repeat(100_000)], []]) {
      const { json } = await infer('id_bytes', { inputs: [I('INPUT0', 'BYTES', [1, strings.length], strings)] });
      expect(json.outputs[0]).toMatchObject({ datatype: 'BYTES', shape: [1, strings.length], data: strings });
    }
  });

  test('takes inputs of two kinds and lengths', async () => {
    const strings = Buffer.from('020000006869', 'hex');
    const inputs = [B('A', 'FP16', [2], 4), B('B', 'BYTES', [1], 6)];
    const reply = await infer(
      'pair',
      { inputs, parameters: { binary_data_output: true } },
      Buffer.from('003c00c0', 'hex'),
      strings,
    );
    expect(reply.json.outputs.map((o: { name: string }) => o.name)).toEqual(['C', 'D']);
    expect(reply.tail.toString('hex')).toBe('003c00c0020000006869');
  });

  test('gives outputs whose size the data decide, empty ones too', async () => {
    for (const n of [3, 0, 200]) {
      const { json } = await infer('big', { inputs: [I('INPUT0', 'INT64', [1], [n])] });
      expect(json.outputs[0]).toEqual({
        name: 'OUTPUT0',
        datatype: 'FP32',
        shape: [n, n],
        data: new Array(n * n).fill(0),
      });
    }
  });

  test('answers empty batches', async () => {
    const { status, json } = await infer('v2', { inputs: [I('INPUT0', 'FP32', [0, 4], [])] });
    expect([status, json.outputs[0].shape, json.outputs[0].data]).toEqual([200, [0, 4], []]);
  });

  test('gives each of many its own rows, with refused ones among them', async () => {
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, k) => (k % 7 === 3 ? infer('simple', '{"inputs":[{}]}') : sums(k))),
    );
    replies.forEach(({ status, json }, k) => {
      if (k % 7 === 3) expect([status, typeof json.error]).toEqual([400, 'string']);
      else
        expect([status, json.id, json.outputs[0].data[7], json.outputs[1].data[7]]).toEqual([200, `r${k}`, 2 * k, 0]);
    });
  });

  test('gives each of many shapes its own sums', async () => {
    const widths = Array.from({ length: 60 }, (_, i) => 1 + (i % 5));
    const replies = await Promise.all(
      widths.map((w, i) => infer('ragged', { inputs: [I('INPUT0', 'FP32', [1, w], new Array(w).fill(i))] })),
    );
    expect(replies.map(({ json }) => json.outputs[0].data[0])).toEqual(widths.map((w, i) => w * i));
  });

  test('fails only the guilty one of a batch', async () => {
    const pick = (index: number) => infer('picky', { inputs: [I('INPUT0', 'INT64', [1, 1], [index])] });
    const replies = await Promise.all([0, 99, 1, 2, 98, 3].map(pick));
    expect(replies.map((r) => r.status)).toEqual([200, 500, 200, 200, 500, 200]);
  });

  test('classifies with labels', async () => {
    const outputs = [{ name: 'OUTPUT0', parameters: { classification: 1 } }];
    const { json } = await infer('cls', { inputs: [I('INPUT0', 'FP32', [1, 4], [0, 3, 2, 1])], outputs });
    expect(json.outputs[0].data).toEqual(['3:1:b']);
  });
});
