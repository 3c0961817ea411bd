/**
 * Step 5 of the road in its second form: files that lie in the arena become rows of a tensor. Every file of a request is judged by its
 * header before the first one is decoded; decoding is done by threads of its own, and takes no lane. Behind it a request
 * travels like any other.
 */

import { setImmediate as turn } from 'node:timers/promises';
import type { Answer, OutputData } from '../codec/answer.ts';
import { decodeBase64 } from '../codec/base64.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PlannedPictures } from '../codec/picture-plan.ts';
import type { PlannedInput } from '../codec/plan.ts';
import { splitElements } from '../codec/strings.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError, invalid } from '../core/error.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { ImageHeader } from '../native/image-header.ts';
import type { DecodeJob, DecodePool } from '../preprocess/decode-pool.ts';
import type { Geometry } from '../preprocess/geometry.ts';
import { pixelMap } from '../preprocess/image-pipeline.ts';
import { judgePicture, type PictureLimits } from '../preprocess/judge.ts';
import { pictureOutputs } from '../preprocess/picture-outputs.ts';
import type { Intake } from './intake.ts';
import type { PictureModel } from './picture-model.ts';
import type { InferRequest } from './request.ts';

/** Bytes of files that are judged in one turn of the event loop: others are read and answered between two of them. */
const TURN_BYTES = 1024 * 1024;

/** What turns files into rows. */
export interface PictureParts {
  /** Of a picture, and of a request: the rows of one are no more bytes than a body of tensors may be. */
  readonly limits: PictureLimits & { readonly bodyBytes: number };
  readonly pool: Pick<DecodePool, 'decode' | 'cancel' | 'expectedUs' | 'waiting'>;
  /** Pictures of one request that are decoded, or wait for it, at once: a large batch must not fill the pool's queue. */
  readonly atOnce: number;
}

/** One file. */
interface Picture {
  readonly file: Uint8Array;
  readonly header: ImageHeader;
}

/** The pictures of one request. */
export interface PictureWork {
  /** Where each one came to lie, for the way back; of those that are decoded. */
  readonly geometries: Geometry[];
  /** What the pool has not finished. */
  readonly jobs: Set<DecodeJob>;
}

/** Brings the pictures of requests into their rows. */
export class Pictures {
  readonly #binding: Binding;
  readonly #arena: Arena;
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #parts: PictureParts;

  constructor(binding: Binding, arena: Arena, clock: Clock, intake: Intake, parts: PictureParts) {
    this.#binding = binding;
    this.#arena = arena;
    this.#clock = clock;
    this.#intake = intake;
    this.#parts = parts;
  }

  /**
   * Resolves when every picture of the request is in its row, and its files are given back; before that where the request ends
   * meanwhile, as soon as no thread uses its memory.
   * @throws {GatewayError} (as rejection) INVALID_ARGUMENT, UNSUPPORTED_MEDIA_TYPE or PAYLOAD_TOO_LARGE for the first picture that
   * cannot be taken; OVERLOADED where there is no room for rows or in the pool
   */
  async read(request: InferRequest): Promise<void> {
    const sinceUs = this.#clock.nowUs();
    const files = request.block;
    request.block = -1;
    request.held = true;
    try {
      this.#checkSize(request);
      const pictures = await this.#judged(request);
      if (hasEnded(request)) return;
      this.#checkTime(request, pictures);
      this.#checkRoom(request, pictures.length);
      this.#placeRows(request, pictures.length);
      await this.#fill(request, pictures);
      request.decodeUs = this.#clock.nowUs() - sinceUs;
      request.target.metrics.decodeUs?.record(request.decodeUs);
    } finally {
      request.held = false;
      this.#arena.free(files);
    }
  }

  /** The request has ended: what of it waits for a thread is not decoded any more. */
  drop({ pictures }: InferRequest): void {
    for (const job of pictures?.jobs ?? []) this.#parts.pool.cancel(job);
  }

