import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DATATYPES, type Datatype, datatype } from '../../src/core/datatype.ts';
import { LoadError } from '../../src/load/error.ts';
import type { WireRequest } from '../../src/load/figures.ts';
import { BODIES, type InputOptions, makeRequests } from '../../src/load/inputs.ts';
import { Random } from '../../src/load/random.ts';
import { REQUEST_FILE_BYTES, readRequestFile } from '../../src/load/request-file.ts';
import { describeServer, type Target } from '../../src/load/target.ts';
import { drawElements, packElements } from '../../src/load/values.ts';
import { BF16, FP16, widenReference } from '../../src/native/reference/half.ts';
import { I, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';

/** BF16 is left out: ONNX Runtime has no kernel that Penstock could serve it with. */
const SERVED = DATATYPES.map((d) => d.name).filter((name) => name !== 'BF16');
const DEFAULTS: InputOptions = { form: 'binary', batch: 1, seed: 1, deadlineMs: null, sendDeadline: null, token: null };
const NO_DEADLINE = { deadlineMs: null, sendDeadline: null, token: null };

let penstock: RunningGateway;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-load-'));
  penstock = await startGateway([
    ...SERVED.map((name) => `id_${name.toLowerCase()}`),
    'simple',
    'raw8',
    'pair',
    'slow',
  ]);
});
afterAll(async () => {
  await penstock.stop();
  await rm(folder, { recursive: true, force: true });
});

const describeModel = (model: string): Promise<Target> =>
  describeServer(new URL(penstock.inferenceUrl), model, null, null);
const sendOne = ({ path, body, headers }: WireRequest): Promise<Reply> =>
  send(penstock.inferenceUrl + path, body, headers);

function target(shape: readonly number[], name: Datatype = 'FP32', maxBatchSize: number | null = null): Target {
  const inputs = [{ name: 'x', datatype: datatype(name), shape }];
  const server = { name: '', version: '' };
  const origin = { host: '127.0.0.1', port: 1 };
  return {
    origin,
    server,
    model: 'm',
    version: null,
    path: '/v2/models/m',
    inputs,
    outputs: [],
    maxBatchSize,
    statistics: false,
  };
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LoadError);
    return (error as LoadError).message;
  }
  return 'none';
}

async function fileRefusal(text: string | null, file = join(folder, 'bad.json')): Promise<string> {
  if (text !== null) await writeFile(file, text);
  const error = await readRequestFile(file, '/m', NO_DEADLINE).then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toMatchObject({ name: 'LoadError', kind: 'bad-file' });
  return (error as LoadError).message.replaceAll(`${folder}/`, '');
}

