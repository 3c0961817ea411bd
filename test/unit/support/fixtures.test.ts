import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { ImageDeclaration } from '../../../src/core/image.ts';
import { disagreements } from '../../../src/preprocess/agreement.ts';
import { imagePipeline } from '../../../src/preprocess/image-pipeline.ts';
import { FIXTURES } from '../../support/fixtures/models.ts';
import { random, SEED } from '../../support/fixtures/random.ts';
import { writeFixtures } from '../../support/fixtures/write.ts';

type Elements = ort.Tensor.DataTypeMap[ort.Tensor.Type];
type Dims = readonly number[];

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'penstock-fixtures-'));
  await writeFixtures(dir);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

const open = (name: string, version = 1) =>
  ort.InferenceSession.create(join(dir, name, String(version), 'model.onnx'), { intraOpNumThreads: 1 });

const tensor = (type: ort.Tensor.Type, data: Elements, dims: Dims) =>
  new ort.Tensor(type, data as ort.Tensor.DataType, dims);

const floats = (dims: Dims, ...values: number[]) => tensor('float32', Float32Array.from(values), dims);

/** One run of a fixture; the session is gone afterwards. */
async function run(name: string, feeds: Record<string, ort.Tensor>, version = 1) {
  const session = await open(name, version);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

const seeded = (count: number) => Float32Array.from({ length: count }, random(SEED));

const IDENTITIES: readonly (readonly [name: string, type: ort.Tensor.Type, data: Elements])[] = [
  ['bool', 'bool', Uint8Array.of(0, 1)],
  ['uint8', 'uint8', Uint8Array.of(0, 255)],
  ['uint16', 'uint16', Uint16Array.of(0, 65_535)],
  ['uint32', 'uint32', Uint32Array.of(0, 4_294_967_295)],
  ['uint64', 'uint64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
  ['int8', 'int8', Int8Array.of(-128, 127)],
  ['int16', 'int16', Int16Array.of(-32_768, 32_767)],
  ['int32', 'int32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
  ['int64', 'int64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
  ['fp16', 'float16', Uint16Array.of(0x3c00, 0xfc00)],
  ['fp32', 'float32', Float32Array.of(-0, 3.402_823_466e38)],
  ['fp64', 'float64', Float64Array.of(5e-324, -Infinity)],
  ['bytes', 'string', ['', '日本 😀']],
];

describe('conformance models', () => {
  test.each(IDENTITIES)('id_%s answers what it was given, also where that is nothing', async (name, type, data) => {
    const nothing = data.slice(0, 0);
    const session = await open(`id_${name}`);
    const full = await session.run({ INPUT0: tensor(type, data, [2, 1]) });
    const empty = await session.run({ INPUT0: tensor(type, nothing, [0, 4]) });
    await session.release();
    expect(full.OUTPUT0).toMatchObject({ type, dims: [2, 1], data });
    expect(empty.OUTPUT0).toMatchObject({ type, dims: [0, 4], data: nothing });
  });

  test('id_bf16 is refused by ONNX Runtime for Node for its type alone', async () => {
    await expect(open('id_bf16')).rejects.toThrow('Unsupported data type: 16');
  });

  test('broken does not load', async () => {
    await expect(open('broken')).rejects.toThrow('Protobuf parsing failed');
  });

  test('simple adds and subtracts', async () => {
    const numbers = Int32Array.from({ length: 32 }, (_, i) => i * i);
    const twos = new Int32Array(32).fill(2);
    const answer = await run('simple', {
      INPUT0: tensor('int32', numbers, [2, 16]),
      INPUT1: tensor('int32', twos, [2, 16]),
    });
    expect(answer.OUTPUT0).toMatchObject({ dims: [2, 16], data: numbers.map((n) => n + 2) });
    expect(answer.OUTPUT1).toMatchObject({ dims: [2, 16], data: numbers.map((n) => n - 2) });
  });

  test('pair hands on two inputs of different type and length', async () => {
    const halves = Uint16Array.of(0x3c00, 0x4000, 0x0001);
    const answer = await run('pair', { A: tensor('float16', halves, [3]), B: tensor('string', ['x', ''], [2]) });
    expect(answer.C).toMatchObject({ type: 'float16', dims: [3], data: halves });
    expect(answer.D).toMatchObject({ type: 'string', dims: [2], data: ['x', ''] });
  });

  test.each([
    ['raw8', 8],
    ['cls', 4],
  ])('%s hands on rows of %i', async (name, width) => {
    const data = seeded(2 * width);
    const { OUTPUT0 } = await run(name, { INPUT0: tensor('float32', data, [2, width]) });
    expect(OUTPUT0).toMatchObject({ dims: [2, width], data });
  });

  test.each([
    [3, 6, 15],
    [1, 1, 2],
  ])('ragged sums rows of %i', async (width, first, second) => {
    const values = Array.from({ length: 2 * width }, (_, i) => i + 1);
    const { OUTPUT0 } = await run('ragged', { INPUT0: floats([2, width], ...values) });
    expect(OUTPUT0).toMatchObject({ dims: [2, 1], data: Float32Array.of(first, second) });
  });

  test('nonfinite answers NaN and both infinities', async () => {
    const { OUTPUT0 } = await run('nonfinite', { INPUT0: floats([1], 7) });
    expect(OUTPUT0).toMatchObject({ dims: [3], data: Float32Array.of(Number.NaN, Infinity, -Infinity) });
  });

  test.each([0, 1, 5])('big answers as many zeros as %i asks for', async (n) => {
    const { OUTPUT0 } = await run('big', { INPUT0: tensor('int64', BigInt64Array.of(BigInt(n)), [1]) });
    expect(OUTPUT0).toMatchObject({ dims: [n, n], data: new Float32Array(n * n) });
  });

  test('v2 is an identity in version 1 and adds one in version 3', async () => {
    const feeds = { INPUT0: floats([1, 4], 1, 2, 3, 4) };
    expect((await run('v2', feeds, 1)).OUTPUT0?.data).toEqual(Float32Array.of(1, 2, 3, 4));
    expect((await run('v2', feeds, 3)).OUTPUT0?.data).toEqual(Float32Array.of(2, 3, 4, 5));
  });

  test.each(['slow', 'slow8'])('%s answers its input, and not at once on any run', async (name) => {
    const session = await open(name);
    const times: number[] = [];
    for (const value of [42, -1]) {
      const startedMs = performance.now();
      const { OUTPUT0 } = await session.run({ INPUT0: floats([1], value) });
      times.push(performance.now() - startedMs);
      expect(OUTPUT0).toMatchObject({ dims: [1], data: Float32Array.of(value) });
    }
    await session.release();
    // A fifth of what it takes where this was written: a loop computed ahead would take microseconds.
    expect(Math.min(...times)).toBeGreaterThan(100);
  });
});

describe('bench models', () => {
  const MODELS = [
    ['mlp', 'input', [784], 'probs', 10],
    ['mlp1ms', 'input', [512], 'output', 512],
    ['resnet18', 'input', [3, 224, 224], 'logits', 1000],
  ] as const;

  test.each(MODELS)('%s answers finite numbers that depend on the row alone', async (name, from, inner, to, width) => {
    const size = inner.reduce((product, dim) => product * dim, 1);
    const rows = seeded(2 * size);
    const session = await open(name);
    const answer = async (data: Float32Array, count: number) => {
      const output = (await session.run({ [from]: tensor('float32', data, [count, ...inner]) }))[to];
      expect(output?.dims).toEqual([count, width]);
      return output?.data as Float32Array;
    };
    const both = await answer(rows, 2);
    const first = await answer(rows.slice(0, size), 1);
    const second = await answer(rows.slice(size), 1);
    await session.release();

    expect(both.every(Number.isFinite)).toBe(true);
    expect(distance(both, Float32Array.of(...first, ...second))).toBeLessThan(1e-4);
    expect(distance(first, second)).toBeGreaterThan(1e-3);
    expect(Math.max(...both.map(Math.abs))).toBeLessThan(100);
  });

  test('mlp answers probabilities', async () => {
    const { probs } = await run('mlp', { input: tensor('float32', seeded(784), [1, 784]) });
    const values = probs?.data as Float32Array;
    expect(values.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
  });

  test('resnet18 has the weights of ResNet-18', async () => {
    const file = await readFile(join(dir, 'resnet18/1/model.onnx'));
    // 11,689,512 parameters with batch normalisation; folding keeps one bias per channel where there were two numbers.
    const parameters = 11_689_512 - 4_800;
    expect(file.length / 4 / parameters).toBeCloseTo(1, 2);
  });
});

describe('writing fixtures', () => {
  test('gives the same bytes every time', () => {
    for (const [name, { versions }] of Object.entries(FIXTURES)) {
      if (name === 'resnet18' || name === 'mlp1ms') continue;
      for (const make of Object.values(versions)) expect(Buffer.compare(make(), make())).toBe(0);
    }
  });

  test('refuses a name that no fixture has', async () => {
    await expect(writeFixtures(dir, ['nope'])).rejects.toThrow("there is no fixture model 'nope'");
  });

  const caps: readonly (readonly [name: string, maxBatchRows: number | null])[] = [
    ['simple', 8],
    ...Object.keys(FIXTURES)
      .filter((name) => name.startsWith('id_'))
      .map((name) => [name, 0] as const),
    ['pair', 0],
    ['raw8', 4],
    ['ragged', 8],
    ['cls', 4],
    ['nonfinite', 0],
    ['big', 0],
    ['slow', 0],
    ['slow8', 0],
    ['v2', 8],
    ['mlp', null],
  ];

  test.each(caps)('gives %s a policy that caps its batch at %s', (name, maxBatchRows) => {
    expect(parseModelPolicy(FIXTURES[name]?.policy ?? '', 'model.yaml')).toMatchObject({ maxBatchRows });
  });

  test('gives the slow models one instance, and a queue of one and of eight', () => {
    const policy = (name: string) => parseModelPolicy(FIXTURES[name]?.policy ?? '', 'model.yaml');
    expect(policy('slow')).toMatchObject({ instances: { min: 1, max: 1 }, queueRows: 1 });
    expect(policy('slow8')).toMatchObject({ instances: { min: 1, max: 1 }, queueRows: 8 });
  });

  test.each([
    ['pixels_imagenet', [3, 224, 224]],
    ['pixels_mnist', [1, 28, 28]],
    ['pixels_yolo_letterbox', [3, 640, 640]],
  ])('%s hands on the tensor of an image, and its pipeline agrees with it', async (name, inner) => {
    const data = seeded(inner.reduce((product, dim) => product * dim, 1));
    const session = await open(name);
    const { pixels } = await session.run({ image: tensor('float32', data, [1, ...inner]) });
    await session.release();
    expect(pixels?.dims).toEqual([1, ...inner]);
    expect(distance(pixels?.data as Float32Array, data)).toBe(0);
    const policy = parseModelPolicy(FIXTURES[name]?.policy ?? '', 'model.yaml');
    const spec = { name: 'image', datatype: datatype('FP32'), shape: [-1, ...inner] };
    const signature = { inputs: [spec], outputs: [{ ...spec, name: 'pixels' }] };
    expect(disagreements({ model: name, version: '1', policy, signature, labels: new Map() })).toEqual([]);
    expect(imagePipeline(policy.preprocess as ImageDeclaration, signature).rowBytes).toBe(data.byteLength);
  });

  test('gives cls a label for each class', async () => {
    expect(parseModelPolicy(FIXTURES.cls?.policy ?? '', 'model.yaml').labels).toEqual({ OUTPUT0: 'labels.txt' });
    expect(await readFile(join(dir, 'cls/labels.txt'), 'utf8')).toBe('a\nb\nc\nd\n');
  });
});

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}
