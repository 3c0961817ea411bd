import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, I, post, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';
import { type Attacked, expectRefused, unharmed } from '../support/hostile.ts';

let server: RunningGateway;
let attacked: Attacked;

beforeAll(async () => {
  const identities = ['bool', 'int8', 'uint8', 'int32', 'int64', 'fp16', 'fp32', 'fp64', 'bytes'].map(
    (name) => `id_${name}`,
  );
  // One lane for all, on a thread: what is refused here is refused beside requests that travel in batches.
  const models = ['simple', 'cls', 'raw8', 'ragged', 'pair', 'big', 'picky', ...identities];
  server = await startGateway(models, ['--workers', '1'], { placement: 'worker' });
  attacked = { url: server.inferenceUrl, adminUrl: server.adminUrl };
});

afterAll(() => server.stop());

const url = (model: string) => `${server.v2}/models/${model}/infer`;
const tried = (model: string, document: unknown, ...binary: Uint8Array[]): Promise<Reply> =>
  unharmed(attacked, () => post(url(model), document, ...binary));

async function refused(model: string, document: unknown, ...binary: Uint8Array[]): Promise<string> {
  return expectRefused(await tried(model, document, ...binary), 400);
}

const fp32 = (shape: unknown, data: unknown = []) => ({ inputs: [{ name: 'INPUT0', datatype: 'FP32', shape, data }] });

/** As fp32, but its shape is JSON text: numbers that no double holds. */
const shaped = (datatype: string, shape: string, data = '[]') =>
  `{"inputs":[{"name":"INPUT0","datatype":"${datatype}","shape":${shape},"data":${data}}]}`;

const bytes = (length: number) => new Uint8Array(length);
const SIXTEEN = Array(16).fill(1);

describe('shapes', () => {
  test.each([
    '[-1,4]',
    '[1,-4]',
    '[-1,-1]',
    '[1.5,2]',
    '[1,2.0001]',
    '["1",2]',
    '[true,2]',
    '[null,2]',
    '[[1],2]',
    '[{},2]',
  ])('T1 shape %s is refused', async (shape) => {
    await refused('id_fp32', shaped('FP32', shape, '[1,2,3,4]'));
  });

  test('T1 zero is refused where the dimension is fixed, and an empty tensor where it is free', async () => {
    await refused('raw8', fp32([1, 0]));
    await refused('simple', { inputs: [I('INPUT0', 'INT32', [1, 0], []), I('INPUT1', 'INT32', [1, 0], [])] });
    for (const shape of [
      [0, 4],
      [4, 0],
      [0, 0],
    ]) {
      const json = await tried('id_fp32', fp32(shape));
      expect([json.status, json.json.outputs?.[0]]).toEqual([
        200,
        { name: 'OUTPUT0', datatype: 'FP32', shape, data: [] },
      ]);
      const binary = await tried('id_fp32', { inputs: [B('INPUT0', 'FP32', shape, 0)] }, bytes(0));
      expect([binary.status, binary.json.outputs?.[0].shape]).toEqual([200, shape]);
    }
    await refused('id_fp32', fp32([0, 4], [1]));
  });

  test('T1 a batch of no rows is answered with no rows, or refused; the others of its batch are served', async () => {
    const none = { inputs: [I('INPUT0', 'INT32', [0, 16], []), I('INPUT1', 'INT32', [0, 16], [])] };
    const { status, json } = await tried('simple', none);
    if (status === 200) expect(json.outputs.map((output: { data: unknown }) => output.data)).toEqual([[], []]);
    else expect([status, Object.keys(json)]).toEqual([400, ['error']]);
  });

  test('T1 what a batch of no rows finds in memory is nobody else’s', async () => {
    // Numbers that the model behind them would fail at.
    await tried('id_int64', { inputs: [I('INPUT0', 'INT64', [1, 8], Array(8).fill(99))] });
    const { status, json } = await tried('picky', { inputs: [I('INPUT0', 'INT64', [0, 1], [])] });
    expect([status, json.outputs?.[0].data]).toEqual([200, []]);
  });

  test.each([
    ['elements, 2^64 + 32', '[4294967296,4294967296]'],
    ['elements, 2^64 + 32 by another way', '[32,576460752303423489]'],
    ['elements, 2^63', '[9223372036854775807,1]'],
    ['bytes, 2^64 + 32', '[4611686018427387912,1]'],
    ['bytes, 2^53 and over', '[2251799813685249,4]'],
    ['bytes, beyond all memory', '[1099511627776,16]'],
    ['elements that overflow before a zero', '[9007199254740991,9007199254740991]'],
    ['a number that no double holds exactly', '[1,18446744073709551617]'],
  ])('T2 a product of %s is refused, in JSON and in binary', async (_name, shape) => {
    await refused('id_fp32', shaped('FP32', shape));
    await refused('id_bytes', shaped('BYTES', shape));
    for (const [datatype, model] of [
      ['FP32', 'id_fp32'],
      ['FP64', 'id_fp64'],
      ['BYTES', 'id_bytes'],
    ] as const) {
      for (const size of [0, 32]) {
        const head = `{"inputs":[{"name":"INPUT0","datatype":"${datatype}","shape":${shape},"parameters":{"binary_data_size":${size}}}]}`;
        await refused(model, head, bytes(size));
      }
      // The size left to the shape.
      await refused(model, `{"inputs":[{"name":"INPUT0","datatype":"${datatype}","shape":${shape}}]}`, bytes(32));
    }
  });

  test.each([
    '[]',
    '[4]',
    '[1,2,2]',
    `[${Array(65).fill(1).join()}]`,
    `[${Array(1000).fill(1).join()},4]`,
    `[1,4${',1'.repeat(63)}]`,
  ])('T3 rank of %s is refused', async (shape) => {
    await refused('id_fp32', shaped('FP32', shape, '[1,2,3,4]'));
  });

  test.each([
    ['too few', [1, 4], [1, 2, 3]],
    ['too many', [1, 4], [1, 2, 3, 4, 5]],
    ['none', [1, 4], []],
    ['unequal lengths', [2, 2], [[1, 2, 3], [4]]],
    ['unequal depths', [2, 2], [[1, 2], 3, 4]],
    ['a number before an array', [2, 2], [1, [2, 3, 4]]],
    ['an empty array among full ones', [2, 2], [[1, 2], [], [3, 4]]],
    ['deeper than the shape, and ragged', [2, 2], [[[1], [2]], [[3, 4]]]],
  ])('T4 data of %s is refused', async (_name, shape, data) => {
    await refused('id_fp32', fp32(shape, data));
  });
});

