import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_INPUTS, MAX_VALUES } from '../../src/native/binding.ts';
import { get, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';
import { type Attacked, expectRefused, neighbour, unharmed } from '../support/hostile.ts';

const MIB = 1024 * 1024;
let server: RunningGateway;
let attacked: Attacked;

beforeAll(async () => {
  // One lane for all: what is refused is refused beside requests that wait for the same thread.
  const identities = ['fp32', 'fp64', 'int32', 'int64', 'bytes', 'bool'].map((name) => `id_${name}`);
  server = await startGateway(['simple', ...identities], ['--workers', '1'], { placement: 'worker' });
  attacked = { url: server.inferenceUrl, adminUrl: server.adminUrl };
});

afterAll(() => server.stop());

/** Posts bytes as they are, and asserts what holds after every attack. */
function tried(model: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Reply> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return unharmed(attacked, () => send(`${server.v2}/models/${model}/infer`, bytes, headers));
}

async function refused(model: string, body: string | Uint8Array): Promise<string> {
  return expectRefused(await tried(model, body), 400);
}

/** A request for an identity model. */
const identity = (datatype: string, shape: string, data: string) =>
  `{"inputs":[{"name":"INPUT0","datatype":"${datatype}","shape":${shape},"data":${data}}]}`;

const GOOD = identity('FP32', '[1,2]', '[1,2]');
const deep = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth);

describe('JSON that is none', () => {
  test.each([
    ['empty', ''],
    ['blank', ' \n\t '],
    ['cut off', GOOD.slice(0, -1)],
    ['cut off in a string', GOOD.slice(0, 16)],
    ['cut off in a number', '{"inputs":[{"data":[1'],
    ['a comma at the end of an object', `${GOOD.slice(0, -1)},}`],
    ['a comma at the end of data', GOOD.replace('[1,2]}', '[1,2,]}')],
    ['a comma at the end of a shape', GOOD.replace('"shape":[1,2]', '"shape":[1,2,]')],
    ['a line comment', `// hello\n${GOOD}`],
    ['a comment', GOOD.replace('[1,2]}', '[1,/* two */2]}')],
    ['a byte order mark', `\ufeff${GOOD}`],
    ['two documents', GOOD + GOOD],
    ['a NUL behind it', `${GOOD}\0`],
    ['single quotes', GOOD.replaceAll('"', "'")],
    ['bare keys', GOOD.replaceAll('"inputs"', 'inputs')],
    ['a control character in a string', GOOD.replace('INPUT0', 'INPUT0\u0001')],
    ['a number with a plus', GOOD.replace('[1,2]}', '[+1,2]}')],
    ['a number with a leading zero', GOOD.replace('[1,2]}', '[01,2]}')],
    ['a number without digits behind its point', GOOD.replace('[1,2]}', '[1.,2]}')],
    ['a hexadecimal number', GOOD.replace('[1,2]}', '[0x1,2]}')],
  ])('J1 %s is refused', async (_name, body) => {
    await refused('id_fp32', body);
  });

  test('J1 UTF-16 and random bytes are refused', async () => {
    await refused('id_fp32', Buffer.from(GOOD, 'utf16le'));
    await refused('id_fp32', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) % 256)));
  });
});