describe('requests made from metadata', () => {
  const forms = SERVED.flatMap(
    (name): (readonly ['json' | 'binary', Datatype])[] =>
    name === 'FP16' ? [['binary', name]] : [['json', name], ['binary', name]], // biome-ignore format: pairs
  );

  test.each(forms)('in %s with %s are all answered 200, and in the form asked for', async (form, name) => {
    const requests = makeRequests(await describeModel(`id_${name.toLowerCase()}`), { ...DEFAULTS, form, batch: 3 });
    expect(requests).toHaveLength(BODIES);
    for (const request of requests) {
      const reply = await sendOne(request);
      expect([reply.status, reply.json.error]).toEqual([200, undefined]);
      const [output] = reply.json.outputs;
      expect(output.shape).toEqual([3, 1]);
      // Penstock prints the shortest text of a float32, JSON clients that of the double it widens to.
      const single = (value: unknown) => (name === 'FP32' ? Math.fround(value as number) : value);
      // An identity: what comes back is what was sent, to the last bit.
      if (form === 'binary') expect(reply.tail.equals(request.body.subarray(-reply.tail.length))).toBe(true);
      else expect(output.data.map(single)).toEqual(JSON.parse(Buffer.from(request.body).toString()).inputs[0].data);
      expect(reply.tail.length > 0).toBe(form === 'binary');
    }
  });

  test('a seed makes the same bodies again, another one others, and the bodies differ', async () => {
    const simple = await describeModel('simple');
    const bodies = (seed: number) =>
      makeRequests(simple, { ...DEFAULTS, seed }).map((r) => Buffer.from(r.body).toString('hex'));
    expect(bodies(7)).toEqual(bodies(7));
    expect(bodies(8)).not.toEqual(bodies(7));
    expect(new Set(bodies(7)).size).toBe(BODIES);
  });

  test('rows are the first dimension of every input, and more than the model takes are refused', async () => {
    const simple = await describeModel('simple');
    const [request] = makeRequests(simple, { ...DEFAULTS, form: 'json', batch: 8 });
    const document = JSON.parse(Buffer.from((request as WireRequest).body).toString());
    expect(document.inputs.map((i: { shape: number[] }) => i.shape)).toEqual([[8, 16], [8, 16]]); // biome-ignore format: pairs
    expect(refusal(() => makeRequests(simple, { ...DEFAULTS, batch: 9 }))).toBe(
      "model 'simple' takes at most 8 rows, not 9",
    );
    expect(refusal(() => makeRequests(target([4]), { ...DEFAULTS, batch: 2 }))).toContain('no batch dimension');
    expect(refusal(() => makeRequests(target([4]), DEFAULTS))).toBe('none');
  });

  test('what has no JSON form, no inputs or no end is refused in one line', async () => {
    expect(refusal(() => makeRequests(target([1], 'FP16'), { ...DEFAULTS, form: 'json' }))).toContain(
      'FP16, which has no JSON',
    );
    expect(refusal(() => makeRequests({ ...target([1]), inputs: [] }, DEFAULTS))).toContain('give a file of requests');
    expect(refusal(() => makeRequests(target([2 ** 20, 2 ** 20]), DEFAULTS))).toContain('elements');
    expect(refusal(() => makeRequests(target([2 ** 40, 2 ** 40]), DEFAULTS))).toContain('elements');
  });

  test('large bodies are fewer', () => {
    expect(makeRequests(target([2 ** 21], 'FP64'), DEFAULTS)).toHaveLength(3);
  });

  test('a model whose output alone has no JSON form is asked for it as binary', async () => {
    const outputs = [{ name: 'y', datatype: 'BF16' }, { name: 'z', datatype: 'FP32' }]; // biome-ignore format: pairs
    const [request] = makeRequests({ ...target([1]), outputs }, { ...DEFAULTS, form: 'json' });
    expect(JSON.parse(Buffer.from((request as WireRequest).body).toString()).outputs).toEqual([
      { name: 'y', parameters: { binary_data: true } },
      { name: 'z' },
    ]);
  });

  test('a deadline travels as header or as parameter, and a model that is too slow answers 504 to both', async () => {
    const slow = await describeModel('slow');
    for (const sendDeadline of ['header', 'parameter'] as const) {
      for (const form of ['json', 'binary'] as const) {
        const options: InputOptions = { ...DEFAULTS, form, deadlineMs: 1, sendDeadline };
        const requests = makeRequests(slow, options);
        // The first finds an idle worker and may be begun in time; those behind it cannot be.
        const replies = await Promise.all(requests.slice(0, 3).map(sendOne));
        const codes = replies.map((r) => r.headers.get('x-error-code'));
        expect(codes).toContain('DEADLINE_EXCEEDED');
      }
    }
    const part: InputOptions = { ...DEFAULTS, deadlineMs: 0.5, sendDeadline: 'header' };
    expect(refusal(() => makeRequests(slow, part))).toContain('whole milliseconds');
  });

  test('a token goes into the header, and one that could end it is refused', () => {
    expect(makeRequests(target([1]), { ...DEFAULTS, token: 'abc' })[0]?.headers.Authorization).toBe('Bearer abc');
    expect(refusal(() => makeRequests(target([1]), { ...DEFAULTS, token: 'a\r\nX: y' }))).toContain('bearer token');
  });
});

