import { describe, expect, test } from 'vitest';
import { type ImageHeader, readImageHeader } from '../../../src/native/image-header.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { memoryToDecode } from '../../../src/preprocess/decode-memory.ts';
import {
  END,
  exifSegment,
  frameHeader,
  ihdr,
  jpeg,
  png,
  pngChunk,
  riffChunk,
  scan,
  segment,
  tiff,
  vp8,
  vp8l,
  vp8x,
  webp,
} from '../../support/image-bytes.ts';
import { photographs } from '../../support/mutated-pictures.ts';

const binding = loadBinding();
const FILES = await photographs();

function headerOf(file: Uint8Array): ImageHeader {
  const header = readImageHeader(binding, file);
  if (header.status !== 'ok') throw new Error(header.status);
  return header;
}

const place = (turned: boolean) => ({ turn: { mirrored: false, degrees: turned ? 90 : 0 }, shrunk: null }) as const;

/** By pixel. */
function memory(file: Uint8Array, turned = false, fileBytes = 0): number {
  const header = headerOf(file);
  return memoryToDecode(header, place(turned), fileBytes) / (header.width * header.height);
}

describe('a picture is counted by the bytes of its pixels', () => {
  test.each([
    ['JPEG', 3],
    ['JPEG, progressive', 9],
    ['PNG', 3],
    ['PNG, interlaced', 6],
    ['PNG, palette', 3],
    ['PNG, alpha', 4],
    ['WebP', 6],
  ])('%s: %i', (name, bytes) => {
    expect(memory(FILES[name].file)).toBe(bytes);
  });

  test('and once more where it is turned', () => {
    expect([memory(FILES.JPEG.file, true), memory(FILES['PNG, alpha'].file, true)]).toEqual([6, 8]);
  });
});

test.each([
  ['gray', 0, 2 + 3],
  ['gray and alpha', 4, 4 + 4],
  ['colour', 2, 6],
])('16 bits, %s: as stored, and gray as the colours that it is decoded to', (_, type, bytes) => {
  expect(memory(png(ihdr(8, 8, 16, type), pngChunk('IDAT', [1]), pngChunk('IEND')))).toBe(bytes);
});

test('a file is counted by the copies that are made of it, and what is packed in a PNG beside pixels is not', () => {
  const text = pngChunk('zTXt', [0x6b, 0, 0, ...Buffer.alloc(997)]);
  const file = (interlaced: number) =>
    png(ihdr(8, 8, 8, 2, [0, 0, interlaced]), text, pngChunk('IDAT', [1]), pngChunk('IEND'));
  expect([memory(file(0), false, 640), memory(file(1), false, 640)]).toEqual([3 + 10, 6 + 10]);
  expect([memory(jpeg(frameHeader(8, 8), scan(3), END), false, 640), memory(webp(vp8(8, 8)), false, 640)]).toEqual([
    3 + 3 * 10,
    6 + 2 * 10,
  ]);
});

describe('a lossless WebP is counted with a plane of ARGB and the tables of its codes', () => {
  const GROUP_BYTES = 5_004 * 4 + 568;
  const still = (...chunks: Buffer[]) => memory(webp(vp8x(8, 8, 0x10), ...chunks, vp8(8, 8)));

  test.each([
    ['WebP, lossless', 10],
    ['WebP, alpha', 12],
  ])('%s: %i by pixel, and a few of groups', (name, bytes) => {
    const { file, width, height } = FILES[name];
    const { groups } = headerOf(file);
    expect(groups).toBeLessThanOrEqual(20 * 15);
    expect(memory(file)).toBeCloseTo(bytes + (groups * GROUP_BYTES) / (width * height), 9);
  });

  test('as many groups as its header leaves possible, and no more than its bytes can fill', () => {
    const tables = (groups: number, packed: number) =>
      memoryToDecode({ ...headerOf(webp(vp8l(8, 8))), groups, packed }, place(false), 0) - 8 * 8 * 10;
    expect(tables(65_536, 1e7)).toBe(65_536 * GROUP_BYTES);
    expect(tables(65_536, 1_000)).toBe(2_276_000);
  });

  test('alpha that is stored as it is takes neither', () => {
    const [stored, packed] = [riffChunk('ALPH', [0, 0, 0]), riffChunk('ALPH', [1, 0, 0])];
    expect([still(stored), still(packed)]).toEqual([8, 12 + (2 * 2_276) / 64]);
  });
});

describe('whether a JPEG has many scans is found behind', () => {
  const progressive = frameHeader(8, 8, 3, 0xc2);
  test.each([
    ['segments', [exifSegment(tiff(6)), segment(0xfe, [1, 2, 3]), segment(0xc4, [0])]],
    ['fill', [Buffer.from([0xff, 0xff])]],
    ['markers that stand alone', [segment(0xd0), segment(0x01)]],
    ['a comment that looks like a frame', [segment(0xfe, frameHeader(8, 8))]],
  ])('%s', (_, before) => {
    expect(memory(jpeg(...before, progressive, scan(3), END))).toBe(9);
    expect(memory(jpeg(...before, frameHeader(8, 8), scan(3), END))).toBe(3);
    expect(memory(jpeg(...before, frameHeader(8, 8), scan(1), scan(2), END))).toBe(9);
    expect(memory(jpeg(...before, frameHeader(8, 8, 1, 0xca), scan(1), END))).toBe(3);
  });
});
