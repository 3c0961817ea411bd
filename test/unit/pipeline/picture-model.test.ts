import { describe, expect, it } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { Signature } from '../../../src/core/tensor.ts';
import { pictureModel } from '../../../src/pipeline/picture-model.ts';

const IMAGE = { name: 'image', datatype: datatype('FP32'), shape: [-1, 3, 8, 8] };
const output = (name: string, type: 'FP32' | 'INT64', shape: number[]) => ({ name, datatype: datatype(type), shape });
const SIGNATURE: Signature = {
  inputs: [IMAGE],
  outputs: [
    output('logits', 'FP32', [-1, 2]),
    output('embedding', 'FP32', [-1, 4]),
    output('number', 'INT64', [-1, 2]),
    output('score', 'FP32', [-1]),
    output('few', 'FP32', [-1, 3]),
    output('any', 'FP32', [-1, -1]),
  ],
};
const LABELS = new Map(['logits', 'number', 'score', 'few', 'any'].map((name) => [name, ['cat', 'dog']]));

function modelOf(text: string, labels: ReadonlyMap<string, readonly string[]>) {
  return pictureModel(parseModelPolicy(text, 'model.yaml'), SIGNATURE, labels);
}

describe('what is answered to pictures where nothing is declared', () => {
  it('is the five best classes of the outputs that have a label for each', () => {
    const model = modelOf('preprocess: { input: image, image: {} }', LABELS);
    const classes = { kind: 'classes', activation: 'none', topK: 5, argmax: false, threshold: null };
    expect(model?.declared).toEqual({ logits: classes, any: classes });
    expect(model?.input.answers).toBe(true);
  });

  it('is the outputs as they are where none has labels', () => {
    const model = modelOf('preprocess: { input: image, image: {} }', new Map());
    expect([model?.declared, model?.input.answers]).toEqual([{}, false]);
  });

  it('is what is declared, and no more', () => {
    const model = modelOf('preprocess: { input: image, image: {} }\npostprocess: { any: { argmax: true } }', LABELS);
    expect(Object.keys(model?.declared ?? {})).toEqual(['any']);
  });
});
