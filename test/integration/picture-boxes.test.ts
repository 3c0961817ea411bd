import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { constant, node, onnx } from '../support/fixtures/onnx.ts';
import { type RunningGateway, startGatewayOn } from '../support/gateway.ts';
import { asBinary, asBody, asJson } from '../support/picture-requests.ts';

const POLICY = `
labels: { head: labels.txt }
preprocess:
  input: image
  image: { resize: { mode: contain } }
postprocess:
  head: { boxes: { layout: yolov8 } }
  best: { argmax: true }
`;

/** Three boxes of two classes: two that it is the surer of the redder the picture is, and one that is nothing. */
function detector(): Uint8Array {
  const corners = [
    [16, 8, 0],
    [16, 16, 0],
    [16, 8, 0],
    [8, 4, 0],
  ];
  const weights = new Float32Array(3 * 18);
  weights.set([1.5, 0, 0, 0, 1.25, 0], 12);
  return onnx({
    inputs: [['image', 'FP32', ['batch', 3, 32, 32]]],
    outputs: [
      ['head', 'FP32', ['batch', 6, 3]],
      ['best', 'FP32', ['batch', 3]],
    ],
    nodes: [
      node('GlobalAveragePool', ['image'], ['pooled']),
      node('Flatten', ['pooled'], ['colours'], { axis: 1 }),
      node('Gemm', ['colours', 'w', 'b'], ['flat']),
      node('Reshape', ['flat', 'form'], ['head']),
      node('Identity', ['colours'], ['best']),
    ],
    constants: [
      constant('w', 'FP32', [3, 18], weights),
      constant('b', 'FP32', [18], Float32Array.from([...corners.flat(), 0, 0, 0, 0, 0, 0])),
      constant('form', 'INT64', [3], BigInt64Array.of(-1n, 6n, 3n)),
    ],
  });
}

const folder = mkdtempSync(join(tmpdir(), 'penstock-boxes-'));
let server: RunningGateway;
let url: string;

beforeAll(async () => {
  mkdirSync(join(folder, 'detector/1'), { recursive: true });
  writeFileSync(join(folder, 'detector/1/model.onnx'), detector());
  writeFileSync(join(folder, 'detector/model.yaml'), POLICY);
  writeFileSync(join(folder, 'detector/labels.txt'), 'cat\ndog\n');
  server = await startGatewayOn(folder);
  url = `${server.v2}/models/detector/infer`;
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function plain(width: number, height: number, background: string): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Half of the tensor is red, so scores are 0.75 and 0.625. */
const WIDE = [
  [16, 8, 48, 24, 0.75, 0],
  [8, 12, 24, 20, 0.625, 1],
];
const HIGH = [
  [0, 24, 32, 40, 0.75, 0],
  [0, 28, 8, 36, 0.625, 1],
];
const NOTHING = Array.from({ length: 2 }, () => Array(6).fill(0));

function expectNear(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 4);
  });
}

test('a batch of pictures is answered with the boxes of each, their number and their labels', async () => {
  const files = [await plain(64, 32, 'red'), await plain(20, 10, 'lime'), await plain(32, 64, 'red')];
  const expected = [WIDE, NOTHING, HIGH].flat(2);
  const json = await asJson(url, 'image', files);
  const [boxes, count, labels, best, ...rest] = json.json.outputs;
  expect(rest).toEqual([]);
  expect(boxes).toMatchObject({ name: 'head', datatype: 'FP32', shape: [3, 2, 6] });
  expectNear(boxes.data, expected);
  expect(count).toEqual({ name: 'head_count', datatype: 'INT32', shape: [3], data: [2, 0, 2] });
  const texts = ['cat', 'dog', '', '', 'cat', 'dog'];
  expect(labels).toEqual({ name: 'head_labels', datatype: 'BYTES', shape: [3, 2], data: texts });
  expect(best).toEqual({ name: 'best', datatype: 'INT64', shape: [3], data: [0, 1, 0] });

  const binary = await asBinary(url, 'image', files, { parameters: { binary_data_output: true } });
  const sizes = binary.json.outputs.map(({ parameters }: { parameters: { binary_data_size: number } }) => {
    return parameters.binary_data_size;
  });
  expect(sizes).toEqual([3 * 2 * 6 * 4, 3 * 4, 6 * 4 + 4 * 3, 3 * 8]);
  expectNear(new Float32Array(Uint8Array.from(binary.tail.subarray(0, sizes[0])).buffer), expected);
});

test('a picture without boxes is answered with none', async () => {
  const { status, json } = await asBody(url, await plain(10, 20, 'black'));
  expect(status).toBe(200);
  expect(json.outputs).toEqual([
    { name: 'head', datatype: 'FP32', shape: [1, 0, 6], data: [] },
    { name: 'head_count', datatype: 'INT32', shape: [1], data: [0] },
    { name: 'head_labels', datatype: 'BYTES', shape: [1, 0], data: [] },
    { name: 'best', datatype: 'INT64', shape: [1], data: [0] },
  ]);
});

test('a caller who names the head gets it as the model made it', async () => {
  const { json } = await asJson(url, 'image', [await plain(32, 32, 'black')], { outputs: [{ name: 'head' }] });
  expect(json.outputs).toMatchObject([{ name: 'head', datatype: 'FP32', shape: [1, 6, 3] }]);
  expect(json.outputs[0].data.slice(0, 6)).toEqual([16, 8, 0, 16, 16, 0]);
});
