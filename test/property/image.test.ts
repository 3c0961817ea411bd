import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ImageWork, imageFloats, imageInts, imageToTensor, tensorBytes } from '../../src/native/image.ts';
import { loadBinding } from '../../src/native/load.ts';
import { seededBytes } from '../support/image-golden.ts';

const binding = loadBinding();

const side = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 70 }) }, fc.constantFrom(1, 2, 15, 16, 17));
const part = fc.double({ min: 0, max: 1, noNaN: true });
const factor = fc.double({ min: -4, max: 4, noNaN: true });
const three = fc.tuple(factor, factor, factor);

/** A length within `whole`, at least 1, and a start that leaves room for it. */
function window(whole: number, long: number, far: number): [start: number, length: number] {
  const length = 1 + Math.floor(long * (whole - 1));
  return [Math.floor(far * (whole - length)), length];
}

const works: fc.Arbitrary<ImageWork> = fc
  .record({
    source: fc.record({ width: side, height: side, channels: fc.integer({ min: 1, max: 4 }) }),
    resized: fc.option(fc.record({ width: side, height: side }), { freq: 4 }),
    sampling: fc.constantFrom<[ImageWork['filter'], boolean]>(
      ...(['nearest', 'bilinear', 'bicubic', 'lanczos3', 'area'] as const).map(
        (filter) => [filter, true] as [ImageWork['filter'], boolean],
      ),
      ['bilinear', false],
      ['bicubic', false],
    ),
    parts: fc.tuple(part, part, part, part),
    around: fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 9 }))),
    colour: fc.constantFrom('RGB', 'BGR', 'GRAY'),
    layout: fc.constantFrom('NCHW', 'NHWC'),
    datatype: fc.constantFrom('FP32', 'FP16', 'UINT8'),
    scale: three,
    shift: three,
    pad: fc.double({ min: 0, max: 255, noNaN: true }),
  })
  .map(({ source, sampling, parts, around, ...rest }) => {
    const resized = rest.resized ?? { width: source.width, height: source.height };
    const [left, width] = window(resized.width, parts[0], parts[1]);
    const [top, height] = window(resized.height, parts[2], parts[3]);
    return {
      ...rest,
      ...{ source, resized },
      ...{ filter: sampling[0], antialias: sampling[1] },
      crop: { left, top, width, height },
      at: { left: around[0], top: around[1] },
      tensor: { width: width + around[0] + around[2], height: height + around[1] + around[3] },
    } as ImageWork;
  });

function pixelsOf({ source }: ImageWork, seed = 1): Uint8Array {
  return seededBytes(seed, source.width * source.height * source.channels);
}

function made(work: ImageWork, pixels = pixelsOf(work)): Uint8Array {
  const target = new Uint8Array(tensorBytes(work));
  imageToTensor(binding, pixels, work, target, 0);
  return target;
}

/** Whether the bytes are equal, without printing them. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

test('vector units and plain code give the same bytes, and touch nothing beside the row', () => {
  fc.assert(
    fc.property(works, fc.nat(), fc.nat({ max: 9 }), (work, seed, offset) => {
      const pixels = pixelsOf(work, seed);
      const bytes = tensorBytes(work);
      const [plain, quick] = [true, false].map((isPlain) => {
        const target = new Uint8Array(offset + bytes + 7).fill(0xa5);
        expect(binding.imageToTensor(pixels, imageInts(work, isPlain), imageFloats(work), target, offset)).toBe(bytes);
        return target;
      });
      expect(same(plain, quick)).toBe(true);
      const beside = [...quick.subarray(0, offset), ...quick.subarray(offset + bytes)];
      expect(beside.every((byte) => byte === 0xa5)).toBe(true);
    }),
    { numRuns: 1500 },
  );
});

test('every byte of the row is written', () => {
  fc.assert(
    fc.property(works, (work) => {
      const pixels = pixelsOf(work);
      const [zeros, ones] = [0, 0xff].map((fill) => {
        const target = new Uint8Array(tensorBytes(work)).fill(fill);
        imageToTensor(binding, pixels, work, target, 0);
        return target;
      });
      expect(same(zeros, ones)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

/** The pixels of a packed image within a window. */
function cut(
  image: Uint8Array,
  width: number,
  channels: number,
  { left, top, ...size }: ImageWork['crop'],
): Uint8Array {
  const rows = Array.from({ length: size.height }, (_, y) => {
    const start = ((top + y) * width + left) * channels;
    return image.subarray(start, start + size.width * channels);
  });
  return Buffer.concat(rows);
}

