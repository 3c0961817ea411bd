/** A picture that costs a decoder what a photograph does, made from a seed: nobody's picture has to be kept. */

import sharp from 'sharp';
import { Random } from '../../src/load/random.ts';

/** Pixels between the points of the coarsest noise, and how much weaker each finer one is. */
const COARSEST = 128;
const FALL = 0.75;
/** Colours are coarser than light. */
const FINEST_COLOUR = 16;
/** Of a camera or an editor. */
const QUALITY = 90;

/** Noise of -1..1 around 0, whose strength falls with its frequency as it does in what people take pictures of. */
function scene(width: number, height: number, finest: number, random: Random): Float32Array {
  const values = new Float32Array(width * height);
  let strength = 1 - FALL;
  for (let cell = COARSEST; cell >= finest; cell /= 2, strength *= FALL)
    addNoise(values, width, height, cell, strength, random);
  return values;
}

/** Random points every `cell` pixels, and straight lines between them. */
function addNoise(
  values: Float32Array,
  width: number,
  height: number,
  cell: number,
  strength: number,
  random: Random,
): void {
  const columns = Math.ceil(width / cell) + 1;
  const points = Float32Array.from(
    { length: columns * (Math.ceil(height / cell) + 1) },
    () => 2 * random.uniform() - 1,
  );
  const point = (column: number, row: number) => points[row * columns + column] as number;
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell);
    const down = y / cell - row;
    for (let x = 0; x < width; x++) {
      const column = Math.floor(x / cell);
      const across = x / cell - column;
      const upper = point(column, row) * (1 - across) + point(column + 1, row) * across;
      const lower = point(column, row + 1) * (1 - across) + point(column + 1, row + 1) * across;
      values[y * width + x] = (values[y * width + x] as number) + strength * (upper * (1 - down) + lower * down);
    }
  }
}

/** What BM-6-jpeg sends. */
export const VGA = { width: 640, height: 480 };

/** RGB, packed rows. */
export function photograph(width: number, height: number, seed = 1): Uint8Array {
  const random = new Random(seed);
  const light = scene(width, height, 1, random);
  const [red, blue] = [scene(width, height, FINEST_COLOUR, random), scene(width, height, FINEST_COLOUR, random)];
  const pixels = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const y = 128 + 200 * (light[i] as number);
    const [r, b] = [80 * (red[i] as number), 80 * (blue[i] as number)];
    for (const [channel, value] of [y + r, y - (r + b) / 2, y + b].entries()) {
      pixels[3 * i + channel] = Math.min(255, Math.max(0, Math.round(value)));
    }
  }
  return pixels;
}

/** The same as a JPEG of quality 90, 4:2:0. */
export function photographJpeg(width: number, height: number, seed = 1): Promise<Buffer> {
  const raw = { width, height, channels: 3 } as const;
  return sharp(photograph(width, height, seed), { raw })
    .jpeg({ quality: QUALITY })
    .toBuffer();
}
