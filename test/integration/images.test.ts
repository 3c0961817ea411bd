import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { post, startGatewayOn } from '../support/gateway.ts';
import { asBody, seededPng } from '../support/picture-requests.ts';

const MISTAKEN = `preprocess:
  input: image
  image: { preset: imagenet, layout: NHWC, resize: { width: 299, height: 299, shortestSide: 342 } }
postprocess:
  logits: {}
`;

test('a version whose model.yaml does not agree with it is unavailable with every mistake, and the others serve', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-images-'));
  await writeFixtures(folder, ['pixels_imagenet', 'pixels_mnist']);
  writeFileSync(join(folder, 'pixels_imagenet/model.yaml'), MISTAKEN);
  const server = await startGatewayOn(folder, ['--workers', '1']);
  const { json } = await post(`${server.v2}/repository/index`, '');
  await server.stop();
  rmSync(folder, { recursive: true });
  const input = "the input is 'image', FP32 [-1, 3, 224, 224] (version 1)";
  expect(json).toMatchObject([
    {
      name: 'pixels_imagenet',
      state: 'UNAVAILABLE',
      reason: [
        `pixels_imagenet/model.yaml: preprocess.image.layout: expected NCHW, found NHWC; ${input}`,
        "pixels_imagenet/model.yaml: postprocess.logits: expected the name of an output (pixels), found 'logits' (version 1)",
      ].join('\n'),
    },
    { name: 'pixels_mnist', state: 'READY' },
  ]);
}, 30_000);

test('a version with labels and no postprocess answers the five best of them to a picture', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-labels-'));
  await writeFixtures(folder, ['pixels_mnist']);
  appendFileSync(join(folder, 'pixels_mnist/model.yaml'), '\nlabels: { pixels: labels.txt }\n');
  writeFileSync(
    join(folder, 'pixels_mnist/labels.txt'),
    Array.from({ length: 784 }, (_, i) => `pixel ${i}\n`).join(''),
  );
  const server = await startGatewayOn(folder, ['--workers', '1']);
  const { file } = await seededPng(28, 28, 1);
  const { json } = await asBody(`${server.v2}/models/pixels_mnist/infer`, file);
  await server.stop();
  rmSync(folder, { recursive: true });
  expect(json.outputs).toMatchObject([{ name: 'pixels', datatype: 'BYTES', shape: [1, 5] }]);
  const classes = json.outputs[0].data.map((text: string) => text.split(':'));
  expect(classes.map(([, index, label]: string[]) => label === `pixel ${index}`)).toEqual(Array(5).fill(true));
  const values = classes.map(([value]: string[]) => Number(value));
  expect(values).toEqual(values.toSorted((a: number, b: number) => b - a));
}, 30_000);
