import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { pixelsOnly } from '../../../src/preprocess/png-pixels.ts';
import { ihdr, png, pngChunk } from '../../support/image-bytes.ts';
import { goldenPictures } from '../../support/pictures.ts';

const IHDR = ihdr(5, 4);
const PLTE = pngChunk('PLTE', [1, 2, 3]);
const TRNS = pngChunk('tRNS', [9]);
const IDAT = pngChunk('IDAT', [1]);
const END = pngChunk('IEND');
const names = ['tEXt', 'zTXt', 'iTXt', 'iCCP', 'gAMA', 'eXIf', 'acTL', 'fdAT', 'pHYs', 'teXt'];
const beside = names.map((name, i) => pngChunk(name, Buffer.alloc(i * 100)));

test('the chunks that pixels are made of stay, in order; critical ones that nobody knows too', () => {
  const unknown = pngChunk('ABcd', [7]);
  const [a, b, c] = [beside.slice(0, 3), beside.slice(3, 7), beside.slice(7)];
  const file = png(IHDR, ...a, PLTE, TRNS, unknown, ...b, IDAT, IDAT, ...c, END, Buffer.from('behind'));
  expect(Buffer.from(pixelsOnly(file))).toEqual(png(IHDR, PLTE, TRNS, unknown, IDAT, IDAT, END));
});

test.each(names.map((name, i) => [name, beside[i]] as const))('%s alone is left out', (_, chunk) => {
  expect(Buffer.from(pixelsOnly(png(IHDR, chunk, IDAT, END)))).toEqual(png(IHDR, IDAT, END));
  expect(Buffer.from(pixelsOnly(png(IHDR, IDAT, chunk, END)))).toEqual(png(IHDR, IDAT, END));
});

test('what has nothing else is not copied, nor what is no PNG', () => {
  for (const file of [png(IHDR, PLTE, IDAT, END), Buffer.from('RIFF....WEBP'), Buffer.alloc(0)]) {
    expect(pixelsOnly(file)).toBe(file);
  }
});

test('a file that lies in the middle of shared memory is found there', () => {
  const file = png(IHDR, ...beside, IDAT, END);
  const shared = new Uint8Array(new SharedArrayBuffer(file.length + 7)).subarray(3, 3 + file.length);
  shared.set(file);
  expect(Buffer.from(pixelsOnly(shared))).toEqual(png(IHDR, IDAT, END));
  expect(Buffer.from(shared)).toEqual(file);
});

test('from a chunk on that reaches beyond the file, the rest stays', () => {
  const data = png(IHDR, beside[1], IDAT).subarray(0, -1);
  expect(Buffer.from(pixelsOnly(data))).toEqual(png(IHDR, IDAT).subarray(0, -1));
  const text = png(IHDR, beside[1]).subarray(0, -1);
  expect(pixelsOnly(text)).toBe(text);
});

describe('a decoder finds the same picture in what is left of', () => {
  const files = goldenPictures().filter(({ name, pixels }) => name.startsWith('PNG') && pixels !== null);

  test.each(files)('$name', async ({ file }) => {
    const noted = Buffer.concat([file.subarray(0, 33), ...beside.slice(0, 4), file.subarray(33)]);
    const raw = (bytes: Uint8Array) => sharp(bytes, { ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true });
    const left = pixelsOnly(noted);
    expect(left.length).toBeLessThanOrEqual(file.length);
    const [own, kept] = await Promise.all([raw(file), raw(left)]);
    expect(kept.info).toEqual(own.info);
    expect(kept.data.equals(own.data)).toBe(true);
  });
});
