import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { ImageHeader } from '../../src/native/image-header.ts';
import { loadBinding } from '../../src/native/load.ts';
import { decodedBytes, judgePicture } from '../../src/preprocess/judge.ts';
import * as made from '../support/image-bytes.ts';
import { anmf, frameHeader, ihdr, jpeg, png, pngChunk, segment, vp8, vp8x, webp } from '../support/image-bytes.ts';
import { LIMITS } from '../support/pictures.ts';

const binding = loadBinding();
const END = pngChunk('IEND');

const judge = (file: Uint8Array, limits: Partial<typeof LIMITS> = {}): ImageHeader =>
  judgePicture(binding, { ...LIMITS, ...limits }, file, 0, file.byteLength);

/** What is said of it: code, limit and sentence; throws where it is taken. */
function refusal(file: Uint8Array, limits: Partial<typeof LIMITS> = {}): [string, string | null, string] {
  try {
    judge(file, limits);
  } catch (error) {
    if (error instanceof GatewayError) return [error.code, error.limit, error.message];
    throw error;
  }
  throw new Error('it was taken');
}

/** A PNG of one colour, which takes a thousandth of its pixels. */
function flatPng(width: number, height: number, bits: number, type: number, bytesPerPixel: number): Buffer {
  const data = deflateSync(Buffer.alloc(height * (1 + width * bytesPerPixel)), { level: 9 });
  return png(ihdr(width, height, bits, type), pngChunk('IDAT', data), END);
}

const text = (content: string) => Buffer.from(content, 'latin1');

describe('beyond a limit is 413 by the header', () => {
  test('I1 a bomb of 16,000 x 16,000 in 31 KB', () => {
    const bomb = flatPng(16_000, 16_000, 1, 0, 1 / 8);
    expect(bomb.length).toBeLessThan(40_000);
    const sentence = 'the image has 16000 x 16000 pixels, more than the limit of 67108864';
    expect(refusal(bomb)).toEqual(['PAYLOAD_TOO_LARGE', 'imagePixels', sentence]);
  });

  test('I2 8,000 x 8,000 in 16-bit RGBA, although its pixels are few enough', () => {
    const deep = png(ihdr(8_000, 8_000, 16, 6), pngChunk('IDAT', [1]), END);
    const [code, limit, sentence] = refusal(deep);
    expect([code, limit]).toEqual(['PAYLOAD_TOO_LARGE', 'imageBytes']);
    expect(sentence).toBe(
      'the image has 8000 x 8000 pixels in 4 channels of 16 bits: 512000000 bytes, more than the limit of 268435456',
    );
    expect(judge(png(ihdr(8_000, 8_000, 8, 6), pngChunk('IDAT', [1]), END))).toMatchObject({ width: 8_000 });
  });

  test('I3 an animation of 10,000 frames; as many as the limit are let in', () => {
    const frame = anmf(0, 0, 5, 4, made.riffChunk('ALPH', [0, 0]), vp8(5, 4));
    const film = webp(vp8x(5, 4, 0x12), ...Array.from({ length: 10_000 }, () => frame));
    const sentence = 'the image has 10000 frames, more than the limit of 1';
    expect(refusal(film)).toEqual(['PAYLOAD_TOO_LARGE', 'imageFrames', sentence]);
    expect(refusal(film, { imageFrames: 9_999 })[1]).toBe('imageFrames');
    expect(judge(film, { imageFrames: 10_000 })).toMatchObject({ frames: 10_000 });
    // Of more a reader of headers would not see the end.
    expect(() => loadConfig({ args: ['--limits-image-frames', '10001'], env: {} })).toThrow(/imageFrames/);
  });

  test('I9 a side that no kernel takes, and not one that every kernel does', () => {
    const strip = (width: number, height: number) => png(ihdr(width, height), pngChunk('IDAT', [1]), END);
    expect(refusal(strip(65_536, 1)).slice(0, 2)).toEqual(['PAYLOAD_TOO_LARGE', 'imagePixels']);
    expect(refusal(strip(1, 65_536))[2]).toContain('no side may be longer than 65535');
    expect(judge(strip(65_535, 1))).toMatchObject({ width: 65_535 });
  });

  test('the limits are those of the configuration', () => {
    const small = png(ihdr(10, 10), pngChunk('IDAT', [1]), END);
    expect(refusal(small, { imagePixels: 99 })[1]).toBe('imagePixels');
    expect(judge(small, { imagePixels: 100 })).toMatchObject({ height: 10 });
    expect(refusal(small, { imageBytes: 299 })[1]).toBe('imageBytes');
    expect(judge(small, { imageBytes: 300 })).toMatchObject({ height: 10 });
  });
});

