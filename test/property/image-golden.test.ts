import { expect, test } from 'vitest';
import { type ImageWork, imageFloats, imageInts, tensorBytes } from '../../src/native/image.ts';
import { loadBinding } from '../../src/native/load.ts';
import { goldenImages } from '../support/image-golden.ts';

const binding = loadBinding();
const images = goldenImages();

function made(pixels: Uint8Array, work: ImageWork, plain: boolean): Uint8Array {
  const target = new Uint8Array(tensorBytes(work));
  binding.imageToTensor(pixels, imageInts(work, plain), imageFloats(work), target, 0);
  return target;
}

test.each(images)('$name', ({ pixels, work, expected }) => {
  for (const plain of [false, true]) {
    const tensor = made(pixels, work, plain);
    const wrong = tensor.findIndex((byte, i) => byte !== expected[i]);
    expect(`${tensor.length} bytes, first difference at ${wrong}`).toBe(
      `${expected.length} bytes, first difference at -1`,
    );
  }
});

test('there is a case for every filter, layout, datatype and colour', () => {
  const seen = (what: (work: ImageWork) => string) => [...new Set(images.map(({ work }) => what(work)))].sort();
  expect(seen((work) => work.filter)).toEqual(['area', 'bicubic', 'bilinear', 'lanczos3', 'nearest']);
  expect(seen((work) => work.layout)).toEqual(['NCHW', 'NHWC']);
  expect(seen((work) => work.datatype)).toEqual(['FP16', 'FP32', 'UINT8']);
  expect(seen((work) => work.colour)).toEqual(['BGR', 'GRAY', 'RGB']);
});