describe('binary sections', () => {
  const sized = (size: unknown) => ({
    inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [1, 4], parameters: { binary_data_size: size } }],
  });

  test.each([15, 17, 0, -16, -1, 2 ** 31, 2 ** 32 + 16, 2 ** 53, 2 ** 63, 1.5, '16', true])(
    'T5 a binary_data_size of %s where 16 are meant is refused',
    async (size) => {
      await refused('id_fp32', sized(size), bytes(16));
    },
  );

  test('T5 sizes of BYTES that the body does not have are refused', async () => {
    for (const size of [9, 7, 2 ** 31, 2 ** 53]) {
      await refused(
        'id_bytes',
        { inputs: [B('INPUT0', 'BYTES', [1, 1], size)] },
        Buffer.from([4, 0, 0, 0, 97, 98, 99, 100]),
      );
    }
  });

  test.each([-16, -1, 1, 4, 1000])('T6 a section that is %i bytes too long is refused', async (more) => {
    expect(await refused('id_fp32', sized(16), bytes(16 + more))).toMatch(/bytes/);
    const two = { inputs: [B('INPUT0', 'INT32', [1, 16], 64), B('INPUT1', 'INT32', [1, 16], 64)] };
    await refused('simple', two, bytes(Math.max(0, 128 + more)));
  });

  test('T6 a large section that is cut off or too long is refused when its last byte is in, and its memory given back', async () => {
    const length = 8 * 1024 * 1024;
    const head = (size: number) => ({ inputs: [B('INPUT0', 'FP32', [1, size / 4], size)] });
    for (const found of [length - 4, length + 4]) await refused('id_fp32', head(length), bytes(found));
  });

  test.each(['7', '9999', '-1', '99999999999', '1e3', '0x10', ' ', '5,5', '4.0', '+5', '２'])(
    'T7 a header length of "%s" is refused',
    async (length) => {
      const body = Buffer.from(JSON.stringify(sized(16)));
      const headers = { 'Inference-Header-Content-Length': encodeURI(length).replaceAll('%20', ' ') };
      const reply = await unharmed(attacked, () => send(url('id_fp32'), Buffer.concat([body, bytes(16)]), headers));
      // A blank value is an absent one: then the bytes behind the document are what is refused.
      expectRefused(reply, 400);
    },
  );

  test.each([
    ['a length that runs past the end', 1, [5, 0, 0, 0, 97, 98, 99, 100]],
    ['a length of 2^32 - 1', 1, [255, 255, 255, 255, 97, 98, 99, 100]],
    ['a length that is cut off', 2, [0, 0, 0, 0, 1, 0, 0]],
    ['fewer elements than the shape', 3, [0, 0, 0, 0, 0, 0, 0, 0]],
    ['more elements than the shape', 1, [0, 0, 0, 0, 0, 0, 0, 0]],
    ['no element', 1, []],
    ['text that is not UTF-8', 1, [1, 0, 0, 0, 255]],
    ['a NUL', 1, [1, 0, 0, 0, 0]],
  ])('T9 BYTES with %s are refused', async (_name, count, data) => {
    await refused('id_bytes', { inputs: [B('INPUT0', 'BYTES', [1, count], data.length)] }, Uint8Array.from(data));
  });

  test('T9 2^32 - 1 empty strings that are only announced are refused, and nothing is made for them', async () => {
    for (const count of [2 ** 32 - 1, 2 ** 31, 1e8]) {
      const announced = { inputs: [B('INPUT0', 'BYTES', [1, count], 4)] };
      await refused('id_bytes', announced, bytes(4));
      await refused('id_bytes', shaped('BYTES', `[1,${count}]`, '[""]'));
      // A size that would be right for so many, with a body that has not got them.
      await refused('id_bytes', { inputs: [B('INPUT0', 'BYTES', [1, count], 4 * count)] }, bytes(4));
    }
  });

  test('T9 a million empty strings, and half a million ones that are all wrong, take one pass', async () => {
    const count = 1_000_000;
    const fine = {
      inputs: [B('INPUT0', 'BYTES', [1, count], 4 * count)],
      outputs: [{ name: 'OUTPUT0', parameters: { binary_data: true } }],
    };
    const { status, tail } = await tried('id_bytes', fine, bytes(4 * count));
    expect([status, tail.length]).toEqual([200, 4 * count]);
    const last = bytes(4 * count);
    last[4 * count - 4] = 1;
    expect(await refused('id_bytes', fine, last)).toContain(`element ${count - 1}`);
  }, 60_000);

  test('T13 numbers at every offset of the body arrive exactly', async () => {
    const values = Float64Array.of(Math.PI, -0, 5e-324, -1.7976931348623157e308);
    const document = {
      inputs: [B('INPUT0', 'FP64', [1, 4], 32)],
      outputs: [{ name: 'OUTPUT0', parameters: { binary_data: true } }],
    };
    for (let padding = 0; padding < 9; padding++) {
      const head = JSON.stringify(document) + ' '.repeat(padding);
      const { status, tail } = await tried('id_fp64', head, new Uint8Array(values.buffer));
      expect(status).toBe(200);
      expect(tail.equals(Buffer.from(values.buffer))).toBe(true);
    }
  });

  test('T13 so do those behind an input of odd length', async () => {
    const halves = Uint8Array.of(0, 0x3c, 0, 0xc0);
    const text = Uint8Array.of(3, 0, 0, 0, 97, 98, 99);
    const named = ['B', 'A'].map((name) => (name === 'A' ? B('A', 'FP16', [2], 4) : B('B', 'BYTES', [1], 7)));
    const outputs = [{ name: 'C', parameters: { binary_data: true } }];
    const { status, tail } = await tried('pair', { inputs: named, outputs }, text, halves);
    expect([status, [...tail]]).toEqual([200, [...halves]]);
  });
});

