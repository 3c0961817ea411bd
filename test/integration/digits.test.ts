import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../src/config/model-schema.ts';
import { post, type RunningGateway, startGatewayOn } from '../support/gateway.ts';

const MODELS = fileURLToPath(new URL('../../models', import.meta.url));
const LEAST_ACCURACY: Readonly<Record<string, number>> = { 1: 0.97, 2: 0.985 };

let server: RunningGateway;

beforeAll(async () => {
  server = await startGatewayOn(MODELS);
});

afterAll(async () => {
  await server.stop();
});

const read = (version: string, file: string) => JSON.parse(readFileSync(`${MODELS}/digits/${version}/${file}`, 'utf8'));

test('the request of README is answered with the label of its digit', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const body = /curl \S+digits\/infer -d '([^']+)'/.exec(readme)?.[1] as string;
  const { status, json } = await post(`${server.v2}/models/digits/infer`, body);
  expect([status, json.outputs[0].data[0].split(':')[2]]).toEqual([200, '0']);
});

test('the latency target that its model.yaml hints at is one as it stands', () => {
  const text = readFileSync(`${MODELS}/digits/model.yaml`, 'utf8');
  expect(parseModelPolicy(text, 'model.yaml').slo).toBeNull();
  expect(parseModelPolicy(text.replace(/^# (?=slo:)/m, ''), 'model.yaml').slo).toEqual({ p99Ms: 50 });
});

describe.each(['1', '2'])('digits version %s', (version) => {
  const url = () => `${server.v2}/models/digits/versions/${version}/infer`;

  test('answers its 32 golden requests as recorded, sent at once', async () => {
    const names = Array.from({ length: 32 }, (_, i) => String(i).padStart(2, '0'));
    const replies = await Promise.all(names.map((name) => post(url(), read(version, `golden/${name}.request.json`))));
    replies.forEach(({ json }, i) => {
      const expected = read(version, `golden/${names[i]}.response.json`).outputs[0];
      expect(json.outputs[0]).toMatchObject({ name: 'probabilities', datatype: 'FP32', shape: [1, 10] });
      json.outputs[0].data.forEach((p: number, k: number) => {
        expect(p).toBeCloseTo(expected.data[k], 5);
      });
    });
  });

  test('names the label of a golden digit', async () => {
    const labels = read(version, 'golden/labels.json');
    const outputs = [{ name: 'probabilities', parameters: { classification: 1 } }];
    const { json } = await post(url(), { ...read(version, 'golden/00.request.json'), outputs });
    expect(json.outputs[0].data[0].split(':')[2]).toBe(String(labels[0]));
  });

  test('has a manifest of the script and the files beside it, and the accuracy asked for', () => {
    const manifest = read(version, 'manifest.json');
    const script = readFileSync(`${MODELS}/digits/train.py`);
    expect(manifest.lineage.script.sha256).toBe(createHash('sha256').update(script).digest('hex'));
    expect(manifest.metrics.heldOut.accuracy).toBeGreaterThanOrEqual(LEAST_ACCURACY[version] as number);
    expect(manifest.files['model.onnx'].bytes).toBeLessThan(1024 * 1024);
  });
});
