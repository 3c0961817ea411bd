import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { afterAll, expect, test } from 'vitest';
import type { ImageHeader } from '../../src/native/image-header.ts';
import { random } from '../support/fixtures/random.ts';
import { pngChunk } from '../support/image-bytes.ts';
import { LIMITS, Pictures, pipelineOf, rawPipeline } from '../support/pictures.ts';
import { checked } from '../support/unpacked.ts';

/** Pictures that people have, at the limits of a server that is told nothing: none is refused for what decoding it may take. */
const pictures = new Pictures();
afterAll(() => pictures.pool.close());

const IMAGENET = pipelineOf('preset: imagenet', [-1, 3, 224, 224]);

/** Soft colours, edges and noise. */
function scene(width: number, height: number): Sharp {
  const next = random(3);
  const noise = Float32Array.from({ length: 65_536 }, () => 12 * next());
  const across = Float32Array.from({ length: width }, (_, x) => 60 * Math.sin(x / 170) + (x % 900 > 700 ? 30 : 0));
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const down = 110 + 50 * Math.cos(y / 230);
    const from = Math.floor(65_536 * next());
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, at++) pixels[at] = down + across[x] + 9 * c + noise[(from + at) & 65_535];
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Squares like those that a lossless encoder chooses transforms for, each with a ramp of its own. */
function mosaic(width: number, height: number, side: number, steepness: number): Sharp {
  const next = random(5);
  const across = Math.ceil(width / side);
  const squares = Array.from({ length: across * Math.ceil(height / side) }, () =>
    Array.from({ length: 5 }, () => 2 * next() - 1),
  );
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const [right, down, red, blue, base] = squares[Math.floor(y / side) * across + Math.floor(x / side)];
      const shade = 128 + 60 * base + steepness * (right * (x % side) + down * (y % side));
      pixels[at] = 128 + red * (shade - 100);
      pixels[at + 1] = shade;
      pixels[at + 2] = 128 + blue * (shade - 100);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const taken = async (image: Sharp): Promise<{ file: Uint8Array; header: ImageHeader; bytes: number }> => {
  const file = new Uint8Array(await image.toBuffer());
  const job = pictures.job(file, IMAGENET);
  return { file, header: job.header, bytes: pictures.pool.cost(job).bytes };
};

test('a progressive JPEG of 24 megapixels from a telephone held upright is decoded, alone', async () => {
  const portrait = scene(6000, 4000).withMetadata({ orientation: 6 }).jpeg({ progressive: true });
  const { file, header, bytes } = await taken(portrait);
  expect(header).toMatchObject({ width: 6000, height: 4000, orientation: 6, coding: 'scans' });
  expect(bytes).toBe(LIMITS.imageBytes);
  const row = await pictures.decode(file, IMAGENET);
  expect(row).toHaveLength(IMAGENET.rowBytes);
});

test.each([
  [4000, 3000, 4, 32, 1.5],
  [1920, 1080, 6, 16, 3],
])(
  'a lossless WebP of %i x %i, effort %i, is known to have few groups of codes',
  { timeout: 60_000 },
  async (...made) => {
    const [width, height, effort, side, steepness] = made;
    const { header } = await taken(mosaic(width, height, side, steepness).webp({ lossless: true, effort }));
    // As many as libwebp makes at most.
    expect(header.groups).toBeLessThanOrEqual(2_600);
  },
);

test.each([
  ['zTXt', 'Raw profile type exif\0\0', 100_000],
  ['iCCP', 'display\0\0', 200_000],
  ['iTXt', 'XML:com.adobe.xmp\0\x01\0\0\0', 300_000],
  ['tEXt', 'Comment\0', 10_000_000],
])('a PNG with a large %s is the picture that it is without', async (name, keyword, bytes) => {
  const plain = await scene(320, 200).png().toBuffer();
  const next = random(bytes);
  const packed = deflateSync(Buffer.from(Array.from({ length: bytes }, () => 1 + 254 * next())));
  const chunk = checked(pngChunk(name, Buffer.concat([Buffer.from(keyword, 'latin1'), packed])));
  // Behind IHDR.
  const file = Buffer.concat([plain.subarray(0, 33), chunk, plain.subarray(33)]);
  const raw = rawPipeline(320, 200);
  const [expected, row] = [await pictures.decode(plain, raw), await pictures.decode(file, raw)];
  expect(Buffer.from(row).equals(expected)).toBe(true);
});
