/** The tensor of the preset `imagenet`, by the ways that `preprocess` compares: ours, sharp's own pixels, and loops in JavaScript. */

import { availableParallelism } from 'node:os';
import sharp, { type Sharp } from 'sharp';
import { IMAGE_PRESETS } from '../../src/config/image-presets.ts';
import { parseModelPolicy } from '../../src/config/model-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { datatype } from '../../src/core/datatype.ts';
import type { ImageDeclaration } from '../../src/core/image.ts';
import type { ImageWork } from '../../src/native/image.ts';
import { loadBinding } from '../../src/native/load.ts';
import type { DecodeJob } from '../../src/preprocess/decode-job.ts';
import { DecodePool } from '../../src/preprocess/decode-pool.ts';
import { type Geometry, geometry } from '../../src/preprocess/geometry.ts';
import { type ImagePipeline, imagePipeline } from '../../src/preprocess/image-pipeline.ts';
import { judgePicture } from '../../src/preprocess/judge.ts';

/** Of the tensor, pixels. */
export const SIDE = 224;
/** Pixels of one channel, and numbers of the tensor. */
export const PLANE = SIDE * SIDE;
export const NUMBERS = 3 * PLANE;

const TENSOR_BYTES = 4 * NUMBERS;
/** More than any picture of the benches, encoded. */
const FILE_BYTES = 2 ** 20;
/** And decoded. */
const LIMITS = { imagePixels: 2 ** 24, imageFrames: 1, imageBytes: 2 ** 26 };

/** The pipeline as a model.yaml declares it. */
export function imagenetPipeline(exact: boolean): ImagePipeline {
  const text = `preprocess: { input: x, image: { preset: imagenet, exact: ${exact} } }`;
  const { preprocess } = parseModelPolicy(text, 'model.yaml');
  const input = { name: 'x', datatype: datatype('FP32'), shape: [-1, 3, SIDE, SIDE] };
  return imagePipeline(preprocess as ImageDeclaration, { inputs: [input], outputs: [] });
}

const { multiply, add, pad } = imagenetPipeline(true).straight;
const { mean: MEAN, std: STD } = IMAGE_PRESETS.imagenet;

/** Normalisation and layout alone, of decoded RGB that has the tensor's size already. */
export const FITTING: ImageWork = {
  source: { width: SIDE, height: SIDE, channels: 3 },
  resized: { width: SIDE, height: SIDE },
  filter: 'bilinear',
  antialias: true,
  crop: { left: 0, top: 0, width: SIDE, height: SIDE },
  tensor: { width: SIDE, height: SIDE },
  at: { left: 0, top: 0 },
  colour: 'RGB',
  layout: 'NCHW',
  datatype: 'FP32',
  scale: multiply,
  shift: add,
  pad,
};

/** The same as one writes it. */
export function plainLoop(pixels: Uint8Array, tensor: Float32Array): void {
  const plane = tensor.length / 3;
  for (let c = 0; c < 3; c++) {
    const [mean, std] = [MEAN[c], STD[c]];
    for (let i = 0; i < plane; i++) tensor[c * plane + i] = (pixels[3 * i + c] / 255 - mean) / std;
  }
}

/** The same as one writes it who has measured: one walk, and no division. */
export function tunedLoop(pixels: Uint8Array, tensor: Float32Array): void {
  const [scaleR, scaleG, scaleB] = multiply;
  const [shiftR, shiftG, shiftB] = add;
  const plane = tensor.length / 3;
  for (let i = 0, p = 0; i < plane; i++, p += 3) {
    tensor[i] = pixels[p] * scaleR + shiftR;
    tensor[plane + i] = pixels[p + 1] * scaleG + shiftG;
    tensor[2 * plane + i] = pixels[p + 2] * scaleB + shiftB;
  }
}

/** Our way: judged by the header, decoded by the pool, and the kernel into the arena. */
export class OurTensors {
  readonly #binding = loadBinding();
  readonly #arena = new SharedArrayBuffer(TENSOR_BYTES + FILE_BYTES);
  readonly #pool = new DecodePool({
    arena: this.#arena,
    clock: systemClock,
    threads: availableParallelism(),
    imageBytes: LIMITS.imageBytes,
    imageQueueBytes: LIMITS.imageBytes,
  });

  /** The last tensor. */
  readonly tensor = new Float32Array(this.#arena, 0, NUMBERS);

  /** One picture, which is copied to the arena as out of a socket. */
  async make(jpeg: Uint8Array, pipeline: ImagePipeline): Promise<Geometry> {
    const file = new Uint8Array(this.#arena, TENSOR_BYTES, jpeg.length);
    file.set(jpeg);
    const header = judgePicture(this.#binding, LIMITS, file, 0, file.length);
    const job: DecodeJob = {
      flow: '',
      file,
      header,
      cost: this.#pool.cost({ file, header, pipeline }),
      pipeline,
      map: pipeline.straight,
      target: 0,
      deadlineUs: Number.POSITIVE_INFINITY,
    };
    return this.#pool.decode(job);
  }

  /** Ends the threads. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Where the pixels of a picture of that size go. */
export function imagenetGeometry(width: number, height: number): Geometry {
  return geometry(imagenetPipeline(true), { width, height });
}

/** sharp's own: it decodes all of it, and scales and cuts the raw pixels. No tensor yet. */
export async function sharpAfterDecode(jpeg: Uint8Array, place: Geometry): Promise<Buffer> {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return cutBySharp(sharp(data, { raw: { width, height, channels } }), place);
}

/** sharp as one writes it, which decodes a JPEG smaller where it can, and the loop. */
export async function sharpAndLoop(jpeg: Uint8Array, place: Geometry, tensor: Float32Array): Promise<void> {
  const { buffer, byteOffset, byteLength } = await cutBySharp(sharp(jpeg), place);
  // A Buffer is of another class than the arrays that the loop was compiled for.
  tunedLoop(new Uint8Array(buffer, byteOffset, byteLength), tensor);
}

function cutBySharp(picture: Sharp, { scaled, window }: Geometry): Promise<Buffer> {
  return picture
    .resize(scaled.width, scaled.height, { fit: 'fill', kernel: 'linear' })
    .extract({ left: window.x, top: window.y, width: window.width, height: window.height })
    .raw()
    .toBuffer();
}
