/**
 * Makes the pictures of digits beside it: scans that were held out when `digits` was trained (its golden requests), drawn as somebody
 * would photograph them. Dark ink on paper that is not quite white, brighter on one side, with grain; of any size, gray or in
 * colour, one of them light on dark. Every number comes from a seed. Drawn like this, 29 of all 32 scans are read rightly (7, 16 and 28
 * are not); these are some of them.
 *
 *     node test/images/make.ts
 */

import { readFileSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { seededBytes } from '../support/image-golden.ts';

const FOLDER = new URL('./', import.meta.url);
const GOLDEN = new URL('../../models/digits/2/golden/', import.meta.url);
const SCAN = 8;

/** Gray of the paper where the light is best, and how much darker it is where it is worst. */
const PAPER = 250;
const SHADE = 24;
const INK = 25;
const GRAIN = 8;

/** Which scan, how large, and how it is stored. */
const PICTURES = [
  { scan: 0, side: 64, form: 'gray' },
  { scan: 2, side: 97, form: 'gray' },
  { scan: 3, side: 200, form: 'gray' },
  { scan: 4, side: 128, form: 'rgb' },
  { scan: 5, side: 80, form: 'gray' },
  { scan: 6, side: 128, form: 'rgba' },
  { scan: 9, side: 160, form: 'gray' },
  { scan: 24, side: 144, form: 'gray' },
  { scan: 27, side: 96, form: 'palette' },
  { scan: 30, side: 112, form: 'gray' },
  { scan: 26, side: 144, form: 'light-on-dark' },
] as const;

type Form = (typeof PICTURES)[number]['form'];

/** The scan's strokes, 0..1, smoothed to `side` by `side`. */
async function strokes(scan: number, side: number): Promise<Uint8Array> {
  const name = `${String(scan).padStart(2, '0')}.request.json`;
  const { data } = JSON.parse(readFileSync(new URL(name, GOLDEN), 'utf8')).inputs[0];
  const bytes = Uint8Array.from(data as number[], (value) => Math.round(value * 255));
  const raw = { width: SCAN, height: SCAN, channels: 1 } as const;
  return sharp(bytes, { raw }).resize(side, side, { kernel: 'cubic' }).toColourspace('b-w').raw().toBuffer();
}

function photographed(ink: Uint8Array, side: number, seed: number): Uint8Array {
  const grain = seededBytes(seed, ink.length);
  return ink.map((value, i) => {
    const paper = PAPER - (SHADE * ((i % side) + Math.floor(i / side))) / (2 * side);
    const light = paper + ((INK - paper) * value) / 255;
    return Math.max(0, Math.min(255, Math.round(light + (grain[i] / 255 - 0.5) * GRAIN)));
  });
}

async function encoded(gray: Uint8Array, side: number, form: Form): Promise<Buffer> {
  const pixels = form === 'light-on-dark' ? gray.map((value) => 255 - value) : gray;
  const image = sharp(pixels, { raw: { width: side, height: side, channels: 1 } });
  if (form === 'palette') return image.png({ palette: true, colours: 64 }).toBuffer();
  if (form === 'rgb') return image.toColourspace('srgb').png().toBuffer();
  if (form === 'rgba') return image.toColourspace('srgb').ensureAlpha().png().toBuffer();
  return image.toColourspace('b-w').png().toBuffer();
}

const labels = JSON.parse(readFileSync(new URL('labels.json', GOLDEN), 'utf8')) as number[];
for (const { scan, side, form } of PICTURES) {
  const picture = await encoded(photographed(await strokes(scan, side), side, scan + 1), side, form);
  writeFileSync(new URL(`${labels[scan]}-${form}-${side}.png`, FOLDER), picture);
}
