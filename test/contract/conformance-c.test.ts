import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, I, post, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';

let server: RunningGateway;
const SIXTEEN = Int32Array.from({ length: 16 }, (_, i) => i + 1);
const NUMERIC: Readonly<Record<string, readonly [string, number]>> = {
  bool: ['BOOL', 1],
  uint8: ['UINT8', 1],
  uint16: ['UINT16', 2],
  uint32: ['UINT32', 4],
  uint64: ['UINT64', 8],
  int8: ['INT8', 1],
  int16: ['INT16', 2],
  int32: ['INT32', 4],
  int64: ['INT64', 8],
  fp16: ['FP16', 2],
  fp32: ['FP32', 4],
  fp64: ['FP64', 8],
};
const BINARY = [{ name: 'OUTPUT0', parameters: { binary_data: true } }];

beforeAll(async () => {
  const identities = [...Object.keys(NUMERIC), 'bytes'].map((name) => `id_${name}`);
  server = await startGateway(['simple', 'pair', 'raw8', 'cls', 'negate', ...identities]);
});

afterAll(async () => {
  await server.stop();
});

const infer = (model: string, body: unknown, ...tail: Uint8Array[]): Promise<Reply> =>
  post(`${server.v2}/models/${model}/infer`, body, ...tail);
const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const binaryPair = [B('INPUT0', 'INT32', [1, 16], 64), B('INPUT1', 'INT32', [1, 16], 64)];

async function arenaBytes(): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return Number(/^penstock_arena_bytes (\d+)/m.exec(text)?.[1]);
}

