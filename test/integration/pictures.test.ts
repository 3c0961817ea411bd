import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import type { GatewayError } from '../../src/core/error.ts';
import { type ImageWork, imageToTensor } from '../../src/native/image.ts';
import type { ImageHeader } from '../../src/native/image-header.ts';
import { loadBinding } from '../../src/native/load.ts';
import type { ImagePipeline } from '../../src/preprocess/image-pipeline.ts';
import { random } from '../support/fixtures/random.ts';
import { segment } from '../support/image-bytes.ts';
import { decodeMutated, photographs } from '../support/mutated-pictures.ts';
import { goldenPictures, LIMITS, Pictures, pipelineOf, rawPipeline, UNTOUCHED } from '../support/pictures.ts';

const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);
const binding = loadBinding();
const pictures = new Pictures({}, 64 * 1024 * 1024);
afterAll(() => pictures.pool.close());

const FILES = await photographs();

/** Decodes what must be refused, and sees that not a byte of its row was written. */
async function refusal(file: Uint8Array, pipeline: ImagePipeline, lie: Partial<ImageHeader> = {}): Promise<string> {
  try {
    const job = pictures.job(file, pipeline);
    const row = pictures.row(job).fill(UNTOUCHED);
    const error: GatewayError | null = await pictures.pool.decode({ ...job, header: { ...job.header, ...lie } }).then(
      () => null,
      (reason) => reason,
    );
    expect(row.every((byte) => byte === UNTOUCHED) || error === null).toBe(true);
    return error?.code ?? 'decoded';
  } catch (error) {
    return (error as GatewayError).code;
  }
}

describe('a picture that ends too early is 400 and never half of one:', () => {
  test.each(Object.entries(FILES))('I7 %s, cut at every hundredth', async (_, { file, width, height }) => {
    const raw = rawPipeline(width, height);
    const cuts = Array.from({ length: 99 }, (_, i) => Math.floor((file.length * (i + 1)) / 100));
    const codes = await Promise.all(cuts.map((cut) => refusal(file.slice(0, cut), raw)));
    expect(new Set(codes)).toEqual(new Set(['INVALID_ARGUMENT']));
    expect(await refusal(file.slice(), raw)).toBe('decoded');
  });

  const ends: Record<string, (cut: Buffer) => Buffer> = {
    jpeg: (cut) => Buffer.concat([cut, Buffer.from([0xff, 0xd9])]),
    webp: (cut) => {
      const even = cut.subarray(0, cut.length & ~1);
      even.writeUInt32LE(even.length - 8, 4);
      even.writeUInt32LE(even.length - 20, 16);
      return even;
    },
    png: (cut) => {
      // The one IDAT is shortened, its checksum is wrong, and the end follows as it should.
      const data = cut.indexOf('IDAT');
      cut.writeUInt32BE(cut.length - data - 4, data - 4);
      return Buffer.concat([cut, Buffer.from('\0\0\0\0\0\0\0\0IEND\xaeB`\x82', 'latin1')]);
    },
  };
  /** Between two scans a progressive JPEG may end: it is whole then, only coarser. */
  const insideScan = (file: Uint8Array, cut: number) => (file[cut] === 0xff ? cut - 3 : cut);
  const simple = Object.entries(FILES).filter(([name]) => !name.includes('alpha'));

  test.each(simple)('I7 %s, cut and ended as if it were whole', async (_, { file, width, height, format }) => {
    const raw = rawPipeline(width, height);
    const cuts = Array.from({ length: 15 }, (_, i) => insideScan(file, Math.floor(file.length * (0.3 + i / 22))));
    const codes = await Promise.all(cuts.map((cut) => refusal(ends[format](Buffer.from(file.slice(0, cut))), raw)));
    expect(new Set(codes)).toEqual(new Set(['INVALID_ARGUMENT']));
  });
});

describe('a picture that is not what its header was read as is 400:', () => {
  const { file, width, height } = FILES.PNG;

  test.each([
    ['wider', { width: width + 1 }],
    ['narrower', { width: width - 1 }],
    ['lower', { height: height - 1 }],
    ['turned', { width: height, height: width }],
  ])('%s', async (_, lie) => {
    expect(await refusal(file.slice(), rawPipeline(width, height), lie)).toBe('INVALID_ARGUMENT');
  });

  test('of more channels', async () => {
    const { file: transparent } = FILES['PNG, alpha'];
    expect(await refusal(transparent.slice(), rawPipeline(width, height), { channels: 3 })).toBe('INVALID_ARGUMENT');
  });

  const pixels = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } });
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
  );
  test.each([
    ['GIF', pixels.clone().gif().toBuffer()],
    ['TIFF', pixels.clone().tiff().toBuffer()],
    ['AVIF', pixels.clone().avif().toBuffer()],
    ['SVG', Promise.resolve(svg)],
  ])('I5 %s: its loader is blocked, whatever the judge let through', async (_, made) => {
    const other = new Uint8Array(await made);
    const job = pictures.job(file.slice(), rawPipeline(width, height));
    const header = { ...job.header, width: 8, height: 8 };
    const decoded = pictures.pool.decode({ ...job, header, pipeline: rawPipeline(8, 8), file: other });
    const error = await decoded.then(
      () => null,
      (reason: GatewayError) => reason,
    );
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      cause: { message: expect.stringMatching(/unsupported|blocked/) },
    });
    expect(error?.message).toBe('the image cannot be decoded: it is damaged, or is not what its header says');
  });
});

