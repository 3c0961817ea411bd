/**
 * Step 4 of the road in its second form: files that lie in the arena become rows of a tensor. Every file of a request is judged by its
 * header before the first one is decoded; decoding is done by threads of its own, and takes no lane. Behind it a request
 * travels like any other.
 */

import type { PlanEntry } from '../codec/head.ts';
import type { PlannedPictures } from '../codec/picture-plan.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { Pace } from '../core/pace.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { DecodeCost } from '../preprocess/decode-cost.ts';
import { StuckError } from '../preprocess/decode-faults.ts';
import type { DecodeJob } from '../preprocess/decode-job.ts';
import type { DecodePool } from '../preprocess/decode-pool.ts';
import type { Geometry } from '../preprocess/geometry.ts';
import { pixelMap } from '../preprocess/image-pipeline.ts';
import type { PictureLimits } from '../preprocess/judge.ts';
import { decodedTooLate, decodesTooLong } from './admission.ts';
import type { Intake } from './intake.ts';
import { checkPictures } from './picture-bounds.ts';
import { filesOf, ofElement, type Picture, PictureFiles } from './picture-files.ts';
import type { PictureModel } from './picture-model.ts';
import type { InferRequest } from './request.ts';
import type { Target } from './target.ts';

/** What turns files into rows. */
export interface PictureParts {
  /** Of a picture, and of a request: the rows of one are no more bytes than a body of tensors may be. */
  readonly limits: PictureLimits & { readonly bodyBytes: number };
  readonly pool: Pick<
    DecodePool,
    'cost' | 'refusal' | 'decode' | 'cancel' | 'announce' | 'expectedUs' | 'aloneUs' | 'waiting'
  >;
  /** Pictures of one request that are decoded, or wait for it, at once: a large batch must not fill the pool's queue. */
  readonly atOnce: number;
}

/** The pictures of one request. */
export interface PictureWork {
  /** Where each one came to lie, for the way back; of those that are decoded. */
  readonly geometries: Geometry[];
  /** What the pool has not finished. */
  readonly jobs: Set<DecodeJob>;
  /** What was given up: a decoder reads the files until these have settled. */
  readonly stuck: Promise<void>[];
  /** Work that the pool was told of and has not been given. */
  later: number;
}

/** Brings the pictures of requests into their rows. */
export class Pictures {
  readonly #binding: Binding;
  readonly #arena: Arena;
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #parts: PictureParts;
  readonly #files: PictureFiles;

  /** @param intake gives rows their place */
  constructor(binding: Binding, arena: Arena, clock: Clock, pace: Pace, intake: Intake, parts: PictureParts) {
    this.#binding = binding;
    this.#arena = arena;
    this.#clock = clock;
    this.#intake = intake;
    this.#parts = parts;
    this.#files = new PictureFiles(binding, arena, parts.limits, parts.pool, pace);
  }

  /** What is planned, before anything is done for it. @throws {GatewayError} PAYLOAD_TOO_LARGE, INVALID_ARGUMENT */
  check(request: InferRequest): void {
    checkPictures(request, this.#parts.limits.bodyBytes);
  }

  /**
   * Resolves when every picture of the request is in its row, and its files are given back; before that where the request ends
   * while they are decoded, as soon as no thread writes to its memory. Files that a thread does not let go of are given back when it does.
   * @throws {GatewayError} (as rejection) INVALID_ARGUMENT, UNSUPPORTED_MEDIA_TYPE or PAYLOAD_TOO_LARGE for the first picture that
   * cannot be taken; OVERLOADED where there is no room for rows or in the pool, or no time; DEADLINE_EXCEEDED where there would be none
   * without others either; INSTANCE_LOST, INTERNAL; CANCELLED where the request ends while its files are judged
   */
  async read(request: InferRequest): Promise<void> {
    const sinceUs = this.#clock.nowUs();
    const files = request.block;
    request.block = -1;
    request.held = true;
    try {
      this.check(request);
      const pictures = await this.#files.judged(request);
      if (hasEnded(request)) return;
      this.#checkTime(request, pictures);
      this.#checkRoom(request, pictures.length);
      this.#placeRows(request, pictures.length);
      await this.#fill(request, pictures);
      request.decodeUs = this.#clock.nowUs() - sinceUs;
      request.target.metrics.decodeUs?.record(request.decodeUs);
    } finally {
      request.held = false;
      const stuck = request.pictures?.stuck ?? [];
      if (stuck.length === 0) this.#arena.free(files);
      else void Promise.all(stuck).then(() => this.#arena.free(files));
    }
  }

  /**
   * The door, for a body that is one picture: null = there may be time for it. Behind others, what would be decoded too late is refused at
   * once: else all would wait until none has time left to run.
   */
  foresee(target: Target, tenant: string, deadlineUs: number): GatewayError | null {
    return this.#late(target, tenant, 1, deadlineUs, []);
  }

  /** The request has ended: what of it waits for a thread is not decoded any more. */
  drop(request: InferRequest): void {
    const { pictures } = request;
    if (pictures === null) return;
    this.#announce(request, -pictures.later);
    this.#parts.pool.cancel(pictures.jobs);
  }

  /** What was not known at the door is known now. @throws {GatewayError} OVERLOADED, INSTANCE_LOST */
  #checkTime({ target, tenant, rows, deadlineUs }: InferRequest, pictures: readonly Picture[]): void {
    const costs = pictures.map(({ cost }) => cost);
    const late = this.#late(target, tenant, rows, deadlineUs, costs);
    if (late !== null) throw late;
  }

  /** The refusal; null where there is time, or nobody waits: then it is tried, since what was learned may be wrong. */
  #late(
    target: Target,
    tenant: string,
    rows: number,
    deadlineUs: number,
    costs: readonly DecodeCost[],
  ): GatewayError | null {
    const { pool } = this.#parts;
    const refusal = pool.refusal();
    if (refusal !== null || pool.waiting === 0) return refusal;
    const { pipeline } = target.pictures as PictureModel;
    const expectedUs = pool.expectedUs(flowOf(target, tenant), pipeline, costs);
    const leftUs = this.#dueUs(target, rows, deadlineUs) - this.#clock.nowUs();
    if (!(expectedUs > leftUs)) return null;
    const aloneUs = pool.aloneUs(pipeline, costs);
    return aloneUs > leftUs ? decodesTooLong(target, aloneUs, leftUs) : decodedTooLate(target, expectedUs - leftUs);
  }