describe('what costs a decoder much beside its pixels is 400 by the structure', () => {
  const many = (count: number, unit: Buffer) => Buffer.concat(Array.from({ length: count }, () => unit));
  const sof = frameHeader(5, 4, 3, 0xc2);

  /** The sentence for a file of `most + 1`; one of `most` is taken. */
  function beyond(most: number, make: (count: number) => Buffer): string {
    expect(judge(make(most))).toMatchObject({ width: 5, height: 4 });
    const [code, limit, sentence] = refusal(make(most + 1));
    expect([code, limit]).toEqual(['INVALID_ARGUMENT', null]);
    return sentence.replace(/ \(byte \d+\)$/, '');
  }

  test('a JPEG of more than 32 scans, with coded data and tables between them', () => {
    const tables = segment(0xc4, [0]);
    const coded = Buffer.from([1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xff, 0, 4]);
    const make = (count: number) => jpeg(sof, many(count, Buffer.concat([tables, made.SCAN, coded])), made.END);
    expect(beyond(32, make)).toBe('the image is no well-formed JPEG: it has more than 32 scans');
  });

  test('scans behind the end are not counted, nor what looks like them in other segments', () => {
    const within = segment(0xfe, many(40, made.SCAN));
    const file = jpeg(sof, within, made.SCAN, within, made.SCAN, made.END, many(40, made.SCAN));
    expect(judge(file)).toMatchObject({ coding: 'scans', truncated: false });
  });

  test.each([
    ['before the frame', (fill: Buffer) => jpeg(fill, sof, made.SCAN, made.END)],
    ['in a scan', (fill: Buffer) => jpeg(sof, made.SCAN, fill, made.END)],
  ])('a JPEG of more than 64 KiB of fill, %s', (_, file) => {
    const sentence = beyond(65_536, (count) => file(Buffer.alloc(count, 0xff)));
    expect(sentence).toBe('the image is no well-formed JPEG: it has more than 65536 bytes of fill');
  });

  test('a JPEG of more than 10,000 segments, three of which are its frame, scan and end', () => {
    const make = (count: number) => jpeg(many(count, segment(0xe0, [])), sof, made.SCAN, made.END);
    expect(beyond(10_000 - 3, make)).toContain('more than 10000 segments');
  });

  test('a PNG of more than 32,768 chunks, be they pixels', () => {
    const make = (count: number) => png(ihdr(5, 4), many(count, pngChunk('IDAT')), END);
    expect(beyond(32_768 - 1, make)).toBe('the image is no well-formed PNG: it has more than 32768 chunks');
  });

  test.each([
    ['beside its picture', (rest: Buffer) => webp(vp8x(5, 4), rest, vp8(5, 4)), 2],
    ['in a frame', (rest: Buffer) => webp(vp8x(5, 4, 2), anmf(0, 0, 5, 4, rest, vp8(5, 4))), 3],
  ])('a WebP of more than 32,768 chunks, %s', (_, file, others) => {
    const make = (count: number) => file(many(count, made.riffChunk('JUNK', [])));
    expect(beyond(32_768 - others, make)).toBe('the image is no well-formed WebP: it has more than 32768 chunks');
  });

  test('texts and profile of a PNG are none of it: nobody unpacks them', () => {
    const packed = ['zTXt', 'iCCP', 'iTXt', 'tEXt'].map((name) => pngChunk(name, Buffer.alloc(1_000_000, 1)));
    const texts = many(10_000, pngChunk('tEXt', [1]));
    expect(judge(png(ihdr(5, 4), ...packed, texts, pngChunk('IDAT', [1]), ...packed, END))).toMatchObject({ width: 5 });
  });
});

