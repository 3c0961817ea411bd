import { afterAll, describe, expect, test } from 'vitest';
import { goldenPictures, Pictures, rawPipeline } from '../support/pictures.ts';

const golden = goldenPictures();
const pictures = new Pictures();
afterAll(() => pictures.pool.close());

const taken = golden.filter(({ pixels }) => pixels !== null);

describe('what is decoded are the pixels that Pillow decodes:', () => {
  test.each(taken)('I8 $name', async ({ file, width, height, channels, exif, pixels }) => {
    const row = await pictures.decode(file, rawPipeline(width, height, channels, exif));
    const wrong = row.findIndex((value, i) => value !== pixels?.[i]);
    expect(`${row.length} bytes, first difference at ${wrong}`).toBe(`${pixels?.length} bytes, first difference at -1`);
  });

  test('the eight orientations of one picture give eight different ones', () => {
    const turned = golden.filter(({ name }) => /^JPEG, orientation \d$/.test(name));
    const shown = turned.map(({ width, pixels }) => `${width} ${Buffer.from(pixels as Uint8Array).toString('hex')}`);
    expect(new Set(shown).size).toBe(8);
  });
});

test('I8 CMYK is refused, and is no loss of a thread', async () => {
  const cmyk = golden.find(({ name }) => name === 'JPEG, CMYK');
  const decoded = pictures.decode(cmyk?.file as Uint8Array, rawPipeline(37, 23));
  await expect(decoded).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'the image is a JPEG in CMYK; RGB, YCbCr and gray are taken',
  });
});
