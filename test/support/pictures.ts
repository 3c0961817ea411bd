/** Pictures decoded without a server: the golden ones that Pillow has decoded too, and a pool with an arena for their rows. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { loadConfig } from '../../src/config/load.ts';
import { parseModelPolicy } from '../../src/config/model-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type Datatype, datatype } from '../../src/core/datatype.ts';
import type { ImageDeclaration } from '../../src/core/image.ts';
import { loadBinding } from '../../src/native/load.ts';
import type { DecodeJob } from '../../src/preprocess/decode-job.ts';
import { DecodePool, type DecodePoolParts } from '../../src/preprocess/decode-pool.ts';
import { type ImagePipeline, imagePipeline } from '../../src/preprocess/image-pipeline.ts';
import { judgePicture, type PictureLimits } from '../../src/preprocess/judge.ts';

const FOLDER = new URL('../golden/image/', import.meta.url);
const binding = loadBinding();

/** The limits of a server that is not told otherwise. */
export const LIMITS = loadConfig({ args: [], env: {} }).limits;

/** A picture's file, and the pixels that Pillow makes of it; none where it is to be refused. */
export interface GoldenPicture {
  readonly name: string;
  /** Whether it was turned as EXIF says. */
  readonly exif: boolean;
  readonly width: number;
  readonly height: number;
  /** 1 gray, 3 RGB. */
  readonly channels: number;
  readonly file: Uint8Array;
  readonly pixels: Uint8Array | null;
}

/** All that `test/golden/image/pictures.py` makes. */
export function goldenPictures(): GoldenPicture[] {
  const [, ...lines] = readFileSync(new URL('pictures.jsonl', FOLDER), 'utf8').trimEnd().split('\n');
  const bytes = gunzipSync(readFileSync(new URL('pictures.bin.gz', FOLDER)));
  const part = ([offset, length]: [number, number]) => bytes.subarray(offset, offset + length);
  return lines.map((line) => {
    const row = JSON.parse(line);
    return { ...row, file: part(row.file), pixels: row.pixels === null ? null : part(row.pixels) };
  });
}

/** The pipeline of those keys of `preprocess.image`, for an input of that shape. */
export function pipelineOf(keys: string, shape: readonly number[], type: Datatype = 'FP32'): ImagePipeline {
  const text = `preprocess: { input: x, image: { ${keys} } }`;
  const declared = parseModelPolicy(text, 'f').preprocess as ImageDeclaration;
  return imagePipeline(declared, { inputs: [{ name: 'x', datatype: datatype(type), shape }], outputs: [] });
}

/** The pipeline that gives a picture of that size back as it is. */
export function rawPipeline(width: number, height: number, channels = 3, exif = true): ImagePipeline {
  const color = channels === 1 ? 'GRAY' : 'RGB';
  const orientation = exif ? 'exif' : 'ignore';
  const keys = `datatype: UINT8, layout: NHWC, color: ${color}, orientation: ${orientation}`;
  return pipelineOf(keys, [-1, height, width, channels], 'UINT8');
}

/** What a row is filled with before, to see that nothing was written. */
export const UNTOUCHED = 0xa5;

/** A pool, and rows for its pictures side by side. */
export class Pictures {
  readonly pool: DecodePool;
  readonly arena: Uint8Array;
  readonly #limits: PictureLimits;
  #end = 0;

  constructor(parts: Partial<DecodePoolParts & PictureLimits> = {}, arenaBytes = 16 * 1024 * 1024) {
    const arena = new SharedArrayBuffer(arenaBytes);
    this.arena = new Uint8Array(arena).fill(UNTOUCHED);
    this.#limits = { ...LIMITS, ...parts };
    this.pool = new DecodePool({ ...LIMITS, clock: systemClock, threads: 2, ...parts, arena });
  }

  /** A job for it, whose row nobody else has (until all rows are used, and begin anew). @throws {GatewayError} as the road does */
  job(file: Uint8Array, pipeline: ImagePipeline, more: Partial<DecodeJob> = {}): DecodeJob {
    const judged = judgePicture(binding, this.#limits, file, 0, file.byteLength);
    if (this.#end + pipeline.rowBytes > this.arena.length) this.#end = 0;
    const target = this.#end;
    this.#end += pipeline.rowBytes;
    const { header = judged } = more;
    return {
      flow: '',
      file,
      header,
      cost: this.pool.cost({ file, header, pipeline }),
      pipeline,
      map: pipeline.straight,
      target,
      deadlineUs: Number.POSITIVE_INFINITY,
      ...more,
    };
  }

  /** The job's row. */
  row({ target, pipeline }: DecodeJob): Uint8Array {
    return this.arena.subarray(target, target + pipeline.rowBytes);
  }

  /** Judges and decodes one, and gives its row. @throws {GatewayError} */
  async decode(file: Uint8Array, pipeline: ImagePipeline): Promise<Uint8Array> {
    const job = this.job(file, pipeline);
    await this.pool.decode(job);
    return this.row(job);
  }
}
