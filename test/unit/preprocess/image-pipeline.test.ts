import { describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { type Datatype, datatype } from '../../../src/core/datatype.ts';
import type { ImageDeclaration } from '../../../src/core/image.ts';
import { type ImagePipeline, imagePipeline, type PixelMap, pixelMap } from '../../../src/preprocess/image-pipeline.ts';

/** The pipeline of the keys `text` for an input of that shape. */
function pipelineOf(text: string, shape: readonly number[], type: Datatype = 'FP32'): ImagePipeline {
  const declared = parseModelPolicy(`preprocess: { input: x, image: { ${text} } }`, 'f').preprocess as ImageDeclaration;
  const spec = (name: string) => ({ name, datatype: datatype(type), shape });
  return imagePipeline(declared, { inputs: [spec('other'), spec('x')], outputs: [] });
}

const mapped = ({ multiply, add }: PixelMap, pixel: number) => multiply.map((m, c) => pixel * m + (add[c] as number));

const torchvision = (pixel: number) =>
  [0.485, 0.456, 0.406].map((mean, c) => (pixel / 255 - mean) / ([0.229, 0.224, 0.225][c] as number));

describe('a pipeline bound to its input', () => {
  test('knows the input by its position, its size and the bytes of a row', () => {
    const bound = pipelineOf('preset: imagenet', [-1, 3, 224, 224]);
    expect(bound).toMatchObject({ input: 1, width: 224, height: 224, channels: 3, shortestSide: 256, exif: true });
    expect(bound.rowBytes).toBe(224 * 224 * 3 * 4);
    expect(Object.isFrozen(bound) && Object.isFrozen(bound.straight.add)).toBe(true);
  });

  test.each([
    ['color: GRAY', [-1, 1, 8, 9], { width: 9, height: 8, channels: 1 }],
    ['color: GRAY', [-1, 8, 9], { width: 9, height: 8 }],
    ['layout: NHWC', [-1, 8, 9, 3], { width: 9, height: 8, channels: 3 }],
    ['resize: { width: 5, height: 6 }', [-1, 3, -1, -1], { width: 5, height: 6 }],
    ['preset: mnist', [-1, 784], { width: 28, height: 28, rowBytes: 784 * 4 }],
  ])('has the size that is stated, else that of the input: %s, %j', (text, shape, expected) => {
    expect(pipelineOf(text, shape)).toMatchObject(expected);
  });

  test('scales the shorter side to the larger side of the tensor where nothing is said of it', () => {
    const bound = pipelineOf('resize: { mode: shortest-side, width: 100, height: 60 }', [-1, 3, -1, -1]);
    expect(bound.shortestSide).toBe(100);
  });

  test.each([0, 1, 127, 255])('takes pixel %i to what ToTensor and Normalize make of it', (pixel) => {
    const { straight } = pipelineOf('preset: imagenet', [-1, 3, 224, 224]);
    const expected = torchvision(pixel);
    mapped(straight, pixel).forEach((value, c) => {
      expect(value).toBeCloseTo(expected[c] as number, 12);
    });
  });

  test('leaves raw bytes as they are', () => {
    const { straight, inverted, rowBytes } = pipelineOf('datatype: UINT8', [-1, 3, 2, 2], 'UINT8');
    expect(straight).toEqual({ multiply: [1, 1, 1], add: [0, 0, 0], pad: 0 });
    expect(inverted).toEqual({ multiply: [-1, -1, -1], add: [255, 255, 255], pad: 255 });
    expect(rowBytes).toBe(12);
  });
});

describe('the polarity of pictures', () => {
  const digits = 'color: GRAY, resize: { pad: 10 }, polarity: { model: light-on-dark, pictures: dark-on-light }';

  test('is what model.yaml says, unless a request says otherwise', () => {
    const bound = pipelineOf(digits, [-1, 1, 8, 8]);
    expect(pixelMap(bound, null)).toBe(bound.inverted);
    expect(pixelMap(bound, 'dark-on-light')).toBe(bound.inverted);
    expect(pixelMap(bound, 'light-on-dark')).toBe(bound.straight);
  });

  test('turns white paper to the black that the model knows, and leaves what is padded as stated', () => {
    const { straight, inverted } = pipelineOf(digits, [-1, 1, 8, 8]);
    expect(mapped(inverted, 255)[0]).toBeCloseTo(0, 12);
    expect(mapped(inverted, 0)[0]).toBeCloseTo(1, 12);
    expect(mapped(inverted, inverted.pad)[0]).toBeCloseTo(mapped(straight, 10)[0] as number, 12);
  });

  test('does not matter to a model that says nothing of it', () => {
    const bound = pipelineOf('', [-1, 3, 8, 8]);
    expect(pixelMap(bound, null)).toBe(bound.straight);
  });
});
