import { describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';
import { disagreements } from '../../../src/preprocess/agreement.ts';

type Shape = readonly number[];

interface Model {
  readonly input?: readonly [Datatype, Shape];
  readonly output?: readonly [Datatype, Shape];
  readonly labels?: number;
}

function mistakes(yaml: string, { input, output, labels }: Model): string[] {
  const [inputType, inputShape] = input ?? ['FP32', [-1, 3, 8, 8]];
  const [outputType, outputShape] = output ?? ['FP32', [-1, 10]];
  const signature = {
    inputs: [{ name: 'x', datatype: datatype(inputType), shape: inputShape }],
    outputs: [{ name: 'y', datatype: datatype(outputType), shape: outputShape }],
  };
  const read = new Map(labels === undefined ? [] : [['y', Array.from({ length: labels }, (_, i) => `${i}`)]]);
  return disagreements({ model: 'm', version: '3', policy: parseModelPolicy(yaml, 'f'), signature, labels: read });
}

const image = (text: string) => `preprocess: { input: x, image: { ${text} } }\n`;

describe('a declared image', () => {
  test.each<[string, Datatype, Shape]>([
    ['', 'FP32', [-1, 3, 8, 8]],
    ['', 'FP32', [1, 3, 8, 8]],
    ['resize: { width: 8, height: 8 }', 'FP32', [-1, 3, -1, -1]],
    ['resize: { width: 8, height: 8 }', 'FP32', [-1, -1, -1, -1]],
    ['resize: { width: 8 }', 'FP32', [-1, 3, 9, -1]],
    ['layout: NHWC', 'FP32', [-1, 8, 8, 3]],
    ['color: GRAY', 'FP32', [-1, 1, 8, 8]],
    ['color: GRAY', 'FP32', [-1, 28, 28]],
    ['datatype: FP16', 'FP16', [-1, 3, 8, 8]],
    ['datatype: UINT8', 'UINT8', [-1, 3, 8, 8]],
    ['preset: mnist', 'FP32', [-1, 784]],
    ['preset: mnist', 'FP32', [-1, -1]],
    ['preset: imagenet', 'FP32', [-1, 3, 224, 224]],
  ])('agrees: %s with %s %j', (text, type, shape) => {
    expect(mistakes(image(text), { input: [type, shape] })).toEqual([]);
  });

  test.each<[string, Datatype, Shape, string]>([
    ['', 'FP16', [-1, 3, 8, 8], "image.datatype: expected FP16, found FP32; the input is 'x', FP16 [-1, 3, 8, 8]"],
    ['', 'INT64', [-1, 3, 8, 8], "input: expected an input of FP32, FP16 or UINT8, found 'x', INT64 [-1, 3, 8, 8]"],
    ['', 'FP32', [-1, 8, 8, 3], "image.layout: expected NHWC, found NCHW; the input is 'x', FP32 [-1, 8, 8, 3]"],
    ['layout: NHWC', 'FP32', [-1, 3, 8, 8], 'image.layout: expected NCHW, found NHWC'],
    ['color: GRAY', 'FP32', [-1, 3, 8, 8], 'image.color: expected RGB or BGR, found GRAY'],
    ['', 'FP32', [-1, 1, 8, 8], 'image.color: expected GRAY, found RGB'],
    ['', 'FP32', [-1, 4, 8, 8], 'input: expected an input with 1 or 3 channels (layout is NCHW), found'],
    ['resize: { width: 9 }', 'FP32', [-1, 3, 8, 8], 'image.resize.width: expected 8, found 9; the input is'],
    ['preset: imagenet', 'FP32', [-1, 3, 224, 299], 'image.resize.width: expected 299, found 224'],
    [
      '',
      'FP32',
      [-1, 3, -1, 8],
      'image.resize.height: expected a number of pixels, found nothing; the input leaves it open',
    ],
    ['', 'FP32', [2, 3, 8, 8], 'input: expected an input whose first dimension is free or 1, one row an image, found'],
    ['', 'FP32', [], 'input: expected an input whose first dimension is free or 1'],
    ['', 'FP32', [-1, 8, 8], 'input: expected an input of four dimensions, batch, channels, height and width, found'],
    ['', 'FP32', [-1, 1, 3, 8, 8], 'input: expected an input of four dimensions'],
    [
      'preset: mnist',
      'FP32',
      [-1, 64],
      'image.resize: expected a width and height that give 64 values, found 28 * 28 * 1 = 784',
    ],
    ['', 'FP32', [-1, 64], 'image.resize: expected width and height, found not both; the input is flat'],
  ])('does not: %s with %s %j', (text, type, shape, expected) => {
    const found = mistakes(image(text), { input: [type, shape] });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`m/model.yaml: preprocess.${expected}`);
    expect(found[0]).toMatch(/ \(version 3\)$/);
  });

  test('for an input that is none names those that are', () => {
    expect(mistakes('preprocess: { input: z, image: {} }', {})).toEqual([
      "m/model.yaml: preprocess.input: expected the name of an input (x), found 'z' (version 3)",
    ]);
  });

  test('has every mistake named at once', () => {
    const yaml = `${image('datatype: FP16, resize: { width: 9, height: 9 }')}postprocess: { z: {} }`;
    expect(mistakes(yaml, {})).toHaveLength(4);
  });

  test('is not asked of a model that takes tensors only', () => {
    expect(mistakes('', { input: ['BYTES', [-1]], labels: 1 })).toEqual([]);
  });
});