test('a window of the resampled image is what resampling all of it and cutting it out gives', () => {
  fc.assert(
    fc.property(works, (drawn) => {
      const as = { layout: 'NHWC', at: { left: 0, top: 0 }, datatype: 'UINT8' } as const;
      const work: ImageWork = { ...drawn, ...as, tensor: drawn.crop, scale: [1, 1, 1], shift: [0, 0, 0] };
      const whole: ImageWork = { ...work, crop: { left: 0, top: 0, ...work.resized }, tensor: work.resized };
      const channels = work.colour === 'GRAY' ? 1 : 3;
      expect(same(made(work), cut(made(whole), work.resized.width, channels, work.crop))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('wide images, taken a few columns at a time, are those of their parts', () => {
  // 3000 rows become 2: what lies between the two passes does not fit at once.
  const work: ImageWork = {
    source: { width: 5, height: 3000, channels: 3 },
    resized: { width: 400, height: 2 },
    ...{ filter: 'lanczos3', antialias: true, crop: { left: 0, top: 0, width: 400, height: 2 } },
    ...{ tensor: { width: 400, height: 2 }, at: { left: 0, top: 0 }, colour: 'RGB', layout: 'NHWC' },
    ...{ datatype: 'UINT8', scale: [1, 1, 1], shift: [0, 0, 0], pad: 0 },
  };
  const whole = made(work);
  for (const left of [0, 1, 13, 100, 383]) {
    const crop = { left, top: 0, width: 17, height: 2 };
    expect(same(made({ ...work, crop, tensor: crop }), cut(whole, 400, 3, crop))).toBe(true);
  }
});

test('an image of one colour stays that colour, whatever the filter', () => {
  fc.assert(
    fc.property(works, fc.nat({ max: 255 }), (work, level) => {
      const plain: ImageWork = { ...work, datatype: 'UINT8', scale: [1, 1, 1], shift: [0, 0, 0], pad: level };
      const tensor = made(plain, new Uint8Array(pixelsOf(plain).length).fill(level));
      expect(tensor.every((byte) => byte === level)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

/** A plain loop over an image of the right size: what the addon's vector code replaces. */
function loop(pixels: Uint8Array, count: number, scale: readonly number[], shift: readonly number[]): Float32Array {
  const out = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      out[c * count + i] = Math.fround(Math.fround(pixels[3 * i + c] * Math.fround(scale[c])) + Math.fround(shift[c]));
    }
  }
  return out;
}

test('an image of the right size is scaled and shifted as a loop in JavaScript does', () => {
  fc.assert(
    fc.property(works, three, three, (drawn, scale, shift) => {
      const { width, height } = drawn.source;
      const crop = { left: 0, top: 0, width, height };
      const form = {
        colour: 'RGB',
        layout: 'NCHW',
        datatype: 'FP32',
        crop,
        tensor: crop,
        at: { left: 0, top: 0 },
      } as const;
      const source = { width, height, channels: 3 };
      const work: ImageWork = { ...drawn, ...form, source, resized: source, scale, shift };
      const expected = loop(pixelsOf(work), width * height, scale, shift);
      expect(same(made(work), new Uint8Array(expected.buffer))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('numbers that do not fit are refused, and nothing is written', () => {
  const good = fc.sample(works, { numRuns: 1, seed: 7 })[0];
  const pixels = pixelsOf(good);
  const number = fc.oneof(fc.integer({ min: -3, max: 90 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  const places = imageInts(good).length - 1;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: places }), number), { minLength: 1, maxLength: 3 }), (changes) => {
      const ints = imageInts(good);
      for (const [place, value] of changes) ints[place] = value;
      const target = new Uint8Array(tensorBytes(good)).fill(0xa5);
      try {
        binding.imageToTensor(pixels, ints, imageFloats(good), target, 0);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect(target.every((byte) => byte === 0xa5)).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});
