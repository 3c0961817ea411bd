import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { type ImageHeader, readImageHeader } from '../../../src/native/image-header.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { random } from '../../support/fixtures/random.ts';
import * as made from '../../support/image-bytes.ts';
import { predictedWebp } from '../../support/unpacked.ts';

const { jpeg, png, webp, segment, frameHeader, SCAN, END, ihdr, pngChunk, vp8, vp8l, vp8x, anmf, tiff } = made;

const binding = loadBinding();
const read = (bytes: Uint8Array) => readImageHeader(binding, bytes);
const IDAT = pngChunk('IDAT', [1]);
const IEND = pngChunk('IEND');

/** A picture of 13 x 7 with noise in it. */
function picture(channels: 1 | 2 | 3 | 4): Sharp {
  const raw = Buffer.from(Array.from({ length: 13 * 7 * channels }, (_, i) => (i * 89) % 256));
  return sharp(raw, { raw: { width: 13, height: 7, channels } });
}

const ANIMATION = await sharp(
  Buffer.alloc(8 * 12 * 3, 99)
    .fill(7, 96)
    .fill(200, 192),
  {
    raw: { width: 8, height: 12, channels: 3, pageHeight: 4 },
  },
)
  .webp({ loop: 0, delay: [10, 10, 10] })
  .toBuffer();

const OK = {
  ...{ status: 'ok', width: 13, height: 7, bits: 8, frames: 1, orientation: 1, truncated: false },
  ...{ packed: expect.any(Number), groups: expect.any(Number) },
};

describe('real files say what they are', () => {
  const gray = { colour: 'gray', channels: 1 };
  const rgb = { colour: 'rgb', channels: 3 };
  const cases: [string, Sharp, object][] = [
    ['jpeg, gray', picture(1).toColourspace('b-w').jpeg(), { format: 'jpeg', ...gray }],
    ['jpeg, colour', picture(3).jpeg(), { format: 'jpeg', ...rgb }],
    ['jpeg, progressive', picture(3).jpeg({ progressive: true }), { format: 'jpeg', ...rgb, coding: 'scans' }],
    ['jpeg, CMYK', picture(3).toColourspace('cmyk').jpeg(), { format: 'jpeg', colour: 'cmyk', channels: 4 }],
    ['png, gray', picture(1).toColourspace('b-w').png(), { format: 'png', ...gray }],
    ['png, gray and alpha', picture(2).toColourspace('b-w').png(), { format: 'png', colour: 'gray', channels: 2 }],
    ['png, colour', picture(3).png(), { format: 'png', ...rgb }],
    ['png, colour and alpha', picture(4).png(), { format: 'png', colour: 'rgb', channels: 4 }],
    ['png, interlaced', picture(3).png({ progressive: true }), { format: 'png', ...rgb, coding: 'interlaced' }],
    ['png, 16 bits', picture(3).toColourspace('rgb16').png(), { format: 'png', ...rgb, bits: 16 }],
    ['png, palette', picture(3).png({ palette: true }), { format: 'png', colour: 'palette', channels: 3 }],
    [
      'png, palette of 4',
      picture(3).png({ palette: true, colours: 4 }),
      { format: 'png', colour: 'palette', channels: 3, bits: 2 },
    ],
    ['png, palette and alpha', picture(4).png({ palette: true }), { format: 'png', colour: 'palette', channels: 4 }],
    ['webp, lossy', picture(3).webp(), { format: 'webp', ...rgb, coding: 'lossy' }],
    ['webp, lossy and alpha', picture(4).webp(), { format: 'webp', colour: 'rgb', channels: 4, coding: 'lossless' }],
    ['webp, lossless', picture(3).webp({ lossless: true }), { format: 'webp', ...rgb, coding: 'lossless' }],
    [
      'webp, lossless and alpha',
      picture(4).webp({ lossless: true }),
      { format: 'webp', colour: 'rgb', channels: 4, coding: 'lossless' },
    ],
  ];

  test.each(cases)('%s: as libvips has it', async (_, image, expected) => {
    const bytes = await image.toBuffer();
    const header = read(bytes);
    expect(header).toEqual({ ...OK, coding: 'rows', ...expected });
    const { width, height, channels } = await sharp(bytes).metadata();
    expect(header).toMatchObject({ width, height, channels });
  });

  test('an animated webp has its frames and the size of one', async () => {
    const { width, pageHeight, pages } = await sharp(ANIMATION, { animated: true }).metadata();
    expect([width, pageHeight, pages]).toEqual([8, 4, 3]);
    expect(read(ANIMATION)).toMatchObject({ ...OK, width: 8, height: 4, frames: 3 });
  });

  test.each(['jpeg', 'png', 'webp'] as const)('%s: every orientation', async (format) => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = await picture(3).withMetadata({ orientation }).toFormat(format).toBuffer();
      expect(read(bytes)).toMatchObject({ ...OK, format, orientation });
    }
  });

  test('bytes behind the end are no fault, and where the image begins in its memory is no matter', async () => {
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const bytes = await picture(3).toFormat(format).toBuffer();
      const framed = Buffer.concat([Buffer.alloc(5), bytes, Buffer.from('more to come')]);
      expect(readImageHeader(binding, framed, 5)).toMatchObject({ ...OK, format });
      expect(readImageHeader(binding, framed, 5, bytes.length)).toMatchObject({ ...OK, format });
    }
  });

  test.each([
    ['jpeg', () => picture(3).withMetadata({ orientation: 3 }).jpeg()],
    ['jpeg', () => picture(3).jpeg({ progressive: true })],
    ['png', () => picture(4).png()],
    ['webp', () => picture(3).webp()],
    ['webp', () => picture(4).withMetadata({ orientation: 3 }).webp()],
  ] as const)('%s: cut off anywhere it is never whole', async (format, make) => {
    const bytes = await make().toBuffer();
    for (let length = 12; length < bytes.length; length++) {
      const header = read(bytes.subarray(0, length));
      expect(header).toMatchObject({ format });
      const whole = header.status === 'ok' && !header.truncated;
      expect([length, whole]).toEqual([length, false]);
    }
  });

  test('an animation cut off anywhere is never whole', () => {
    for (let length = 12; length < ANIMATION.length; length++) {
      const header = read(ANIMATION.subarray(0, length));
      expect(header.status === 'ok' && !header.truncated).toBe(false);
    }
  });
});