describe('what is neither JPEG, PNG nor WebP is 415', () => {
  test.each([
    ['GIF', 'GIF89a\x01\0\x01\0\x80\0\0'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'],
    [
      'SVG with a prologue',
      '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    ],
    ['TIFF', 'II*\0\x08\0\0\0'],
    ['TIFF, big endian', 'MM\0*\0\0\0\x08'],
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['AVIF', '\0\0\0\x18ftypavif\0\0\0\0mif1avif'],
    ['JPEG XL', '\xff\x0a\xfa\x1f\x01\x91\x08\x06'],
    ['JPEG XL in a box', '\0\0\0\x0cJXL \r\n\x87\n'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['PDF', '%PDF-1.7\n%\xe2\xe3\xcf\xd3'],
    ['vips', '\x08\xf2\xa6\xb6'],
    ['BMP', 'BM\x46\0\0\0\0\0\0\0\x36\0\0\0'],
    ['PPM', 'P6\n1 1\n255\n\x01\x02\x03'],
    ['FITS', 'SIMPLE  =                    T'],
    ['EXR', 'v/1\x01\x02\0\0\0'],
    ['Radiance', '#?RADIANCE\n'],
    ['JSON', '{"inputs": []}'],
    ['zeros', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'],
    ['a JPEG behind a byte', `x${jpeg(frameHeader(5, 4), made.SCAN, made.END).toString('latin1')}`],
    ['a JPEG behind a PDF', `%PDF-1.4\n${jpeg(frameHeader(5, 4), made.SCAN, made.END).toString('latin1')}`],
  ])('I5 %s', (_, content) => {
    const sentence = 'the image is neither JPEG, PNG nor WebP';
    expect(refusal(text(content))).toEqual(['UNSUPPORTED_MEDIA_TYPE', null, sentence]);
  });
});

describe('what is one of them and cannot be taken is 400', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data',
    'https://example.com/a.png',
    ' HTTPS://example.com/a.png',
    'file:///etc/passwd',
    'data:image/png;base64,iVBORw0KGgo=',
    's3://bucket/a.png',
  ])('I13 an address instead of bytes: %s', (address) => {
    const [code, , sentence] = refusal(text(address));
    expect([code, sentence]).toEqual([
      'INVALID_ARGUMENT',
      'the image is to be sent itself: these bytes are its address, and nothing is fetched',
    ]);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'the image is empty'],
    [
      'CMYK',
      jpeg(frameHeader(5, 4, 4), made.SCAN, made.END),
      'the image is a JPEG in CMYK; RGB, YCbCr and gray are taken',
    ],
    [
      '12 bits',
      jpeg(frameHeader(5, 4, 3, 0xc1, 12), made.SCAN, made.END),
      'the image is a JPEG of 12 bits a sample; 8 are taken',
    ],
    [
      'five components',
      jpeg(frameHeader(5, 4, 5), made.SCAN, made.END),
      /^the image is no well-formed JPEG: its components/,
    ],
    [
      'a JPEG without its end',
      jpeg(frameHeader(5, 4), made.SCAN),
      'the image is a JPEG that ends too early: bytes are missing',
    ],
    [
      'a PNG without its end',
      png(ihdr(5, 4), pngChunk('IDAT', [1])),
      'the image is a PNG that ends too early: bytes are missing',
    ],
  ])('%s', (_, file, expected) => {
    const [code, limit, sentence] = refusal(file);
    expect([code, limit]).toEqual(['INVALID_ARGUMENT', null]);
    if (expected instanceof RegExp) expect(sentence).toMatch(expected);
    else expect(sentence).toBe(expected);
  });

  test('I9 0 x 0', () => {
    const sentence = 'the image is no well-formed PNG: its width or height is 0 (byte 16)';
    expect(refusal(png(ihdr(0, 0), pngChunk('IDAT', [1]), END))).toEqual(['INVALID_ARGUMENT', null, sentence]);
  });

  test('a limit is spoken of before damage: what is cut off is judged by its size too', () => {
    expect(refusal(png(ihdr(16_000, 16_000), pngChunk('IDAT', [1])))[1]).toBe('imagePixels');
  });
});

test('a picture is found where it lies in a body', () => {
  const picture = png(ihdr(7, 5), pngChunk('IDAT', [1]), END);
  const body = Buffer.concat([Buffer.from('http://'), picture, Buffer.from('behind')]);
  expect(judgePicture(binding, LIMITS, body, 7, picture.length)).toMatchObject({ format: 'png', width: 7, height: 5 });
  expect(() => judgePicture(binding, LIMITS, body, 0, 7)).toThrow(/address/);
});

test('memory counts channels and depth; a palette is counted as its colours', () => {
  const header = { width: 10, height: 3, channels: 4, bits: 16 } as ImageHeader;
  expect(decodedBytes(header)).toBe(240);
  expect(decodedBytes({ ...header, bits: 8 })).toBe(120);
  expect(decodedBytes({ ...header, channels: 3, bits: 1, colour: 'palette' })).toBe(90);
});
