/** The golden images that `test/golden/image/make.py` makes: what each case does, its source and what must come out. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { ImageWork } from '../../src/native/image.ts';

const FOLDER = new URL('../golden/image/', import.meta.url);

/** One case: the source's bytes, the work, and the tensor's bytes as Pillow and numpy make them. */
export interface GoldenImage {
  readonly name: string;
  readonly pixels: Uint8Array;
  readonly work: ImageWork;
  readonly expected: Uint8Array;
}

interface Row {
  readonly name: string;
  readonly seed: number;
  readonly source: [number, number, number];
  readonly resized: [number, number];
  readonly filter: ImageWork['filter'];
  readonly antialias: boolean;
  readonly crop: [number, number, number, number];
  readonly tensor: [number, number];
  readonly at: [number, number];
  readonly colour: ImageWork['colour'];
  readonly layout: ImageWork['layout'];
  readonly datatype: ImageWork['datatype'];
  readonly scale: number[];
  readonly shift: number[];
  readonly pad: number;
  readonly offset: number;
  readonly bytes: number;
}

/** All of them. */
export function goldenImages(): GoldenImage[] {
  const [, ...lines] = readFileSync(new URL('cases.jsonl', FOLDER), 'utf8').trimEnd().split('\n');
  const arrays = gunzipSync(readFileSync(new URL('expected.bin.gz', FOLDER)));
  return lines.map((line) => {
    const row = JSON.parse(line) as Row;
    const [width, height, channels] = row.source;
    const pixels = seededBytes(row.seed, width * height * channels);
    const expected = arrays.subarray(row.offset, row.offset + row.bytes);
    return { name: row.name, pixels, work: workOf(row), expected };
  });
}

function workOf(row: Row): ImageWork {
  const { filter, antialias, colour, layout, datatype, scale, shift, pad } = row;
  const [width, height, channels] = row.source;
  const [left, top, cropWidth, cropHeight] = row.crop;
  return {
    source: { width, height, channels },
    resized: { width: row.resized[0], height: row.resized[1] },
    crop: { left, top, width: cropWidth, height: cropHeight },
    tensor: { width: row.tensor[0], height: row.tensor[1] },
    at: { left: row.at[0], top: row.at[1] },
    ...{ filter, antialias, colour, layout, datatype, scale, shift, pad },
  };
}

/** The bytes that `make.py` draws from the same seed. */
export function seededBytes(seed: number, count: number): Uint8Array {
  let x = seed >>> 0;
  return Uint8Array.from({ length: count }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
}