describe('other formats are unknown', () => {
  test.each([
    ['nothing', ''],
    ['GIF', 'GIF89a\x01\0\x01\0\0\0\0'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['TIFF', 'II*\0\x08\0\0\0'],
    ['HEIC', '\0\0\0\x18ftypheic'],
    ['PDF', '%PDF-1.7'],
    ['WAV', 'RIFF\x24\0\0\0WAVEfmt '],
    ['a URL', 'https://example.com/a.jpg'],
    ['a JPEG behind a byte', '\0\xff\xd8\xff'],
  ])('%s', (_, text) => {
    expect(read(Buffer.from(text, 'latin1'))).toEqual({ status: 'unknown' });
  });
});

describe('lies are malformed, with the reason and the byte', () => {
  const sof = frameHeader(5, 4);
  const cases: [string, Buffer, RegExp, number][] = [
    ['jpeg: nothing but its first bytes', jpeg(), /ends before/, 2],
    ['jpeg: cut in the frame header', jpeg(sof.subarray(0, 9)), /ends before/, 11],
    ['jpeg: no marker', jpeg(Buffer.from('abc')), /marker was expected/, 2],
    ['jpeg: bytes between segments', jpeg(segment(0xe0, [1]), Buffer.from([0]), sof, SCAN, END), /marker was/, 7],
    ['jpeg: a second SOI', jpeg(segment(0xd8), sof, SCAN, END), /marker was expected/, 3],
    ['jpeg: length 1', jpeg(Buffer.from([0xff, 0xe0, 0, 1]), sof), /impossible length/, 4],
    ['jpeg: a frame header too short', jpeg(segment(0xc0, [8, 0])), /impossible length/, 4],
    ['jpeg: a frame header too long', jpeg(segment(0xc0, [8, 0, 4, 0, 5, 1, 1, 0x11, 0, 0])), /impossible length/, 4],
    ['jpeg: width 0', jpeg(frameHeader(0, 4), SCAN, END), /is 0/, 7],
    ['jpeg: height 0', jpeg(frameHeader(5, 0), SCAN, END), /is 0/, 7],
    ['jpeg: five components', jpeg(frameHeader(5, 4, 5), SCAN, END), /components/, 11],
    ['jpeg: two components', jpeg(frameHeader(5, 4, 2), SCAN, END), /components/, 11],
    ['jpeg: sampling factor 5', jpeg(segment(0xc0, [8, 0, 4, 0, 5, 1, 1, 0x51, 0]), SCAN, END), /sampling/, 13],
    ['jpeg: lossless coding', jpeg(frameHeader(5, 4, 3, 0xc3), SCAN, END), /coding process/, 3],
    ['jpeg: baseline of 12 bits', jpeg(frameHeader(5, 4, 3, 0xc0, 12), SCAN, END), /bit depth/, 6],
    ['jpeg: a second, larger frame', jpeg(sof, frameHeader(60_000, 60_000), SCAN, END), /two frame headers/, 23],
    ['jpeg: a scan before its frame', jpeg(SCAN, sof, END), /without an image/, 2],
    ['jpeg: the end before a scan', jpeg(sof, END, SCAN), /without an image/, 21],
    ['png: a damaged signature', Buffer.from('\x89PNG\n\n\x1a\n', 'latin1'), /signature/, 4],
    ['png: nothing else', png(), /ends before/, 8],
    ['png: another first chunk', png(pngChunk('gAMA', Buffer.alloc(13)), IEND), /chunk/, 8],
    ['png: width 0', png(ihdr(0, 4), IDAT, IEND), /is 0/, 16],
    ['png: height beyond 2^31 - 1', png(ihdr(5, 2 ** 31), IDAT, IEND), /beyond/, 16],
    ['png: 4 bits of RGB', png(ihdr(5, 4, 4), IDAT, IEND), /bit depth/, 24],
    ['png: 16 bits of palette', png(ihdr(5, 4, 16, 3), IDAT, IEND), /bit depth/, 24],
    ['png: colour type 5', png(ihdr(5, 4, 8, 5), IDAT, IEND), /colour type/, 25],
    ['png: interlacing 2', png(ihdr(5, 4, 8, 2, [0, 0, 2]), IDAT, IEND), /interlacing/, 26],
    ['png: a second IHDR', png(ihdr(5, 4), ihdr(50_000, 40_000), IDAT, IEND), /two frame headers/, 33],
    ['png: a palette that is missing', png(ihdr(5, 4, 8, 3), IDAT, IEND), /palette/, 33],
    ['png: a palette of 257', png(ihdr(5, 4, 8, 3), pngChunk('PLTE', Buffer.alloc(771)), IDAT, IEND), /chunk/, 33],
    ['png: a chunk of no name', png(ihdr(5, 4), pngChunk('ID4T'), IEND), /chunk/, 33],
    ['png: no data', png(ihdr(5, 4), IEND), /without an image/, 33],
    ['png: data in two places', png(ihdr(5, 4), IDAT, pngChunk('tEXt'), IDAT, IEND), /out of place/, 58],
    ['webp: RIFF of nothing', webp(), /chunk/, 4],
    ['webp: no stream', webp(riffChunk('JUNK')), /chunk/, 12],
    ['webp: a chunk beyond its container', webp(Buffer.from('VP8 \xff\0\0\0', 'latin1')), /chunk/, 12],
    ['webp: a stream too short', webp(made.riffChunk('VP8 ', [0x10, 0, 0, 0x9d])), /chunk/, 12],
    ['webp: no key frame', webp(vp8(5, 4, 0x11)), /coded frame is damaged/, 20],
    ['webp: a hidden frame', webp(vp8(5, 4, 0)), /coded frame is damaged/, 20],
    ['webp: width 0', webp(vp8(0, 4)), /is 0/, 26],
    ['webp: lossless, version 1', webp(vp8l(5, 4, false, 1)), /coded frame is damaged/, 20],
    ['webp: a large stream in a small canvas', webp(vp8x(5, 4), vp8(16_000, 16_000)), /another size/, 38],
    ['webp: a canvas over 2^32 pixels', webp(vp8x(2 ** 24, 2 ** 24), vp8(5, 4)), /beyond/, 24],
    ['webp: extended, without a stream', webp(vp8x(5, 4)), /without an image/, 30],
    ['webp: animated, without a frame', webp(vp8x(5, 4, 2), vp8(5, 4)), /without an image/, 48],
    ['webp: a frame outside', webp(vp8x(5, 4, 2), anmf(2, 0, 5, 4, vp8(5, 4))), /outside the canvas/, 38],
    ['webp: a frame of another size', webp(vp8x(5, 4, 2), anmf(0, 0, 5, 4, vp8l(6, 4))), /another size/, 62],
    ['webp: an empty frame', webp(vp8x(5, 4, 2), anmf(0, 0, 5, 4)), /without an image/, 30],
  ];

  test.each(cases)('%s', (_, bytes, reason, offset) => {
    const header = read(bytes);
    expect(header).toMatchObject({ status: 'malformed', offset });
    expect(header.status === 'malformed' && header.reason).toMatch(reason);
  });
});

function riffChunk(name: string): Buffer {
  return made.riffChunk(name, [1, 2]);
}

describe('the lossless stream of a WebP is measured', () => {
  test('or that of the first frame, alpha included, without its header', () => {
    const alpha = (method: number, length: number) => made.riffChunk('ALPH', [method, ...Buffer.alloc(length)]);
    const still = (...chunks: Buffer[]) => read(webp(vp8x(5, 4, 0x10), ...chunks));
    expect(still(alpha(0, 20), vp8(5, 4))).toMatchObject({ packed: 0, groups: 0, coding: 'lossy' });
    expect(still(alpha(1, 20), vp8(5, 4))).toMatchObject({ packed: 20, groups: 1, coding: 'lossless' });
    const frame = (...chunks: Buffer[]) => anmf(0, 0, 5, 4, ...chunks);
    const frames = [frame(alpha(1, 8), vp8(5, 4)), frame(alpha(1, 40), vp8(5, 4)), frame(vp8l(5, 4))];
    expect(read(webp(vp8x(5, 4, 2), ...frames))).toMatchObject({ packed: 8, groups: 1, frames: 3 });
  });

  /** Squares of 2^bits pixels a side. */
  const squares = (width: number, height: number, bits: number) =>
    Math.ceil(width / 2 ** bits) * Math.ceil(height / 2 ** bits);

  test.each([0, 2, 4, 6])('as many groups of codes as an encoder of effort %i can have made', async (effort) => {
    const next = random(effort);
    for (const [width, height, colours] of [
      [331, 247, 256],
      [640, 480, 256],
      [200, 300, 12],
      [97, 500, 3],
    ]) {
      const pixels = Buffer.from(
        Array.from({ length: width * height * 3 }, (_, i) => {
          const shade = (Math.floor(i / 3) % width) + Math.floor(i / 3 / width) * (1 + (i % 3)) + 20 * next();
          return Math.floor(((shade % 256) * colours) / 256) * Math.floor(255 / colours);
        }),
      );
      const image = sharp(pixels, { raw: { width, height, channels: 3 } });
      const { groups } = read(await image.webp({ lossless: true, effort }).toBuffer()) as ImageHeader;
      const possible = [1, ...[3, 4, 5, 6, 7, 8, 9].map((bits) => squares(width, height, bits))];
      const narrower = [2, 4, 8].flatMap((by) =>
        [3, 4, 5, 6, 7, 8, 9].map((bits) => squares(Math.ceil(width / by), height, bits)),
      );
      expect([width, groups, [...possible, ...narrower].includes(groups)]).toEqual([width, groups, true]);
    }
  });

  test('a stream whose transforms take more than 64 KiB has as many as 16 bits can number', () => {
    const groups = (side: number) => (read(predictedWebp(side)) as ImageHeader).groups;
    expect([groups(2_560), groups(3_072)]).toEqual([5 * 5, 65_536]);
  });

  test('a stream that is damaged in its transforms has as many groups as squares of 4 x 4', () => {
    const stream = Buffer.concat([vp8l(64, 48).subarray(8, 13), Buffer.alloc(40, 0xff)]);
    expect(read(webp(made.riffChunk('VP8L', stream)))).toMatchObject({ groups: 16 * 12 });
  });
});

describe('rare but right', () => {
  test('jpeg: fill bytes, restart markers, arithmetic coding, 12 bits, the largest size', () => {
    const fill = Buffer.from([0xff, 0xff]);
    expect(read(jpeg(fill, segment(0xd0), segment(1), frameHeader(5, 4), SCAN, END))).toMatchObject({ status: 'ok' });
    expect(read(jpeg(frameHeader(65_535, 1, 1, 0xc9), SCAN, END))).toMatchObject({ status: 'ok', width: 65_535 });
    expect(read(jpeg(frameHeader(1, 65_535, 3, 0xc1, 12), SCAN, END))).toMatchObject({ height: 65_535, bits: 12 });
  });

  test('jpeg: without SOS, or without EOI, it is truncated; a thumbnail has an end of its own', () => {
    const thumbnail = made.exifSegment(Buffer.concat([tiff(6), jpeg(frameHeader(1, 1), SCAN, END)]));
    const start = jpeg(thumbnail, frameHeader(5, 4));
    const header = { status: 'ok', width: 5, height: 4, orientation: 6 };
    expect(read(start)).toMatchObject({ ...header, truncated: true });
    expect(read(Buffer.concat([start, SCAN]))).toMatchObject({ ...header, truncated: true });
    expect(read(Buffer.concat([start, SCAN, Buffer.from([1, 2, 0xff])]))).toMatchObject({ ...header, truncated: true });
    expect(read(Buffer.concat([start, SCAN, END]))).toMatchObject({ ...header, truncated: false });
  });

  test('png: APNG frames, alpha by tRNS, low depths', () => {
    const actl = pngChunk('acTL', [0, 1, 0, 0, 0, 0, 0, 0]);
    expect(read(png(ihdr(5, 4), actl, IDAT, IEND))).toMatchObject({ frames: 65_536 });
    expect(read(png(ihdr(5, 4), IDAT, actl, IEND))).toMatchObject({ frames: 1 });
    const transparent = (type: number, bytes: number) =>
      read(png(ihdr(5, 4, 8, type), pngChunk('PLTE', [1, 2, 3]), pngChunk('tRNS', Buffer.alloc(bytes)), IDAT, IEND));
    expect([transparent(0, 2), transparent(2, 6), transparent(3, 1)]).toMatchObject([
      { channels: 2 },
      { channels: 4 },
      { channels: 4 },
    ]);
    expect([transparent(0, 6), transparent(2, 2), transparent(3, 0)]).toMatchObject([
      { channels: 1 },
      { channels: 3 },
      { channels: 3 },
    ]);
    expect(read(png(ihdr(5, 4, 1, 0), IDAT, IEND))).toMatchObject({ bits: 1, channels: 1 });
  });

  test('webp: an animation whose frames leave a part of the canvas free decodes with alpha', () => {
    const whole = anmf(0, 0, 5, 4, vp8(5, 4));
    expect(read(webp(vp8x(5, 4, 2), whole, whole))).toMatchObject({ frames: 2, channels: 3 });
    expect(read(webp(vp8x(5, 4, 2), whole, anmf(2, 0, 3, 4, vp8(3, 4))))).toMatchObject({ frames: 2, channels: 4 });
  });

  test('webp: the largest sizes, 10,000 frames', () => {
    expect(read(webp(vp8(16_383, 16_383)))).toMatchObject({ width: 16_383, height: 16_383, channels: 3 });
    expect(read(webp(vp8l(16_384, 1, true)))).toMatchObject({ width: 16_384, height: 1, channels: 4 });
    const frame = anmf(0, 0, 5, 4, vp8l(5, 4));
    const many = webp(vp8x(5, 4, 2), ...Array.from({ length: 10_000 }, () => frame));
    expect(read(many)).toMatchObject({ frames: 10_000, truncated: false });
  });
});

describe('an orientation is read where it is one, and is 1 everywhere else', () => {
  const of = (exif: Buffer) => read(jpeg(made.exifSegment(exif), frameHeader(5, 4), SCAN, END));
  test.each([
    ['little endian', tiff(5), 5],
    ['big endian', tiff(7, { big: true }), 7],
    ['a directory further on', tiff(2, { at: 40 }), 2],
    ['a LONG', tiff(6, { type: 4 }), 6],
    ['a LONG, big endian', tiff(8, { type: 4, big: true }), 8],
    ['a LONG beyond a SHORT', tiff(0x10006, { type: 4 }), 1],
    ['two LONGs', tiff(6, { type: 4, count: 2 }), 1],
    ['0', tiff(0), 1],
    ['9', tiff(9), 1],
    ['a byte', tiff(3, { type: 1 }), 1],
    ['two of them', tiff(3, { count: 2 }), 1],
    ['another tag', tiff(3, { tag: 0x0113 }), 1],
    ['a directory outside', Buffer.concat([Buffer.from('II*\0\xff\xff\xff\xff', 'latin1'), Buffer.alloc(20)]), 1],
    ['cut in its entry', tiff(3).subarray(0, 21), 1],
    ['cut in its header', tiff(3).subarray(0, 7), 1],
    ['no TIFF', Buffer.alloc(30, 1), 1],
  ])('%s', (_, exif, orientation) => {
    expect(of(exif)).toMatchObject({ status: 'ok', orientation });
    expect(read(png(ihdr(5, 4), pngChunk('eXIf', exif), IDAT, IEND))).toMatchObject({ status: 'ok', orientation });
    const extended = webp(vp8x(5, 4, 8), vp8(5, 4), made.riffChunk('EXIF', exif));
    expect(read(extended)).toMatchObject({ status: 'ok', orientation });
  });

  test('the first block counts', () => {
    const twice = jpeg(made.exifSegment(tiff(3)), made.exifSegment(tiff(6)), frameHeader(5, 4), SCAN, END);
    expect(read(twice)).toMatchObject({ orientation: 3 });
  });
});