test('I5 what lies behind a picture, or in its comments, is not looked at', async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>';
  const comment = segment(0xfe, Buffer.from(svg));
  for (const { file, width, height, format } of [FILES.PNG, FILES.JPEG]) {
    const raw = rawPipeline(width, height);
    const plain = Buffer.from(await pictures.decode(file.slice(), raw));
    const bytes = Buffer.from(file);
    const inside = format === 'jpeg' ? [bytes.subarray(0, 2), comment, bytes.subarray(2)] : [bytes];
    const polyglot = new Uint8Array(
      Buffer.concat([...inside, Buffer.from(svg), Buffer.from('PK\x05\x06'), Buffer.alloc(18)]),
    );
    expect(plain.equals(await pictures.decode(polyglot, raw))).toBe(true);
  }
});

test('I3 of an animation that is let in the first frame is taken', async () => {
  const frames = Buffer.concat([
    Buffer.alloc(8 * 4 * 3, 40),
    Buffer.alloc(8 * 4 * 3, 90),
    Buffer.alloc(8 * 4 * 3, 200),
  ]);
  const raw = { width: 8, height: 12, channels: 3, pageHeight: 4 } as const;
  const film = new Uint8Array(await sharp(frames, { raw }).webp({ lossless: true, loop: 0 }).toBuffer());
  const lenient = new Pictures({ imageFrames: 3 });
  expect([...new Set(await lenient.decode(film, rawPipeline(8, 4)))]).toEqual([40]);
  await lenient.pool.close();
});

test.each([
  [1, 65_535],
  [65_535, 1],
])('I9 a picture of %i x %i is what the kernel makes of its pixels', async (width, height) => {
  const noise = random(SEED);
  const pixels = Uint8Array.from({ length: width * height }, () => noise() * 256);
  const file = new Uint8Array(
    await sharp(pixels, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer(),
  );
  const pipeline = pipelineOf('preset: mnist', [-1, 1, 28, 28]);
  const row = await pictures.decode(file, pipeline);
  const expected = new Uint8Array(pipeline.rowBytes);
  const whole = { width: 28, height: 28 };
  const { multiply: scale, add: shift, pad } = pipeline.straight;
  const work: ImageWork = {
    ...{ source: { width, height, channels: 1 }, resized: whole, tensor: whole },
    ...{ crop: { ...whole, left: 0, top: 0 }, at: { left: 0, top: 0 }, filter: 'bilinear', antialias: true },
    ...{ colour: 'GRAY', layout: 'NCHW', datatype: 'FP32', scale, shift, pad },
  };
  imageToTensor(binding, pixels, work, expected, 0);
  expect(Buffer.from(row).equals(expected)).toBe(true);
});

describe('exact: false', () => {
  const mean = (a: Uint8Array, b: Uint8Array) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

  test.each(['bilinear', 'bicubic', 'lanczos3', 'area'])('gives nearly the same pixels: %s', async (filter) => {
    const { file, width, height } = FILES.JPEG;
    const [w, h] = [Math.floor(width / 5), Math.floor(height / 5)];
    const keys = (exact: boolean) => `exact: ${exact}, datatype: UINT8, layout: NHWC, resize: { filter: ${filter} }`;
    const rows = [true, false].map((exact) =>
      pictures.decode(file.slice(), pipelineOf(keys(exact), [-1, h, w, 3], 'UINT8')),
    );
    const [exact, loose] = await Promise.all(rows);
    expect(mean(exact, loose)).toBeGreaterThan(0);
    expect(mean(exact, loose)).toBeLessThan(4);
  });

  test('turns a picture as exact ones are turned', async () => {
    const { file } = FILES.JPEG;
    for (const orientation of [2, 3, 4, 5, 6, 7, 8]) {
      const turned = new Uint8Array(await sharp(file).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer());
      const keys = (exact: boolean) => `exact: ${exact}, datatype: UINT8, layout: NHWC, resize: { mode: cover }`;
      const rows = [true, false].map((exact) =>
        pictures.decode(turned.slice(), pipelineOf(keys(exact), [-1, 20, 30, 3], 'UINT8')),
      );
      const [exact, loose] = await Promise.all(rows);
      expect([orientation, mean(exact, loose) < 4]).toEqual([orientation, true]);
    }
  });
});

test('the golden pictures are decoded alike by many threads at once', async () => {
  const golden = goldenPictures().filter(({ pixels }) => pixels !== null);
  const many = new Pictures({ threads: 4 });
  const rows = await Promise.all(
    golden.map(({ file, width, height, channels, exif }) =>
      many.decode(file, rawPipeline(width, height, channels, exif)),
    ),
  );
  expect(
    golden.filter(({ pixels }, i) => !Buffer.from(rows[i]).equals(pixels as Uint8Array)).map(({ name }) => name),
  ).toEqual([]);
  await many.pool.close();
});

describe(`with seed ${SEED} (PENSTOCK_SEED)`, () => {
  test('I11 2,000 mutated pictures: each is decoded or refused, and memory stays where it was', async () => {
    console.log(`mutated pictures: seed ${SEED}`);
    const files = Object.values(FILES).map(({ file }) => file);
    const tight = new Pictures({ imagePixels: 1_000_000 });
    const { codes, grownBytes } = await decodeMutated(tight, files, 2_000, SEED);
    await tight.pool.close();
    expect(Object.keys(codes).sort()).toEqual([
      'INVALID_ARGUMENT',
      'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
      'decoded',
    ]);
    expect(codes.decoded).toBeGreaterThan(50);
    expect(grownBytes).toBeLessThan(48 * 1024 * 1024);
    expect(LIMITS.imagePixels).toBeGreaterThan(1_000_000);
  }, 60_000);
});