describe('what is declared to be answered', () => {
  const answer = (text: string) => `${image('')}postprocess: { y: { ${text} } }`;

  test.each<[string, Model]>([
    ['topK: 20', { labels: 10 }],
    ['argmax: true', { output: ['FP16', [-1, 10]] }],
    ['', { output: ['FP32', [-1, -1]], labels: 7 }],
    ['', { output: ['FP32', [1, 10, 1, 1]], labels: 10 }],
    ['boxes: { layout: yolov5 }', { output: ['FP32', [-1, 25_200, 85]], labels: 80 }],
    ['boxes: { layout: yolov8 }', { output: ['FP32', [-1, 84, 8400]], labels: 80 }],
    ['boxes: { layout: yolov8 }', { output: ['FP32', [-1, -1, -1]], labels: 3 }],
  ])('agrees: { %s } with %j', (text, model) => expect(mistakes(answer(text), model)).toEqual([]));

  test.each<[string, Model, string]>([
    [
      '',
      { output: ['INT64', [-1, 10]] },
      "postprocess.y: expected an output of FP32 or FP16, found 'y', INT64 [-1, 10]",
    ],
    ['', { output: ['FP32', [10, 10]] }, 'postprocess.y: expected an output whose first dimension is free or 1'],
    ['', { output: ['FP32', [-1]] }, 'postprocess.y: expected an output of rows of classes, found'],
    [
      '',
      { labels: 9 },
      "labels.y: expected a file of 10 labels, one a class, found 9; the output is 'y', FP32 [-1, 10]",
    ],
    [
      'boxes: { layout: yolov5 }',
      { output: ['FP32', [-1, 9, 85]], labels: 81 },
      'labels.y: expected a file of 80 labels',
    ],
    [
      'boxes: { layout: yolov8 }',
      { output: ['FP32', [-1, 84, 9]], labels: 81 },
      'labels.y: expected a file of 80 labels',
    ],
    [
      'boxes: { layout: yolov8 }',
      { output: ['FP32', [-1, 4, 9]] },
      'postprocess.y: expected an output of the form [batch, 4 + classes, boxes] for layout yolov8',
    ],
    ['boxes: { layout: yolov5 }', {}, 'expected an output of the form [batch, boxes, 5 + classes] for layout yolov5'],
  ])('does not: { %s } with %j', (text, model, expected) => {
    const found = mistakes(answer(text), model);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });

  test('for an output that is none names those that are', () => {
    expect(mistakes(`${image('')}postprocess: { z: {} }`, {})).toEqual([
      "m/model.yaml: postprocess.z: expected the name of an output (y), found 'z' (version 3)",
    ]);
  });
});

test('an output that has the name of what accompanies boxes cannot be answered beside them', () => {
  const boxes = (name: string) => ({ name, datatype: datatype('FP32'), shape: [-1, 84, 100] });
  const signature = {
    inputs: [{ name: 'x', datatype: datatype('FP32'), shape: [-1, 3, 8, 8] }],
    outputs: [boxes('y'), boxes('y_count'), boxes('y_labels'), boxes('z_count')],
  };
  const found = (outputs: string) => {
    const policy = parseModelPolicy(`${image('')}postprocess: { ${outputs} }\n`, 'f');
    return disagreements({ model: 'm', version: '3', policy, signature, labels: new Map() });
  };
  const declared = 'y: { boxes: { layout: yolov8 } }';
  expect(found(`${declared}, z_count: {}`)).toEqual([]);
  expect(found('y: {}, y_count: {}')).toEqual([]);
  expect(found(`${declared}, y_count: {}, y_labels: {}`)).toEqual(
    ['y_count', 'y_labels'].map(
      (name) =>
        `m/model.yaml: postprocess.${name}: expected no such key beside the boxes of 'y', found an output of their name (version 3)`,
    ),
  );
});