  /** What model.yaml says is answered. @param outputs of this request, per output of the signature */
  answer(request: InferRequest, wanted: PlannedPictures, outputs: readonly OutputData[]): Answer {
    const { answers, facts, pictures: model } = request.target;
    const { declared, labels } = model as PictureModel;
    const { geometries } = request.pictures as PictureWork;
    const named = outputs.map((output, i) => ({ ...output, ...facts.signature.outputs[i] }));
    const found = pictureOutputs(this.#binding, declared, labels, named, geometries, wanted.classification);
    return answers.writeNamed(request.id, found, wanted.binary);
  }

  /** Every file with its header, in order. */
  async #judged(request: InferRequest): Promise<Picture[]> {
    const input = filesOf(request);
    const spans = this.#spans(request, input);
    const pictures: Picture[] = [];
    let bytes = 0;
    for (let i = 0; i < input.elements; i++) {
      const offset = spans[2 * i];
      const length = spans[2 * i + 1];
      pictures.push(this.#judge(request, input, i, offset, length));
      bytes += length;
      if (bytes < TURN_BYTES || i + 1 === input.elements) continue;
      bytes = 0;
      await turn();
      if (hasEnded(request)) break;
    }
    return pictures;
  }

  /** Start and length of every file in the arena. */
  #spans({ raw, offsets, sizes, entry }: InferRequest, { elements, spec }: PlannedInput): Uint32Array {
    const { input } = (entry as PlanEntry).plan.pictures as PlannedPictures;
    if (raw) return Uint32Array.of(offsets[input], sizes[input]);
    return splitElements(this.#binding, this.#arena.bytes, offsets[input], sizes[input], elements, spec.name, false);
  }

  #judge({ raw }: InferRequest, input: PlannedInput, i: number, offset: number, length: number): Picture {
    const { bytes } = this.#arena;
    try {
      const size = input.base64 ? decodeBase64(bytes, offset, length) : length;
      if (size < 0) throw invalid('expected base64');
      const header = judgePicture(this.#binding, this.#parts.limits, bytes, offset, size);
      return { file: bytes.subarray(offset, offset + size), header };
    } catch (error) {
      throw raw ? error : ofElement(input, i, asGatewayError(error));
    }
  }

  /** A file of a few bytes may become a row of many. @throws {GatewayError} PAYLOAD_TOO_LARGE */
  #checkSize(request: InferRequest): void {
    const { pipeline } = request.target.pictures as PictureModel;
    const { bodyBytes } = this.#parts.limits;
    const bytes = filesOf(request).elements * pipeline.rowBytes;
    if (bytes <= bodyBytes) return;
    const sentence = `the images become a tensor of ${bytes} bytes, more than the limit of ${bodyBytes} for a request`;
    throw new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit: 'bodyBytes' });
  }

  /**
   * Behind others, what would be decoded too late is refused at once: else all would wait until none has time left to run.
   * @throws {GatewayError} OVERLOADED
   */
  #checkTime({ deadlineUs, target }: InferRequest, pictures: readonly Picture[]): void {
    const { pool } = this.#parts;
    if (pool.waiting === 0) return;
    const pixels = pictures.reduce((sum, { header }) => sum + header.width * header.height, 0);
    const lateUs = pool.expectedUs(pixels) - (deadlineUs - this.#clock.nowUs());
    if (!(lateUs > 0)) return;
    const sentence = `model '${target.model}' is busy: too many images wait to be decoded before those of this request`;
    throw new GatewayError('OVERLOADED', sentence, { retryAfterMs: lateUs / 1000 });
  }

  /**
   * Rows that wait to be filled take room in the queue like those that wait to run, but for who finds it empty: else a flood of small
   * files would have the whole arena.
   * @throws {GatewayError} OVERLOADED
   */
  #checkRoom({ target }: InferRequest, count: number): void {
    const { model, queue, fillingBytes } = target;
    const { pipeline } = target.pictures as PictureModel;
    const waiting = queue.bytes + fillingBytes;
    if (waiting === 0 || waiting + count * pipeline.rowBytes <= queue.spec.queueBytes) return;
    const details = { retryAfterMs: this.#parts.pool.expectedUs(0) / 1000, limit: 'queueBytes' } as const;
    throw new GatewayError('OVERLOADED', `the queue of model '${model}' is full`, details);
  }

  async #fill(request: InferRequest, pictures: readonly Picture[]): Promise<void> {
    const { target, bytes } = request;
    target.fillingBytes += bytes;
    try {
      await this.#decode(request, pictures);
    } finally {
      target.fillingBytes -= bytes;
    }
  }

  /** From here on the request's place is that of its rows; what was sent as tensors moves there. */
  #placeRows(request: InferRequest, count: number): void {
    const { pipeline } = request.target.pictures as PictureModel;
    const { offsets, sizes } = request;
    const sent = offsets.slice();
    sizes[pipeline.input] = count * pipeline.rowBytes;
    request.bytes = sizes.reduce((sum, size) => sum + size, 0);
    this.#intake.placeRows(request);
    for (let i = 0; i < sent.length; i++) {
      if (i === pipeline.input || request.strings[i] !== null) continue;
      this.#binding.copy(this.#arena.bytes, sent[i], this.#arena.bytes, offsets[i], sizes[i]);
    }
  }

  /** A few at once, in order, until one cannot be decoded or nobody waits for them any more. */
  async #decode(request: InferRequest, pictures: readonly Picture[]): Promise<void> {
    const { atOnce } = this.#parts;
    const work: PictureWork = { geometries: new Array(pictures.length), jobs: new Set() };
    request.pictures = work;
    // The first one: those behind it fail because they are dropped.
    let fault: unknown = null;
    const order = pictures.entries();
    const inOrder = async (): Promise<void> => {
      for (const [i, picture] of order) {
        try {
          await this.#decodeOne(request, work, i, picture);
        } catch (error) {
          fault ??= request.raw ? error : ofElement(filesOf(request), i, asGatewayError(error));
          this.drop(request);
        }
        if (fault !== null || hasEnded(request)) return;
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, pictures.length) }, inOrder));
    if (fault !== null) throw fault;
  }

  async #decodeOne(request: InferRequest, work: PictureWork, i: number, { file, header }: Picture): Promise<void> {
    const { pipeline } = request.target.pictures as PictureModel;
    const { polarity } = (request.entry as PlanEntry).plan.pictures as PlannedPictures;
    const target = request.offsets[pipeline.input] + i * pipeline.rowBytes;
    const map = pixelMap(pipeline, polarity);
    const job: DecodeJob = { file, header, pipeline, map, target, deadlineUs: request.deadlineUs };
    work.jobs.add(job);
    try {
      work.geometries[i] = await this.#parts.pool.decode(job);
    } finally {
      work.jobs.delete(job);
    }
  }
}

/** The input that was sent as files. */
function filesOf({ entry }: InferRequest): PlannedInput {
  const { inputs, pictures } = (entry as PlanEntry).plan;
  return inputs[(pictures as PlannedPictures).input];
}

/**
 * The refusal of one of several pictures: which one it is. That it is of no format that is taken is said by the media type of a body;
 * an element of a tensor has none.
 */
function ofElement({ spec }: PlannedInput, element: number, error: GatewayError): GatewayError {
  const { cause, limit, retryAfterMs } = error;
  const code = error.code === 'UNSUPPORTED_MEDIA_TYPE' ? 'INVALID_ARGUMENT' : error.code;
  if (code !== 'INVALID_ARGUMENT' && code !== 'PAYLOAD_TOO_LARGE') return error;
  const sentence = `input '${spec.name}', element ${element}: ${error.message}`;
  return new GatewayError(code, sentence, { cause, retryAfterMs, ...(limit === null ? {} : { limit }) });
}

function hasEnded(request: InferRequest): boolean {
  return request.state === 'ENDED';
}