describe('values', () => {
  test.each([
    ['FP16', FP16],
    ['BF16', BF16],
  ] as const)('of %s are the bits of the number drawn', (name, format) => {
    // biome-ignore format: one line
    const random = new Random(3);
    const next = () => random.uniform();
    const drawn = drawElements(datatype(name), 200, next);
    const bits = packElements(datatype(name), drawn);
    const words = new Uint16Array(bits.buffer, bits.byteOffset, bits.byteLength / 2);
    expect([...words].map((word) => widenReference(format, word))).toEqual(drawn);
    expect(new Set(drawn).size).toBeGreaterThan(50);
  });
});

describe('a file of requests', () => {
  const request = (value: number) => ({ inputs: [I('INPUT0', 'INT64', [1, 1], [value])] });

  async function requestsOf(text: string, options = {}): Promise<WireRequest[]> {
    const file = join(folder, 'good.json');
    await writeFile(file, text);
    return readRequestFile(file, '/v2/models/id_int64', { ...NO_DEADLINE, ...options });
  }

  test.each([
    ['one request', JSON.stringify(request(1)), 1],
    ['one request over many lines', JSON.stringify(request(1), null, 2), 1],
    ['an array of them', JSON.stringify([request(1), request(2), request(3)], null, 1), 3],
    ['one a line', [1, 2, 3].map((v) => JSON.stringify(request(v))).join('\n\n'), 3],
  ])('with %s is sent, and answered 200', async (_, text, count) => {
    const requests = await requestsOf(text);
    expect(requests).toHaveLength(count);
    for (const [i, one] of requests.entries()) {
      const reply = await sendOne(one);
      expect([reply.status, reply.json.outputs[0].data]).toEqual([200, [i + 1]]);
    }
  });

  test('keeps 64-bit numbers as they are written, and takes a deadline beside its own parameters', async () => {
    const text =
      '{"parameters":{"a":1},"inputs":[{"name":"INPUT0","datatype":"INT64","shape":[1,1],"data":[9007199254740993]}]}';
    const [one] = await requestsOf(text, { deadlineMs: 2.5, sendDeadline: 'parameter' });
    const body = Buffer.from((one as WireRequest).body).toString();
    expect(body).toContain('"data":[9007199254740993]');
    expect(body).toContain('"parameters":{"a":1,"timeout":2500}');
  });

  test.each([
    ['no JSON', '{"inputs": ', 'bad.json: '],
    ['nothing', '\n', 'bad.json: '],
    ['an empty array', '[]', 'bad.json holds no request'],
    ['a number in the array', '[1]', 'bad.json[0]: a request is a JSON object'],
    ['a line that is no JSON', `${JSON.stringify(request(1))}\nnonsense`, 'bad.json:2: '],
    ['no inputs', '[{"inputs":[]},{}]', "bad.json[1]: a request has a list 'inputs'"],
    [
      'an input without data',
      '{"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]}',
      "bad.json: inputs[0] has a list 'data'",
    ],
    ['an input without name', '{"inputs":[{}]}', "bad.json: inputs[0] has a text 'name'"],
    ['parameters of another kind', '{"inputs":[],"parameters":[]}', "bad.json: 'parameters' is a JSON object"],
  ])('with %s is refused with the place', async (_, text, words) => {
    expect(await fileRefusal(text)).toContain(words);
  });

  test('that is missing, a folder or too large is refused', async () => {
    expect(await fileRefusal(null, join(folder, 'none.json'))).toBe(
      'cannot read none.json: there is no such file or folder (ENOENT)',
    );
    expect(await fileRefusal(null, folder)).toContain('it is a folder (EISDIR)');
    const large = join(folder, 'large.json');
    await writeFile(large, '');
    await truncate(large, REQUEST_FILE_BYTES + 1);
    expect(await fileRefusal(null, large)).toContain(`more than ${REQUEST_FILE_BYTES}`);
  });
});
