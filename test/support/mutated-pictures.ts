/** Pictures like photographs, and the same with faults in them: bytes changed, moved or missing, as an attacker leaves them. */

import sharp from 'sharp';
import type { GatewayError } from '../../src/core/error.ts';
import { random } from './fixtures/random.ts';
import { type Pictures, pipelineOf } from './pictures.ts';

const WIDTH = 160;
const HEIGHT = 120;

/** Decoded between two looks at the memory. */
const AT_ONCE = 16;

/** A file, and the size that it has. */
export interface Photograph {
  readonly file: Uint8Array;
  readonly format: 'jpeg' | 'png' | 'webp';
  readonly width: number;
  readonly height: number;
}

/** One picture in every form that is taken, a few kilobytes each: soft colours with edges and noise. */
export async function photographs(): Promise<Readonly<Record<string, Photograph>>> {
  const noise = random(7);
  const pixels = Buffer.from(
    Array.from({ length: WIDTH * HEIGHT * 4 }, (_, i) => {
      const [x, y, c] = [Math.floor(i / 4) % WIDTH, Math.floor(i / 4 / WIDTH), i % 4];
      const edge = x > 40 && x < 70 && y > 30 && y < 80 ? 60 : 0;
      return Math.min(255, 90 + 70 * Math.sin((x + 20 * c) / 17 + y / 23) + edge + 16 * noise());
    }),
  );
  const alpha = sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 4 } });
  const opaque = alpha.clone().removeAlpha();
  const forms = {
    JPEG: opaque.clone().jpeg({ quality: 90 }),
    'JPEG, progressive': opaque.clone().jpeg({ progressive: true, quality: 90 }),
    PNG: opaque.clone().png(),
    'PNG, interlaced': opaque.clone().png({ progressive: true }),
    'PNG, palette': opaque.clone().png({ palette: true }),
    'PNG, alpha': alpha.clone().png(),
    WebP: opaque.clone().webp({ quality: 90 }),
    'WebP, lossless': opaque.clone().webp({ lossless: true }),
    'WebP, alpha': alpha.clone().webp({ quality: 90 }),
  };
  const made = Object.entries(forms).map(async ([name, image]) => {
    const format = name.slice(0, 4).toLowerCase().replace(/\W/g, '') as Photograph['format'];
    return [name, { file: new Uint8Array(await image.toBuffer()), format, width: WIDTH, height: HEIGHT }] as const;
  });
  return Object.fromEntries(await Promise.all(made));
}

/** A file with a few bytes changed, most of them in its first ones, or cut, or with a part of it moved. */
export function mutated(file: Uint8Array, next: () => number): Buffer {
  const upTo = (most: number) => Math.floor(next() * (most + 1));
  const bytes = Buffer.from(file);
  for (let changes = upTo(6); changes >= 0; changes--) {
    const at = upTo(next() < 0.8 ? Math.min(120, bytes.length - 1) : bytes.length - 1);
    bytes[at] = next() < 0.5 ? [0, 1, 0x7f, 0x80, 0xff][upTo(4)] : upTo(255);
  }
  if (next() < 0.2) bytes.copyWithin(upTo(bytes.length - 1), upTo(bytes.length - 1), upTo(bytes.length - 1));
  return next() < 0.3 ? bytes.subarray(0, upTo(bytes.length)) : bytes;
}

/**
 * Decodes that many mutated files, some at once.
 * @returns how often each thing became of them, and by how much the process had grown at the end since a quarter of it was done
 */
export async function decodeMutated(
  pictures: Pictures,
  files: readonly Uint8Array[],
  count: number,
  seed: number,
): Promise<{ codes: Record<string, number>; grownBytes: number }> {
  const next = random(seed);
  const pipeline = pipelineOf('preset: imagenet', [-1, 3, 224, 224]);
  const codes: Record<string, number> = {};
  let settledBytes = 0;
  for (let done = 0; done < count; done += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, i) => mutated(files[(done + i) % files.length], next));
    const outcomes = some.map((file) =>
      pictures.decode(file, pipeline).then(
        () => 'decoded',
        (error: GatewayError) => error.code ?? String(error),
      ),
    );
    for (const code of await Promise.all(outcomes)) codes[code] = (codes[code] ?? 0) + 1;
    if (done < count / 4) settledBytes = Math.max(settledBytes, process.memoryUsage.rss());
  }
  return { codes, grownBytes: process.memoryUsage.rss() - settledBytes };
}
