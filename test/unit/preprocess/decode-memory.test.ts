import { describe, expect, test } from 'vitest';
import { readImageHeader } from '../../../src/native/image-header.ts';
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
  vp8x,
  webp,
} from '../../support/image-bytes.ts';
import { photographs } from '../../support/mutated-pictures.ts';

const binding = loadBinding();
const FILES = await photographs();

function memory(file: Uint8Array, turned = false): number {
  const header = readImageHeader(binding, file);
  if (header.status !== 'ok') throw new Error(header.status);
  return memoryToDecode(header, turned) / (header.width * header.height);
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
    ['WebP, lossless', 10],
    ['WebP, alpha', 12],
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

test('alpha that is stored as it is takes no plane of ARGB', () => {
  const still = (...chunks: Buffer[]) => memory(webp(vp8x(8, 8, 0x10), ...chunks, vp8(8, 8)));
  expect([still(riffChunk('ALPH', [0, 9])), still(riffChunk('ALPH', [1, 9]))]).toEqual([8, 12]);
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