describe('depth', () => {
  test.each([
    ['arrays', (n: number) => deep(n)],
    ['objects', (n: number) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`],
    [
      'arrays in data',
      (n: number) => `{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"data":${deep(n - 3)}}]}`,
    ],
    ['arrays in data that comes first', (n: number) => `{"inputs":[{"data":${deep(n - 3)},"name":"INPUT0"}]}`],
    ['a parameter', (n: number) => `{"parameters":${deep(n - 1)},"inputs":[]}`],
  ])('J2 %s, at the limit of 100 not for their depth, 101 deep and 250,000 deep for it', async (_name, nested) => {
    expect(await refused('id_fp32', nested(100))).not.toContain('nested');
    expect(await refused('id_fp32', nested(101))).toContain('nested deeper than 100 levels');
    expect(await refused('id_fp32', nested(250_000))).toContain('nested deeper than 100 levels');
  });

  test('J2 brackets that are never closed are refused', async () => {
    for (const open of ['[', '{"a":', '[[{"a":'])
      expect(await refused('id_fp32', open.repeat(250_000))).toContain('nested');
  });

  test('J2 depth in a control request is refused as well', async () => {
    const url = `${server.v2}/repository/index`;
    for (const body of [deep(30_000), '['.repeat(60_000), `{"ready":${deep(30_000)}}`]) {
      expectRefused(await unharmed(attacked, () => send(url, Buffer.from(body))), 400);
    }
  });
});

describe('numbers', () => {
  const long = '1'.repeat(10_000);

  test.each([
    ['1e400 in data', identity('FP64', '[1,1]', '[1e400]'), 'id_fp64'],
    ['1e39 in FP32 data', identity('FP32', '[1,1]', '[1e39]'), 'id_fp32'],
    ['10,000 digits in FP64 data', identity('FP64', '[1,1]', `[${long}]`), 'id_fp64'],
    ['10,000 digits in INT64 data', identity('INT64', '[1,1]', `[${long}]`), 'id_int64'],
    ['1e400 in a shape', identity('FP64', '[1,1e400]', '[1]'), 'id_fp64'],
    ['10,000 digits in a shape', identity('FP64', `[1,${long}]`, '[1]'), 'id_fp64'],
    ['10,000 digits in a parameter', `{"parameters":{"timeout":${long}},"inputs":[]}`, 'id_fp64'],
    ['NaN in a shape', identity('FP32', '[1,NaN]', '[1]'), 'id_fp32'],
    ['Infinity in a parameter', `{"parameters":{"timeout":Infinity},"inputs":[]}`, 'id_fp32'],
    ['-Infinity as the document', '-Infinity', 'id_fp32'],
    ['NaN in INT32 data', identity('INT32', '[1,1]', '[NaN]'), 'id_int32'],
    ['Infinity in BOOL data', identity('BOOL', '[1,1]', '[Infinity]'), 'id_bool'],
    ['NaN in BYTES data', identity('BYTES', '[1,1]', '[NaN]'), 'id_bytes'],
  ])('J3 %s is refused', async (_name, body, model) => {
    await refused(model, body);
  });

  test('J3 NaN, Infinity and -Infinity in floating-point data are taken, and the sign of -0 is kept', async () => {
    const body = identity('FP64', '[1,4]', '[NaN,Infinity,-Infinity,-0]').replace(
      /\}$/,
      ',"outputs":[{"name":"OUTPUT0","parameters":{"binary_data":true}}]}',
    );
    const { status, tail } = await tried('id_fp64', body);
    expect(status).toBe(200);
    const values = [0, 8, 16, 24].map((at) => tail.readDoubleLE(at));
    expect(values).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]);
    const json = await fetch(`${server.v2}/models/id_fp64/infer`, {
      method: 'POST',
      body: identity('FP64', '[1,1]', '[-0.0]'),
    });
    expect(await json.text()).toMatch(/"data":\[-0(\.0)?\]/);
  });
});

describe('keys and strings', () => {
  test.each([
    ['shape', GOOD.replace('"shape":[1,2]', '"shape":[1,2],"shape":[1,2]')],
    ['inputs', GOOD.replace(/\}$/, ',"inputs":[]}')],
    ['data', GOOD.replace('"data":[1,2]', '"data":[1,2],"data":[3,4]')],
    ['name, once escaped', GOOD.replace('"name":"INPUT0"', '"name":"INPUT0","n\\u0061me":"INPUT0"')],
    ['id', GOOD.replace('{', '{"id":"a","id":"b",')],
    ['a parameter', GOOD.replace('{', '{"parameters":{"a":1,"a":2},')],
    ['__proto__', GOOD.replace('{', '{"__proto__":1,"__proto__":2,')],
    ['outputs', GOOD.replace('{', '{"outputs":[],"outputs":null,')],
  ])('J5 %s twice is refused', async (_name, body) => {
    expect(await refused('id_fp32', body)).toContain('same key twice');
  });

  test('J5 keys that every object has are only keys', async () => {
    const odd = '"__proto__":{"timeout":-1},"constructor":{"prototype":1},"hasOwnProperty":1,"toString":null';
    const body = GOOD.replace('{', `{${odd},`).replace('"shape"', `${odd},"shape"`);
    expect((await tried('id_fp32', body)).status).toBe(200);
    expect(({} as Record<string, unknown>).timeout).toBeUndefined();
    const parameters = GOOD.replace('{', '{"parameters":{"__proto__":1,"constructor":2},');
    expect((await tried('id_fp32', parameters)).status).toBe(200);
  });

  const text = (bytes: number[]) =>
    Buffer.concat([
      Buffer.from('{"inputs":[{"name":"INPUT0","datatype":"BYTES","shape":[1,1],"data":["'),
      Buffer.from(bytes),
      Buffer.from('"]}]}'),
    ]);

  test.each([
    ['a byte that begins nothing', [0xff]],
    ['a continuation alone', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xe0, 0x80, 0x80]],
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['a code point above the last', [0xf4, 0x90, 0x80, 0x80]],
    ['a character that is cut off', [0xe2, 0x82]],
  ])('J7 %s inside a string is refused, in data, in an id and in a name', async (_name, bytes) => {
    await refused('id_bytes', text(bytes));
    const raw = Buffer.from(bytes).toString('latin1');
    await refused('id_fp32', Buffer.from(GOOD.replace('{', `{"id":"${raw}",`), 'latin1'));
    await refused('id_fp32', Buffer.from(GOOD.replace('INPUT0', raw), 'latin1'));
    await refused('id_fp32', Buffer.from(GOOD.replace('{', `{"${raw}":1,`), 'latin1'));
  });

  test.each(['\\ud800', '\\udc00', '\\ud800x', '\\udc00\\ud800', '\\ud83d\\u0041'])(
    'J7 the lone surrogate %s is refused',
    async (lone) => {
      await refused('id_bytes', identity('BYTES', '[1,1]', `["${lone}"]`));
      await refused('id_fp32', GOOD.replace('{', `{"id":"${lone}",`));
      await refused('id_fp32', GOOD.replace('{', `{"x":{"${lone}":1},`));
    },
  );
});

describe('size', () => {
  // Bodies of over 256 KiB are read on a thread of the addon's own: while they are, others are answered.
  const patterns: readonly (readonly [string, string, string, string])[] = [
    ['empty objects', '[', '{},', '{}]'],
    ['empty objects in a member', '{"x":[', '{},', '{}]}'],
    ['empty objects in data', '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"data":[', '{},', '{}]}]}'],
    ['empty arrays in data', '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"data":[', '[],', '[]]}]}'],
    ['empty arrays in data of no known input', '{"inputs":[{"data":[', '[],', '[]]}]}'],
    ['blanks', '', '   ', ''],
    ['a string', '{"id":"', 'aaa', '"}'],
    ['escapes', '{"x":"', '\\n\\', 'n"}'],
    ['keys', '{', '"a":{"b":{}},', '"a":1}'],
  ];

  async function large(bytes: number, [, start, repeated, end]: (typeof patterns)[number]): Promise<void> {
    const body = Buffer.from(start + repeated.repeat(Math.floor(bytes / repeated.length) - 20) + end);
    await unharmed(attacked, async () => {
      let over = false;
      const asked = send(`${server.v2}/models/id_fp32/infer`, body).finally(() => {
        over = true;
      });
      do expect(await neighbour(attacked, 7)).toBe(14);
      while (!over);
      expectRefused(await asked, 400);
    });
  }

  test.each(patterns)('J8 4 MiB of %s are refused, while others are answered', async (...pattern) => {
    await large(4 * MIB, pattern);
  });

  test('J8 64 MiB of {}, are refused, and other requests are answered meanwhile', async () => {
    await large(64 * MIB, patterns[0] as (typeof patterns)[number]);
    await large(64 * MIB, patterns[1] as (typeof patterns)[number]);
  }, 60_000);

  test('J9 a million inputs or outputs are refused by a count', async () => {
    const member = '{"name":"INPUT0"},';
    const inputs = await refused('id_fp32', `{"inputs":[${member.repeat(1_000_000)}{}]}`);
    expect(inputs).toContain(`more than ${MAX_INPUTS} inputs`);
    const outputs = await refused('id_fp32', `{"outputs":[${'{"name":"OUTPUT0"},'.repeat(1_000_000)}{}],"inputs":[]}`);
    expect(outputs).toContain(`more than ${MAX_VALUES} values`);
  });

  test('J9 one more than the most is refused, by a head that is all small', async () => {
    const list = (count: number) => Array(count).fill('{"name":"INPUT0","datatype":"FP32","shape":[1,2]}').join();
    expect(await refused('id_fp32', `{"inputs":[${list(MAX_INPUTS + 1)}]}`)).toContain(
      `more than ${MAX_INPUTS} inputs`,
    );
    const outputs = Array(1025).fill('{"name":"OUTPUT0"}').join();
    expect(await refused('id_fp32', GOOD.replace(/\}$/, `,"outputs":[${outputs}]}`))).toContain(
      'more than 1024 outputs',
    );
    expect(await refused('id_fp32', GOOD.replace('{', `{"x":[${'{},'.repeat(MAX_VALUES)}{}],`))).toContain(
      'values besides',
    );
  });

  test('J9 a shape of as many dimensions as fit is refused, and not printed whole', async () => {
    expect((await refused('id_fp32', identity('FP32', `[${'1,'.repeat(10_000)}1]`, '[1]'))).length).toBeLessThan(200);
    expect((await refused('id_fp32', identity('FP32', `[${'1,'.repeat(100_000)}1]`, '[1]'))).length).toBeLessThan(200);
  });
});

describe('types and parameters', () => {
  test.each([
    ['a shape that is a string', GOOD.replace('[1,2],"data"', '"1","data"')],
    ['a shape that is an object', GOOD.replace('[1,2],"data"', '{},"data"')],
    ['a shape of arrays', GOOD.replace('[1,2],"data"', '[[1],[2]],"data"')],
    ['data that is an object', GOOD.replace('[1,2]}', '{}}')],
    ['data that is a string', GOOD.replace('[1,2]}', '"AAAA"}')],
    ['data that is a number', GOOD.replace('[1,2]}', '1}')],
    ['data of objects', GOOD.replace('[1,2]}', '[{},{}]}')],
    ['data of strings', GOOD.replace('[1,2]}', '["1","2"]}')],
    ['data of booleans', GOOD.replace('[1,2]}', '[true,false]}')],
    ['inputs that is an object', '{"inputs":{}}'],
    ['inputs of numbers', '{"inputs":[1]}'],
    ['inputs of arrays', '{"inputs":[[]]}'],
    ['inputs of null', '{"inputs":[null]}'],
    ['a name that is a number', GOOD.replace('"INPUT0"', '0')],
    ['a datatype that is null', GOOD.replace('"FP32"', 'null')],
    ['outputs that is a string', GOOD.replace('{', '{"outputs":"OUTPUT0",')],
    ['outputs of strings', GOOD.replace('{', '{"outputs":["OUTPUT0"],')],
    ['an id that is an object', GOOD.replace('{', '{"id":{},')],
    ['parameters that is an array', GOOD.replace('{', '{"parameters":[],')],
    ['a parameter that is an array', GOOD.replace('{', '{"parameters":{"a":[]},')],
    [
      'binary_data that is a string',
      GOOD.replace('{', '{"outputs":[{"name":"OUTPUT0","parameters":{"binary_data":"true"}}],'),
    ],
    [
      'classification that is a string',
      GOOD.replace('{', '{"outputs":[{"name":"OUTPUT0","parameters":{"classification":"1"}}],'),
    ],
    [
      'classification beyond what is answered to one request',
      GOOD.replace('{', '{"outputs":[{"name":"OUTPUT0","parameters":{"classification":16385}}],'),
    ],
    ['a document that is an array', '[]'],
    ['a document that is a string', '"inputs"'],
    ['a document that is null', 'null'],
  ])('J10 %s is refused', async (_name, body) => {
    await refused('id_fp32', body);
  });

  test.each([
    ['triton_enable_empty_final_response', 'true'],
    ['triton_', '1'],
    ['sequence_id', '7'],
    ['sequence_id', '"a"'],
    ['timeout', '"5"'],
    ['timeout', '-1'],
    ['timeout', '1.5'],
  ])('J12 parameter %s of %s is refused', async (name, value) => {
    await refused('id_fp32', GOOD.replace('{', `{"parameters":{"${name}":${value}},`));
  });

  test('J12 reserved names are refused on inputs and outputs too', async () => {
    await refused('id_fp32', GOOD.replace('"shape"', '"parameters":{"triton_x":1},"shape"'));
    await refused('id_fp32', GOOD.replace('{', '{"outputs":[{"name":"OUTPUT0","parameters":{"triton_x":1}}],'));
  });

  test('J12 what is unknown is ignored, in the body and in headers that name parameters', async () => {
    const plain = await tried('id_fp32', GOOD);
    const body = GOOD.replace('{', '{"parameters":{"admin":true,"priority":0,"headers":"x"},"model_version":"99",');
    const forwarded = {
      'triton-grpc-protocol-x': '1',
      'X-Triton-Timeout': '1',
      triton_x: '1',
      'Sequence-Id': '7',
      'X-Parameters': '{"timeout":1}',
      'X-Model-Version': '99',
    };
    const odd = await tried('id_fp32', body, forwarded);
    expect([odd.status, odd.json]).toEqual([200, plain.json]);
  });
});

test('and nothing of it is left: the process is alive, and ready', async () => {
  expect((await get(`${server.v2}/health/ready`)).json).toEqual({ live: true, ready: true });
});