  /** When so many rows are to be filled: time to run them is left, but where nobody waits. */
  #dueUs({ queue }: Target, rows: number, deadlineUs: number): number {
    return this.#parts.pool.waiting === 0 ? deadlineUs : deadlineUs - queue.spec.curve.at(Math.max(1, rows));
  }

  /**
   * Rows that wait to be filled take room in the queue like those that wait to run, but for who finds it empty: else a flood of small
   * files would have the whole arena.
   * @throws {GatewayError} OVERLOADED
   */
  #checkRoom({ target, tenant }: InferRequest, count: number): void {
    const { model, queue, fillingBytes } = target;
    const { pipeline } = target.pictures as PictureModel;
    const waiting = queue.bytes + fillingBytes;
    if (waiting === 0 || waiting + count * pipeline.rowBytes <= queue.spec.queueBytes) return;
    const expectedUs = this.#parts.pool.expectedUs(flowOf(target, tenant), pipeline);
    // Decoders may have nothing to do where tensors fill the queue.
    const retryAfterMs = Math.max(expectedUs, queue.drainUs) / 1000;
    throw new GatewayError('OVERLOADED', `the queue of model '${model}' is full`, {
      retryAfterMs,
      limit: 'queueBytes',
    });
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
    const { target, rows, deadlineUs } = request;
    const dueUs = this.#dueUs(target, rows, deadlineUs);
    request.pictures = { geometries: new Array(pictures.length), jobs: new Set(), stuck: [], later: 0 };
    const total = pictures.reduce((sum, { cost }) => sum + cost.work, 0);
    this.#announce(request, total);
    // The first one: those behind it fail because they are dropped.
    let fault: unknown = null;
    const order = pictures.entries();
    const inOrder = async (): Promise<void> => {
      for (const [i, picture] of order) {
        this.#announce(request, -picture.cost.work);
        try {
          await this.#decodeOne(request, i, picture, dueUs);
        } catch (error) {
          fault ??= request.raw ? error : ofElement(filesOf(request), i, asGatewayError(error));
          this.drop(request);
        }
        if (fault !== null || hasEnded(request)) return;
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#parts.atOnce, pictures.length) }, inOrder));
    if (fault !== null) throw fault;
  }

  /** The pool knows of so much more that it has not been given, or less. */
  #announce(request: InferRequest, work: number): void {
    (request.pictures as PictureWork).later += work;
    this.#parts.pool.announce(flowOf(request.target, request.tenant), work);
  }

  async #decodeOne(request: InferRequest, i: number, picture: Picture, deadlineUs: number): Promise<void> {
    const { geometries, jobs, stuck } = request.pictures as PictureWork;
    const { pipeline } = request.target.pictures as PictureModel;
    const { polarity } = (request.entry as PlanEntry).plan.pictures as PlannedPictures;
    const flow = flowOf(request.target, request.tenant);
    const target = request.offsets[pipeline.input] + i * pipeline.rowBytes;
    const job: DecodeJob = { ...picture, flow, pipeline, map: pixelMap(pipeline, polarity), target, deadlineUs };
    jobs.add(job);
    try {
      geometries[i] = await this.#parts.pool.decode(job);
    } catch (error) {
      if (error instanceof StuckError) stuck.push(error.ended);
      throw error;
    } finally {
      jobs.delete(job);
    }
  }
}

function hasEnded(request: InferRequest): boolean {
  return request.state === 'ENDED';
}

/** Whose turn it takes to decode a picture: a tenant's with a version. */
function flowOf({ session }: Target, tenant: string): string {
  return `${session} ${tenant}`;
}