function element(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

async function refused(reply: Promise<Reply>, ...words: string[]): Promise<void> {
  const { status, json, headers } = await reply;
  expect(json.error).toBeTypeOf('string');
  expect(status).toBe(400);
  expect(headers.get('content-type')).toBe('application/json');
  expect(headers.get('x-error-code')).toBe('INVALID_ARGUMENT');
  expect(Object.keys(json)).toEqual(['error']);
  expect((await fetch(`${server.v2}/health/live`)).status).toBe(200);
  for (const word of words) expect(json.error).toContain(word);
}

describe('the binary extension (conformance C)', () => {
  test('C1 the worked request', async () => {
    const head =
      '{"id":"7","inputs":[{"name":"A","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}},' +
      '{"name":"B","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":12}}],' +
      '"outputs":[{"name":"C","parameters":{"binary_data":true}}]}';
    const tail = Buffer.from('003c00c002000000686902000000c3a9', 'hex');
    expect([head.length, head.length + tail.length]).toEqual([240, 256]);
    const reply = await infer('pair', head, tail);
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('application/octet-stream');
    expect(reply.json).toEqual({
      id: '7',
      model_name: 'pair',
      model_version: '1',
      outputs: [{ name: 'C', datatype: 'FP16', shape: [2], parameters: { binary_data_size: 4 } }],
    });
    expect(reply.tail.toString('hex')).toBe('003c00c0');
    const length = Number(reply.headers.get('inference-header-content-length'));
    expect(Number(reply.headers.get('content-length'))).toBe(length + 4);
  });

  test.each(Object.entries(NUMERIC))('C2 id_%s gives its bytes back', async (name, [type, size]) => {
    const tail = Buffer.alloc(6 * size, 0);
    for (let i = 0; i < tail.length; i++) tail[i] = name === 'bool' ? i % 2 : (i * 7) % 120;
    const reply = await infer(
      `id_${name}`,
      { inputs: [B('INPUT0', type, [2, 3], tail.length)], outputs: BINARY },
      tail,
    );
    expect(reply.json.outputs[0].shape).toEqual([2, 3]);
    expect(reply.tail.equals(tail)).toBe(true);
  });

  test('a BOOL byte other than 0 is true, and 1 is what the model gets, in one piece and in many', async () => {
    for (const [width, body] of [
      [4, Uint8Array.of(0, 1, 2, 255)],
      [3_000_000, new Uint8Array(3_000_000).fill(2)],
    ] as const) {
      const reply = await infer('id_bool', { inputs: [B('INPUT0', 'BOOL', [1, width], width)], outputs: BINARY }, body);
      expect(reply.tail.equals(Buffer.from(body.map((byte) => Math.min(byte, 1))))).toBe(true);
    }
    const raw = await send(`${server.v2}/models/negate/infer`, Uint8Array.of(0, 2), {
      'Inference-Header-Content-Length': '0',
    });
    expect([...raw.tail]).toEqual([1, 0]);
  });

  test('C2 strings give their bytes back', async () => {
    const tail = Buffer.concat([element(''), element('héllo')]);
    const reply = await infer(
      'id_bytes',
      { inputs: [B('INPUT0', 'BYTES', [1, 2], tail.length)], outputs: BINARY },
      tail,
    );
    expect(reply.tail.equals(tail)).toBe(true);
  });

  test('C3 JSON and binary inputs mix, in either order', async () => {
    const json = I('INPUT1', 'INT32', [1, 16], [...SIXTEEN]);
    for (const inputs of [
      [binaryPair[0], json],
      [json, binaryPair[0]],
    ]) {
      const reply = await infer('simple', { inputs }, bytesOf(SIXTEEN));
      expect(reply.json.outputs[0].data).toEqual([...SIXTEEN].map((v) => 2 * v));
    }
    const swapped = await infer(
      'simple',
      { inputs: [binaryPair[1], binaryPair[0]] },
      bytesOf(SIXTEEN),
      bytesOf(new Int32Array(16)),
    );
    expect(swapped.json.outputs[1].data).toEqual([...SIXTEEN].map((v) => -v));
  });

  test('C4 C5 C6 each output in the form asked for', async () => {
    const ask = (extra: object) =>
      infer('simple', { inputs: binaryPair, ...extra }, bytesOf(SIXTEEN), bytesOf(SIXTEEN));
    const mixed = await ask({
      outputs: [
        { name: 'OUTPUT0', parameters: { binary_data: true } },
        { name: 'OUTPUT1', parameters: { binary_data: false } },
      ],
    });
    expect(mixed.json.outputs[0]).toMatchObject({ parameters: { binary_data_size: 64 } });
    expect(mixed.json.outputs[0]).not.toHaveProperty('data');
    expect(mixed.json.outputs[1]).not.toHaveProperty('parameters');
    expect(mixed.tail).toHaveLength(64);
    const all = await ask({ parameters: { binary_data_output: true } });
    expect(all.tail).toHaveLength(128);
    const none = await ask({
      parameters: { binary_data_output: true },
      outputs: [{ name: 'OUTPUT0', parameters: { binary_data: false } }, { name: 'OUTPUT1' }],
    });
    expect(none.headers.get('inference-header-content-length')).toBeNull();
    expect(none.json.outputs[1].data).toHaveLength(16);
  });

  test('C7 a head that is the whole body is pure JSON', async () => {
    const body = Buffer.from(JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 2], [1, 2])] }));
    const headers = { 'Inference-Header-Content-Length': String(body.length) };
    const reply = await send(`${server.v2}/models/id_fp32/infer`, body, headers);
    expect(reply.json.outputs[0].data).toEqual([1, 2]);
  });

  test('a binary head that looks like what is left of a JSON body is read for itself', async () => {
    const json = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 2], [1, 2])] });
    expect((await infer('id_fp32', json)).status).toBe(200);
    const lookalike = Buffer.from(json.replace('[1,2]}', '[]}'));
    const headers = { 'Inference-Header-Content-Length': String(lookalike.length) };
    await refused(send(`${server.v2}/models/id_fp32/infer`, lookalike, headers), '2', '0');
  });

  test('a large JSON head before a binary tail is lifted apart', async () => {
    const n = 100_000;
    const data = Array.from({ length: n }, (_, i) => i);
    const inputs = [I('INPUT0', 'FP32', [1, n], data)];
    const body = Buffer.from(JSON.stringify({ inputs, outputs: BINARY }));
    const headers = { 'Inference-Header-Content-Length': String(body.length) };
    const reply = await send(`${server.v2}/models/id_fp32/infer`, body, headers);
    expect(reply.tail.equals(Buffer.from(bytesOf(Float32Array.from(data))))).toBe(true);
    const surplus = await send(`${server.v2}/models/id_fp32/infer`, Buffer.concat([body, Buffer.alloc(1)]), headers);
    expect(surplus.status).toBe(400);
  });

  test('C8 impossible head lengths are refused', async () => {
    const body = Buffer.from('{}');
    for (const length of ['3', '-1', 'abc', '99999999999', '1e3']) {
      const headers = { 'Inference-Header-Content-Length': length };
      await refused(send(`${server.v2}/models/id_fp32/infer`, body, headers), 'Inference-Header-Content-Length');
    }
  });

  test('C9 C10 sizes must agree with the body and with the shape', async () => {
    const one = { inputs: [B('INPUT0', 'FP32', [1, 4], 16)] };
    await refused(infer('id_fp32', one, Buffer.alloc(15)), '16', '15');
    await refused(infer('id_fp32', one, Buffer.alloc(17)), '1 bytes more');
    await refused(
      infer('id_fp32', { inputs: [B('INPUT0', 'FP32', [1, 4], 12)] }, Buffer.alloc(12)),
      'byte size',
      '16',
      '12',
    );
    for (const size of [-1, 2 ** 31, 2 ** 53, 1.5, '16']) {
      await refused(infer('id_fp32', { inputs: [B('INPUT0', 'FP32', [1, 4], size as number)] }, Buffer.alloc(16)));
    }
  });

  test('a missing binary_data_size is read from the shape', async () => {
    const input = { name: 'INPUT0', datatype: 'FP32', shape: [1, 2] };
    const reply = await infer('id_fp32', { inputs: [input] }, bytesOf(Float32Array.of(1.5, 2)));
    expect(reply.json.outputs[0].data).toEqual([1.5, 2]);
  });

  test('C13 broken BYTES framing is refused', async () => {
    const ask = (count: number, tail: Buffer) =>
      infer('id_bytes', { inputs: [B('INPUT0', 'BYTES', [1, count], tail.length)] }, tail);
    const overlong = element('abc');
    overlong.writeUInt32LE(99);
    await refused(ask(1, overlong), 'INPUT0', 'element 0');
    await refused(ask(2, element('abc')), 'INPUT0');
    await refused(ask(1, Buffer.concat([element('a'), element('b')])), 'left over');
    await refused(ask(1, element(Uint8Array.of(0xc3, 0x28))), 'UTF-8');
    await refused(ask(2, Buffer.concat([element('a'), element('b\0')])), 'INPUT0', 'element 1', 'NUL');
  });

  test('C15 C16 a raw body needs one input with one free dimension', async () => {
    const eight = bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const headers = { 'Inference-Header-Content-Length': '0' };
    const reply = await send(`${server.v2}/models/raw8/infer`, eight, headers);
    expect(reply.json.outputs[0]).toMatchObject({ shape: [1, 8], parameters: { binary_data_size: 32 } });
    expect(reply.tail.equals(Buffer.from(eight))).toBe(true);
    await refused(send(`${server.v2}/models/simple/infer`, eight, headers));
    await refused(send(`${server.v2}/models/id_fp32/infer`, eight, headers));
    await refused(send(`${server.v2}/models/raw8/infer`, eight.subarray(4), headers), '32');
  });

  test('C21 classification names the largest with their labels', async () => {
    const input = I('INPUT0', 'FP32', [2, 4], [0.1, 0.7, 0.2, 0, 5, -1, 9, 9]);
    const ask = (binary: boolean) =>
      infer('cls', {
        inputs: [input],
        outputs: [{ name: 'OUTPUT0', parameters: { classification: 2, binary_data: binary } }],
      });
    const expected = ['0.7:1:b', '0.2:2:c', '9:2:c', '9:3:d'];
    const json = await ask(false);
    expect(json.json.outputs[0]).toEqual({ name: 'OUTPUT0', datatype: 'BYTES', shape: [2, 2], data: expected });
    const binary = await ask(true);
    expect(binary.tail.equals(Buffer.concat(expected.map(element)))).toBe(true);
  });

  test('FP64 behind a head of odd length keeps its values', async () => {
    const values = Float64Array.of(Math.PI, -0, 1e-300);
    const head = JSON.stringify({ inputs: [B('INPUT0', 'FP64', [1, 3], 24)], outputs: BINARY });
    for (const padded of [head, `${head} `, `${head}  `]) {
      const reply = await infer('id_fp64', padded, bytesOf(values));
      expect(reply.tail.equals(Buffer.from(bytesOf(values)))).toBe(true);
    }
  });

  test('C23 a 50 MiB body comes in pieces and goes back whole, and its place in the arena is given back', async () => {
    const count = (50 * 1024 * 1024) / 4;
    const tail = new Float32Array(count);
    for (let i = 0; i < count; i += 1000) tail[i] = i;
    const before = await arenaBytes();
    const reply = await infer(
      'id_fp32',
      { inputs: [B('INPUT0', 'FP32', [1, count], 4 * count)], outputs: BINARY },
      bytesOf(tail),
    );
    expect(reply.status).toBe(200);
    expect(reply.tail.equals(Buffer.from(bytesOf(tail)))).toBe(true);
    expect(await arenaBytes()).toBe(before);
  }, 60_000);

  test('chunked bodies, in one chunk and byte by byte', async () => {
    const body = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 2], [1, 2])] });
    for (const size of [body.length, 1]) {
      const status = await new Promise<number>((resolve, reject) => {
        const outgoing = request(`${server.v2}/models/id_fp32/infer`, { method: 'POST' }, (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? 0));
        });
        outgoing.on('error', reject);
        for (let i = 0; i < body.length; i += size) outgoing.write(body.slice(i, i + size));
        outgoing.end();
      });
      expect(status).toBe(200);
    }
  });
});
