import { describe, expect, test } from 'vitest';
import type { ImageHeader } from '../../../src/native/image-header.ts';
import { type DecodeCost, decodeCost } from '../../../src/preprocess/decode-cost.ts';
import { pipelineOf } from '../../support/pictures.ts';

const IMAGENET = pipelineOf('preset: imagenet', [-1, 3, 224, 224]);
const PLENTY = 2 ** 40;

function headerOf(width: number, height: number, more: Partial<ImageHeader> = {}): ImageHeader {
  const fixed = { status: 'ok', bits: 8, frames: 1, coding: 'rows', packed: 0, groups: 0, truncated: false } as const;
  return { ...fixed, format: 'jpeg', width, height, channels: 3, colour: 'rgb', orientation: 1, ...more };
}

const costOf = (header: ImageHeader, pipeline = IMAGENET, fileBytes = 100_000): DecodeCost =>
  decodeCost(header, pipeline, fileBytes, PLENTY);
const workOf = (...parts: Parameters<typeof costOf>): number => costOf(...parts).work;

describe('work', () => {
  test('is whole microseconds, and never nothing', () => {
    const { work } = costOf(headerOf(1, 1), IMAGENET, 0);
    expect(work).toBeGreaterThanOrEqual(1);
    expect(Number.isInteger(work)).toBe(true);
  });

  const square = workOf(headerOf(1000, 1000));
  test.each([
    ['pixels', workOf(headerOf(2000, 1000))],
    ['rows, for as many pixels', workOf(headerOf(100, 10_000))],
    ['bytes of its file', workOf(headerOf(1000, 1000), IMAGENET, 1_000_000)],
    ['scans', workOf(headerOf(1000, 1000, { coding: 'scans' }))],
    ['a turn', workOf(headerOf(1000, 1000, { orientation: 6 }))],
    ['a larger tensor', workOf(headerOf(1000, 1000), pipelineOf('resize: {}', [-1, 3, 640, 640]))],
  ])('is more for more: %s', (_, work) => {
    expect(work).toBeGreaterThan(square);
  });

  test('of a sliver is not that of its pixels alone', () => {
    const sliver = headerOf(1, 65_535, { channels: 1, colour: 'gray', format: 'png' });
    const tile = { ...sliver, width: 256, height: 256 };
    const mnist = pipelineOf('preset: mnist', [-1, 1, 28, 28]);
    expect(workOf(sliver, mnist, 200)).toBeGreaterThan(2 * workOf(tile, mnist, 200));
  });

  test('follows the reach of the filter', () => {
    const filtered = (filter: string) =>
      workOf(headerOf(1000, 1000), pipelineOf(`resize: { filter: ${filter} }`, [-1, 3, 224, 224]));
    const works = ['nearest', 'area', 'bilinear', 'bicubic', 'lanczos3'].map(filtered);
    expect(works).toEqual(works.toSorted((a, b) => a - b));
    expect(new Set(works).size).toBe(works.length);
  });

  test('is less for a JPEG that is decoded smaller', () => {
    const keys = (exact: boolean) => pipelineOf(`exact: ${exact}`, [-1, 3, 224, 224]);
    expect(workOf(headerOf(1000, 1000), keys(false))).toBeLessThan(workOf(headerOf(1000, 1000), keys(true)));
  });
});

describe('memory', () => {
  const bytesOf = (header: ImageHeader, most: number, pipeline = IMAGENET) =>
    decodeCost(header, pipeline, 0, most).bytes;

  test.each([
    [{}, 3],
    [{ orientation: 6 }, 6],
    [{ coding: 'scans' }, 9],
    [{ coding: 'scans', orientation: 3 }, 12],
    [{ format: 'png', coding: 'interlaced' }, 6],
    [{ format: 'webp', coding: 'lossy' }, 6],
    [{ format: 'webp', coding: 'lossless' }, 10],
  ] as const)('is what a decoder may take, and never more than there is: %j', (more, bytesAPixel) => {
    const bytes = 600 * bytesAPixel;
    const header = headerOf(30, 20, more);
    expect([bytes, bytes - 1, 100].map((most) => bytesOf(header, most))).toEqual([bytes, bytes - 1, 100]);
  });

  test('is less for a JPEG that is decoded smaller, but for its coefficients', () => {
    const keys = pipelineOf('exact: false', [-1, 3, 224, 224]);
    const bytes = (more: Partial<ImageHeader>) => bytesOf(headerOf(1000, 1000, more), PLENTY, keys);
    expect([bytes({}), bytes({ orientation: 6 }), bytes({ coding: 'scans' })]).toEqual([750_000, 750_000, 6_750_000]);
  });

  test('is more for a larger file', () => {
    const bytes = (fileBytes: number) => costOf(headerOf(1000, 1000), IMAGENET, fileBytes).bytes;
    expect(bytes(2_000)).toBe(bytes(1_000) + 3_000);
  });
});
