import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/error.ts';
import { parseManifest } from '../../../src/config/manifest-schema.ts';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';

const SHA = 'a'.repeat(64);

function manifest(change: object = {}): string {
  const base = {
    model: 'm',
    version: '2',
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
      outputs: [{ name: 'y', datatype: 'INT64', shape: [-1] }],
    },
    files: { 'model.onnx': { sha256: SHA, bytes: 12 } },
    lineage: { seed: 1 },
  };
  return JSON.stringify({ ...base, ...change }, null, 2);
}

describe('model.yaml', () => {
  it('gives every default for an empty file', () => {
    expect(parseModelPolicy('', 'model.yaml')).toEqual({
      maxBatchRows: null,
      slo: null,
      instances: { min: 1, max: null },
      queueRows: null,
      queueBytes: null,
      session: {
        executionProviders: [{ name: 'cpu', deviceId: 0 }],
        intraOpThreads: null,
        graphOptimization: 'all',
        extra: {},
      },
      labels: {},
      preprocess: null,
      postprocess: {},
    });
  });

  it.each([
    ['instances: 3', { min: 3, max: 3 }],
    ['instances: { min: 2 }', { min: 2, max: null }],
    ['instances: { max: 4 }', { min: 1, max: 4 }],
    ['instances: { min: 2, max: 2 }', { min: 2, max: 2 }],
  ])('takes %s', (text, expected) => expect(parseModelPolicy(text, 'f').instances).toEqual(expected));

  it('takes a target that is not stated for none', () => {
    expect(parseModelPolicy('slo: null', 'f').slo).toBeNull();
    expect(parseModelPolicy('slo:', 'f').slo).toBeNull();
  });

  it('takes a target of a part of a millisecond', () => {
    expect(parseModelPolicy('slo: { p99Ms: 0.5 }', 'f').slo).toEqual({ p99Ms: 0.5 });
  });

  it('takes a provider as a name or with its device, in order', () => {
    const text = 'session: { executionProviders: [{ name: cuda, deviceId: 1 }, cpu] }';
    expect(parseModelPolicy(text, 'f').session.executionProviders).toEqual([
      { name: 'cuda', deviceId: 1 },
      { name: 'cpu', deviceId: 0 },
    ]);
  });

  it('is frozen to its depth', () => {
    const policy = parseModelPolicy('labels: { probabilities: labels.txt }', 'f');
    expect(Object.isFrozen(policy.labels) && Object.isFrozen(policy.session.executionProviders[0])).toBe(true);
  });

  it.each([
    ['maxBatchRow: 1', "m.yaml:1:1: unknown key 'maxBatchRow'; expected one of maxBatchRows"],
    ['maxBatchRows: -1', 'm.yaml:1:1: maxBatchRows: expected at least 0, found -1'],
    ['instances: 0', 'm.yaml:1:1: instances: expected a number of at least 1, or { min: 1, max: 4 }'],
    ['instances: 1.5', 'or { min: 1, max: 4 } with min not above max, found 1.5'],
    ['instances: [1]', 'or { min: 1, max: 4 } with min not above max, found [1]'],
    ['slo: { p99Ms: 5 }\ninstances:\n  min: 3\n  max: 2', 'm.yaml:2:1: instances: expected a number of at least 1'],
    ['instances: { min: 3, max: 2 }', 'with min not above max, found {"min":3,"max":2}'],
    ['instances: { min: 0 }', 'm.yaml:1:14: instances.min: expected at least 1, found 0'],
    ['instances: { mim: 2 }', "m.yaml:1:14: unknown key 'mim'; expected one of min, max"],
    [
      'slo: { p99Ms: 0 }',
      'm.yaml:1:8: slo.p99Ms: expected a number of milliseconds above 0 and at most 3600000, found 0',
    ],
    ['slo: { p99Ms: -5 }', 'found -5'],
    ['slo: { p99Ms: .nan }', 'slo.p99Ms: expected a number of milliseconds above 0 and at most 3600000, found NaN'],
    ['slo: { p99Ms: .inf }', 'found Infinity'],
    ['slo: { p99Ms: 3600001 }', 'at most 3600000, found 3600001'],
    ['slo: { p99Ms: "50" }', 'slo.p99Ms: expected a number of milliseconds above 0 and at most 3600000, found "50"'],
    ['slo: {}', 'slo.p99Ms: expected a number of milliseconds above 0 and at most 3600000, found nothing'],
    ['slo: { p99: 50, p99Ms: 50 }', "m.yaml:1:8: unknown key 'p99'; expected one of p99Ms"],
    ['slo: 50', 'm.yaml:1:1: slo: expected a mapping like { p99Ms: 50 }, found 50'],
    ['slo: [50]', 'm.yaml:1:1: slo: expected a mapping like { p99Ms: 50 }, found [50]'],
    ['maxDelayMs: 5', "unknown key 'maxDelayMs'"],
    ['session: { executionProviders: [tpu] }', 'expected cpu or cuda, found'],
    ['session: { executionProviders: [] }', 'expected a length of at least 1'],
    ['labels: { y: ../secret }', 'a file inside the folder of the model'],
    ['labels: { y: /etc/passwd }', 'a file inside the folder of the model'],
  ])('refuses %s', (text, expected) => {
    expect(() => parseModelPolicy(text, 'm.yaml')).toThrow(expected);
  });
});

describe('manifest.json', () => {
  it('turns datatype names into rows of the datatype table', () => {
    const read = parseManifest(manifest(), 'f');
    expect(read.signature.inputs[0].datatype).toMatchObject({ name: 'FP32', size: 4 });
    expect(read.files['model.onnx']).toEqual({ sha256: SHA, bytes: 12 });
    expect(Object.isFrozen(read.signature.inputs[0].shape)).toBe(true);
  });

  it('takes the version as text or as a number', () => {
    expect(parseManifest(manifest({ version: 7 }), 'f').version).toBe('7');
  });

  it.each([
    [{ signature: { inputs: [{ name: 'x', datatype: 'fp32', shape: [] }], outputs: [] } }, /one of BOOL/],
    [{ signature: { inputs: [], outputs: [{ name: 'x', datatype: 'FP32', shape: [-2] }] } }, /at least -1, found -2/],
    [{ files: { '../model.onnx': { sha256: SHA, bytes: 1 } } }, /files/],
    [{ files: { 'model.onnx': { sha256: 'A', bytes: 1 } } }, /64 lower-case/],
    [{ files: { 'model.onnx': { sha256: SHA, bytes: 1, size: 1 } } }, /unknown key 'size'/],
    [{ version: '01' }, /whole number from 1/],
  ])('refuses %j', (change, expected) => {
    expect(() => parseManifest(manifest(change), 'f')).toThrow(expected);
    expect(() => parseManifest(manifest(change), 'f')).toThrow(ConfigError);
  });
});
