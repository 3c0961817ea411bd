import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

let server: RunningGateway;
const SIXTEEN = Array.from({ length: 16 }, (_, i) => i + 1);
const PAIR = [I('INPUT0', 'INT32', [1, 16], SIXTEEN), I('INPUT1', 'INT32', [1, 16], SIXTEEN)];

/** Extremes of each datatype that has a JSON form, as JSON texts. */
const EXTREMES: Readonly<Record<string, readonly [string, string]>> = {
  bool: ['BOOL', 'false,true,true'],
  uint8: ['UINT8', '0,255,1'],
  uint16: ['UINT16', '0,65535,1'],
  uint32: ['UINT32', '0,4294967295,1'],
  uint64: ['UINT64', '0,18446744073709551615,9007199254740993'],
  int8: ['INT8', '-128,127,0'],
  int16: ['INT16', '-32768,32767,0'],
  int32: ['INT32', '-2147483648,2147483647,0'],
  int64: ['INT64', '-9223372036854775808,9223372036854775807,-9007199254740993'],
  fp32: ['FP32', '-3.4028235e+38,3.4028235e+38,0'],
  fp64: ['FP64', '-1.7976931348623157e+308,5e-324,0'],
};

beforeAll(async () => {
  const identities = [...Object.keys(EXTREMES), 'bytes', 'fp16'].map((name) => `id_${name}`);
  server = await startGateway(['simple', 'nonfinite', 'ragged', 'cls', ...identities]);
});

afterAll(async () => {
  await server.stop();
});

const infer = (model: string, body: unknown): Promise<Reply> => post(`${server.v2}/models/${model}/infer`, body);
const simple = (body: unknown): Promise<Reply> => infer('simple', body);

/** The same text for the same number, however it is written. */
async function raw(model: string, body: string): Promise<string> {
  const response = await fetch(`${server.v2}/models/${model}/infer`, { method: 'POST', body });
  return await response.text();
}

async function refused(model: string, body: unknown, ...words: string[]): Promise<void> {
  const reply = await infer(model, body);
  expect(reply.json.error, JSON.stringify(body)?.slice(0, 100)).toBeTypeOf('string');
  expect(reply.status).toBe(400);
  expect(reply.headers.get('content-type')).toBe('application/json');
  expect(reply.headers.get('x-error-code')).toBe('INVALID_ARGUMENT');
  expect(Object.keys(reply.json)).toEqual(['error']);
  for (const word of words) expect(reply.json.error).toContain(word);
  expect((await simple({ inputs: PAIR })).status).toBe(200);
}