describe('datatypes, names and counts', () => {
  test.each([
    ['id_int8', 'INT8', '300'],
    ['id_int8', 'INT8', '-129'],
    ['id_uint8', 'UINT8', '-1'],
    ['id_uint8', 'UINT8', '256'],
    ['id_int32', 'INT32', '1.5'],
    ['id_int32', 'INT32', '2147483648'],
    ['id_int32', 'INT32', '1e10'],
    ['id_int64', 'INT64', '9223372036854775808'],
    ['id_int64', 'INT64', '1e300'],
    ['id_bool', 'BOOL', '2'],
    ['id_bool', 'BOOL', '-1'],
    ['id_bool', 'BOOL', '0.5'],
    ['id_bool', 'BOOL', '"true"'],
    ['id_fp32', 'FP32', '3.5e38'],
  ])('T10 %s: %s %s is refused by its element', async (model, datatype, value) => {
    const fine = datatype === 'BOOL' ? 'true' : '1';
    expect(await refused(model, shaped(datatype, '[1,3]', `[${fine},${value},${fine}]`))).toContain('element 1');
  });

  test.each(['FP16', 'BF16'])('T11 %s in JSON is refused', async (datatype) => {
    await refused('id_fp16', shaped(datatype, '[1,1]', '[1]'));
  });

  test('T11 so is an FP16 output that is asked for as JSON', async () => {
    const halves = { inputs: [B('INPUT0', 'FP16', [1, 1], 2)] };
    expect(await refused('id_fp16', halves, bytes(2))).toContain('binary_data');
  });

  test.each([
    ['unknown', ['INPUT0', 'INPUT2'], 'INPUT2'],
    ['missing', ['INPUT0'], 'INPUT1'],
    ['twice', ['INPUT0', 'INPUT1', 'INPUT1'], 'INPUT1'],
    ['one too many', ['INPUT0', 'INPUT1', 'EXTRA'], 'EXTRA'],
    ['in another case', ['INPUT0', 'input1'], 'input1'],
    ['with a blank', ['INPUT0', 'INPUT1 '], 'INPUT1 '],
    ['named as what every object has', ['INPUT0', 'INPUT1', '__proto__'], '__proto__'],
    ['without a name', ['INPUT0', 'INPUT1', ''], 'unknown'],
  ])('T14 an input %s is refused by its name', async (_name, names, word) => {
    expect(await refused('simple', { inputs: names.map((name) => I(name, 'INT32', [1, 16], SIXTEEN)) })).toContain(
      word,
    );
  });

  test('T14 a name of a megabyte is refused, and not sent back', async () => {
    expect(
      (await refused('simple', { inputs: [I('x'.repeat(500_000), 'INT32', [1, 16], SIXTEEN)] })).length,
    ).toBeLessThan(200);
  });

  test.each([
    'FP32',
    'INT64',
    'UINT32',
    'BYTES',
    'BOOL',
    'INT',
    '',
    'int32',
    'INT32 ',
    'TYPE_INT32',
    'x'.repeat(100_000),
  ])('T15 datatype "%s" for INT32 is refused', async (datatype) => {
    const pair = [I('INPUT0', datatype, [1, 16], SIXTEEN), I('INPUT1', 'INT32', [1, 16], SIXTEEN)];
    await refused('simple', { inputs: pair });
  });

  test('T15 the bytes of another datatype of the same size are refused too', async () => {
    await refused('id_fp32', { inputs: [B('INPUT0', 'INT32', [1, 4], 16)] }, bytes(16));
  });

  test('T17 a batch above the most is refused, in JSON and in binary, and the most is taken', async () => {
    const rows = (count: number) =>
      ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [count, 16], Array(16 * count).fill(1)));
    expect((await tried('simple', { inputs: rows(8) })).status).toBe(200);
    for (const count of [9, 1000]) expect(await refused('simple', { inputs: rows(count) })).toContain('maximum of 8');
    const binary = ['INPUT0', 'INPUT1'].map((name) => B(name, 'INT32', [1_000_000, 16], 64_000_000));
    await refused('simple', { inputs: binary }, bytes(16));
    const unequal = { inputs: [rows(2)[0], rows(3)[1]] };
    expect(await refused('simple', unequal)).toContain('batch size');
  });

  test.each([
    ['unknown', ['NOPE'], 'NOPE'],
    ['of an input', ['INPUT0'], 'INPUT0'],
    ['twice', ['OUTPUT0', 'OUTPUT1', 'OUTPUT0'], 'twice'],
    ['that every object has', ['constructor'], 'constructor'],
    ['without a name', [''], 'unknown'],
  ])('T19 an output %s is refused', async (_name, names, word) => {
    const inputs = ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [1, 16], SIXTEEN));
    expect(await refused('simple', { inputs, outputs: names.map((name) => ({ name })) })).toContain(word);
  });

  test('an output that would not fit in memory fails alone, and says no more than that', async () => {
    const n = { inputs: [I('INPUT0', 'INT64', [1], [2 ** 40])] };
    const reply = await tried('big', n);
    expectRefused(reply, 400, 500, 503);
  });
});
