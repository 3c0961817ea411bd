import sharp, { type Metadata } from 'sharp';
import { describe, expect, test } from 'vitest';
import { readImageHeader } from '../../src/native/image-header.ts';
import { loadBinding } from '../../src/native/load.ts';
import { random } from '../support/fixtures/random.ts';
import * as made from '../support/image-bytes.ts';
import { mutated } from '../support/mutated-pictures.ts';

const binding = loadBinding();
const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);
const ROUNDS = 20_000;

const noise = sharp(Buffer.from(Array.from({ length: 40 * 30 * 4 }, (_, i) => (i * 89) % 251)), {
  raw: { width: 40, height: 30, channels: 4 },
}).withMetadata({ orientation: 6 });
const film = sharp(
  Buffer.alloc(8 * 12 * 3, 99)
    .fill(7, 96)
    .fill(200, 192),
  {
    raw: { width: 8, height: 12, channels: 3, pageHeight: 4 },
  },
);
const FILES = await Promise.all(
  [
    noise.clone().jpeg(),
    noise.clone().jpeg({ progressive: true }),
    noise.clone().png(),
    noise.clone().png({ palette: true }),
    noise.clone().webp(),
    noise.clone().webp({ lossless: true }),
    film.webp({ loop: 0, delay: [10, 10, 10] }),
  ].map((image) => image.toBuffer()),
);

/** What the decoder says of a file; null where it does not take it. It throws at once for an empty one. */
async function metadataOf(bytes: Uint8Array): Promise<Metadata | null> {
  try {
    return await sharp(bytes, { failOn: 'none', limitInputPixels: 1_000_000 }).metadata();
  } catch {
    return null;
  }
}

describe(`with seed ${SEED} (PENSTOCK_SEED)`, () => {
  test('whatever the bytes, the answer is within its bounds, and the same at the end of its memory', () => {
    console.log(`image headers: seed ${SEED}`);
    const next = random(SEED);
    const seen = { ok: 0, unknown: 0, malformed: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = mutated(FILES[round % FILES.length], next);
      const header = readImageHeader(binding, bytes);
      const copy = new Uint8Array(bytes);
      expect(readImageHeader(binding, copy)).toEqual(header);
      seen[header.status]++;
      if (header.status === 'malformed') {
        expect(header.reason).toMatch(/^[a-z]/);
        expect(header.offset).toBeLessThanOrEqual(bytes.length);
      }
      if (header.status !== 'ok') continue;
      expect(Math.min(header.width, header.height, header.frames)).toBeGreaterThan(0);
      expect([1, 2, 3, 4]).toContain(header.channels);
      expect([1, 2, 4, 8, 12, 16]).toContain(header.bits);
      expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(header.orientation);
    }
    expect(Math.min(seen.ok, seen.malformed)).toBeGreaterThan(ROUNDS / 20);
  });

  test('a decoder never makes more of a file than its header says', async () => {
    const next = random(SEED + 1);
    let decoded = 0;
    for (let round = 0; round < 600; round++) {
      const bytes = mutated(FILES[round % FILES.length], next);
      const header = readImageHeader(binding, bytes);
      // A file that is said to be no small image must never reach a decoder.
      if (header.status === 'ok' && header.width * header.height > 1_000_000) continue;
      const image = await metadataOf(bytes);
      if (image === null || !['jpeg', 'png', 'webp'].includes(image.format)) continue;
      if (header.status !== 'ok') continue;
      decoded++;
      expect([round, image.format, image.width, image.height]).toEqual([
        round,
        header.format,
        header.width,
        header.height,
      ]);
      expect(image.channels).toBeLessThanOrEqual(header.channels);
    }
    expect(decoded).toBeGreaterThan(50);
  });
});

test('files of nothing but structure, a megabyte each, are walked to their end or their bound', () => {
  const fill = (unit: Buffer) => Buffer.concat(Array.from({ length: Math.ceil(1_000_000 / unit.length) }, () => unit));
  const head = made.frameHeader(5, 4);
  const files = [
    made.jpeg(fill(made.segment(0xd0))),
    made.jpeg(fill(Buffer.from([0xff]))),
    made.jpeg(head, fill(made.segment(0xe0, []))),
    made.jpeg(head, fill(made.exifSegment(made.tiff(9)))),
    made.jpeg(head, made.SCAN, fill(Buffer.from([0xff, 0]))),
    made.png(made.ihdr(5, 4), fill(made.pngChunk('teXt'))),
    made.png(made.ihdr(5, 4), fill(made.pngChunk('eXIf'))),
    made.png(made.ihdr(5, 4), fill(made.pngChunk('IDAT'))),
    made.webp(made.vp8x(5, 4), fill(made.riffChunk('EXIF', []))),
    made.webp(made.vp8x(5, 4, 2), fill(made.anmf(0, 0, 5, 4, made.vp8(5, 4)))),
    made.webp(made.vp8x(5, 4, 2), made.anmf(0, 0, 5, 4, fill(made.riffChunk('JUNK', [])), made.vp8(5, 4))),
  ];
  const statuses = files.map((bytes) => readImageHeader(binding, bytes).status);
  expect(statuses).toEqual([
    'malformed',
    'malformed',
    'malformed',
    'malformed',
    'ok',
    'malformed',
    'malformed',
    'malformed',
    'malformed',
    'malformed',
    'malformed',
  ]);
});