describe('JSON inference (conformance B)', () => {
  test('B1 sums and differences, flat, without parameters', async () => {
    const { status, headers, json } = await simple({ inputs: PAIR });
    expect(status).toBe(200);
    expect(headers.get('inference-header-content-length')).toBeNull();
    expect(headers.get('content-type')).toBe('application/json');
    expect(json).toEqual({
      model_name: 'simple',
      model_version: '1',
      outputs: [
        { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], data: SIXTEEN.map((v) => 2 * v) },
        { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], data: SIXTEEN.map(() => 0) },
      ],
    });
  });

  test('B2 B3 an id comes back, an empty or absent one does not', async () => {
    expect((await simple({ id: '42', inputs: PAIR })).json.id).toBe('42');
    expect((await simple({ id: 'a"\\\u00e9\n', inputs: PAIR })).json.id).toBe('a"\\\u00e9\n');
    for (const body of [{ id: '', inputs: PAIR }, { inputs: PAIR }]) {
      expect((await simple(body)).json).not.toHaveProperty('id');
    }
  });

  test('B4 nested data are the same as flat', async () => {
    const nested = [I('INPUT0', 'INT32', [1, 16], [SIXTEEN]), I('INPUT1', 'INT32', [1, 16], [[SIXTEEN]].flat())];
    expect((await simple({ inputs: nested })).json).toEqual((await simple({ inputs: PAIR })).json);
  });

  test('B5 B6 B7 outputs are those asked for, in that order; none asked is all', async () => {
    const names = async (outputs: unknown) =>
      (await simple({ inputs: PAIR, outputs })).json.outputs.map((o: { name: string }) => o.name);
    expect(await names([{ name: 'OUTPUT1' }])).toEqual(['OUTPUT1']);
    expect(await names([{ name: 'OUTPUT1' }, { name: 'OUTPUT0' }])).toEqual(['OUTPUT1', 'OUTPUT0']);
    expect(await names([])).toEqual(['OUTPUT0', 'OUTPUT1']);
    expect(await names(null)).toEqual(['OUTPUT0', 'OUTPUT1']);
  });

  test('B8 B9 nulls are absent, unknown members are ignored', async () => {
    const inputs = PAIR.map((input) => ({ ...input, parameters: null }));
    expect((await simple({ id: null, parameters: null, outputs: null, inputs })).status).toBe(200);
    expect((await simple({ model_name: 'other', foo: [{ a: 1 }], inputs: PAIR })).status).toBe(200);
  });

  test('B10 the Content-Type does not matter', async () => {
    const body = JSON.stringify({ inputs: PAIR });
    for (const type of ['application/octet-stream', 'application/x-www-form-urlencoded', '']) {
      const headers: Record<string, string> = type === '' ? {} : { 'Content-Type': type };
      const reply = await fetch(`${server.v2}/models/simple/infer`, {
        method: 'POST',
        body: Buffer.from(body),
        headers,
      });
      expect(reply.status).toBe(200);
    }
  });

  test.each(Object.entries(EXTREMES))('B11 id_%s keeps its extremes exactly', async (name, [type, values]) => {
    const body = `{"inputs":[{"name":"INPUT0","shape":[1,3],"datatype":"${type}","data":[${values}]}]}`;
    expect(await raw(`id_${name}`, body)).toContain(`"data":[${values}]`);
  });

  test('B13 strings come back as they were', async () => {
    const strings = ['', 'a', 'héllo', '日本', 'q"\\\n'];
    const { json } = await infer('id_bytes', { inputs: [I('INPUT0', 'BYTES', [1, 5], strings)] });
    expect(json.outputs[0].data).toEqual(strings);
  });

  test('a string for ONNX with a NUL is refused', async () => {
    await refused('id_bytes', { inputs: [I('INPUT0', 'BYTES', [1, 1], ['a\u0000b'])] }, 'INPUT0', 'NUL');
  });

  test('base64 strings are decoded where the caller says so', async () => {
    const input = { ...I('INPUT0', 'BYTES', [1, 1], ['aMOpbGxv']), parameters: { content_type: 'base64' } };
    expect((await infer('id_bytes', { inputs: [input] })).json.outputs[0].data).toEqual(['héllo']);
    await refused('id_bytes', { inputs: [{ ...input, data: ['?'] }] }, 'base64');
  });

  test('B14 FP16 has no JSON form', async () => {
    await refused('id_fp16', { inputs: [I('INPUT0', 'FP16', [1, 1], [1])] }, 'binary');
  });

  test('B16 B18 bare non-finite numbers go in, null comes out', async () => {
    const body = '{"inputs":[{"name":"INPUT0","shape":[1,4],"datatype":"FP32","data":[1.0,NaN,-Infinity,null]}]}';
    expect(await raw('id_fp32', body)).toContain('"data":[1,null,null,null]');
    const binary = await infer('id_fp32', body.replace(/\}$/, ',"parameters":{"binary_data_output":true}}'));
    const floats = new Float32Array(new Uint8Array(binary.tail).buffer);
    expect([...floats]).toEqual([1, Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN]);
    const { json } = await infer('nonfinite', { inputs: [I('INPUT0', 'FP32', [1], [1])] });
    expect(json.outputs[0].data).toEqual([null, null, null]);
  });

  test('B19 B20 the number of elements and the shape must agree', async () => {
    for (const data of [SIXTEEN.slice(1), [...SIXTEEN, 17]]) {
      await refused(
        'simple',
        { inputs: [I('INPUT0', 'INT32', [1, 16], data), PAIR[1]] },
        'INPUT0',
        '16',
        String(data.length),
      );
    }
    await refused('simple', { inputs: [I('INPUT0', 'INT32', [2, -5], []), PAIR[1]] }, 'INPUT0');
    await refused('simple', { inputs: [I('INPUT0', 'INT32', [1, 15], []), PAIR[1]] }, '[-1,16]', '[1,15]');
  });

  test('B22 B23 the datatype must be the model’s, in its spelling', async () => {
    await refused('simple', { inputs: [I('INPUT0', 'FP32', [1, 16], SIXTEEN), PAIR[1]] }, 'INT32', 'FP32');
    for (const type of ['FLOAT', 'int32']) {
      await refused('simple', { inputs: [I('INPUT0', type, [1, 16], SIXTEEN), PAIR[1]] }, type);
    }
  });

  test('B24 B25 inputs and outputs are named exactly once', async () => {
    await refused('simple', { inputs: [PAIR[0]] }, 'INPUT1');
    await refused('simple', { inputs: [...PAIR, I('FOO', 'INT32', [1], [1])] }, 'FOO');
    await refused('simple', { inputs: [...PAIR, PAIR[0]] }, 'INPUT0');
    await refused('simple', { inputs: PAIR, outputs: [{ name: 'NOPE' }] }, 'NOPE');
    await refused('simple', { inputs: PAIR, outputs: [{ name: 'OUTPUT0' }, { name: 'OUTPUT0' }] }, 'OUTPUT0');
  });

  test('B26 B27 what is no request is refused', async () => {
    for (const body of ['{', '', '[]', '"x"', 'null', '{}', '{"inputs":{}}']) await refused('simple', body);
    for (const key of ['name', 'shape', 'datatype', 'data']) {
      const { [key]: _left, ...rest } = PAIR[0] as Record<string, unknown>;
      await refused('simple', { inputs: [rest, PAIR[1]] });
    }
  });

  test('B28 elements must be of the datatype', async () => {
    const element = (model: string, type: string, value: unknown) =>
      refused(model, { inputs: [I('INPUT0', type, [1, 2], [1, value])] }, 'INPUT0', 'element 1');
    await element('id_int32', 'INT32', 'x');
    await element('id_int32', 'INT32', 1.5);
    await element('id_uint8', 'UINT8', 300);
    await element('id_uint8', 'UINT8', -1);
    await element('id_bool', 'BOOL', 'true');
    await element('id_bool', 'BOOL', 2);
  });

  test('parameters of the request, of inputs and of outputs are taken, null ones too', async () => {
    const parameters = { mine: 'x', number: 1.5, flag: true, nothing: null, timeout: 10_000_000 };
    const inputs = PAIR.map((input) => ({ ...input, parameters: { content_type: 'np', other: null } }));
    const outputs = [{ name: 'OUTPUT0', parameters: { foo: 'bar' } }];
    const { status, json } = await simple({ parameters, inputs, outputs });
    expect([status, json.outputs[0].data]).toEqual([200, SIXTEEN.map((v) => 2 * v)]);
  });

  test('B30 B35 B36 ids, parameters and sources are checked', async () => {
    await refused('simple', { id: 7, inputs: PAIR }, 'id');
    await refused('simple', { parameters: [], inputs: PAIR }, 'parameters');
    await refused('simple', { parameters: { a: {} }, inputs: PAIR });
    await refused('simple', { parameters: { triton_x: 1 }, inputs: PAIR }, 'triton_x');
    await refused('simple', { inputs: [{ ...PAIR[0], parameters: { binary_data_size: 64 } }, PAIR[1]] }, 'INPUT0');
    await refused('simple', { inputs: [{ name: 'INPUT0', datatype: 'INT32', shape: [1, 16] }, PAIR[1]] }, 'INPUT0');
  });

  test('B32 batches above the maximum, or of two sizes, are refused', async () => {
    const batch = (n: number) => Array.from({ length: n }, () => SIXTEEN).flat();
    const nine = ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [9, 16], batch(9)));
    await refused('simple', { inputs: nine }, '9', '8');
    await refused('simple', { inputs: [PAIR[0], I('INPUT1', 'INT32', [2, 16], batch(2))] }, 'INPUT1');
  });

  test('duplicate keys, a byte order mark, deep nesting and ragged data are refused', async () => {
    await refused('simple', '{"inputs":[],"inputs":[]}', 'twice');
    await refused('simple', '{"inputs":[],"\\u0069nputs":[]}', 'twice');
    await refused('simple', `\ufeff${JSON.stringify({ inputs: PAIR })}`);
    await refused('simple', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'nested');
    await refused('ragged', { inputs: [I('INPUT0', 'FP32', [2, 2], [[1, 2, 3], [4]])] }, 'unequal');
  });

  test('requests of different inner shapes are answered each with its own sums', async () => {
    const widths = [1, 2, 3, 2, 1, 5, 3, 2];
    const replies = await Promise.all(
      widths.map((w) => infer('ragged', { inputs: [I('INPUT0', 'FP32', [2, w], new Array(2 * w).fill(w))] })),
    );
    replies.forEach((reply, i) => {
      const w = widths[i] as number;
      expect(reply.json.outputs[0]).toMatchObject({ shape: [2, 1], data: [w * w, w * w] });
    });
  });

  test('large JSON is lifted apart and answered like any other', async () => {
    const n = 100_000;
    const data = Array.from({ length: n }, (_, i) => i / 8);
    const reply = await infer('id_fp32', { inputs: [I('INPUT0', 'FP32', [1, n], data)] });
    expect(reply.json.outputs[0].data).toEqual(data);
    await refused('id_fp32', { inputs: [I('INPUT0', 'FP32', [1, n + 1], data)] }, String(n + 1));
  });

  test('one connection survives refusals', async () => {
    for (let i = 0; i < 20; i++) await refused('simple', '{');
  });
});
