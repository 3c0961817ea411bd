/**
 * Decodes pictures on threads of its own, so that a bad one takes no place where models run. Bounded in threads, in memory of
 * pictures being decoded, and in what waits; whose turn it is the queue knows. Knows nothing of requests: a caller who has gone cancels.
 */

import { isMarkedAsUntransferable } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import type { ImageHeader } from '../native/image-header.ts';
import { type DecodeCost, decodeCost } from './decode-cost.ts';
import { decoderFailed, decodersLost, StartError, StuckError, undecodable } from './decode-faults.ts';
import type { DecodeTask } from './decode-messages.ts';
import { type DecodePlan, decodePlan } from './decode-plan.ts';
import { DecodeQueue, type Waiter } from './decode-queue.ts';
import { DecodeSlots } from './decode-slots.ts';
import { beginsUs, DecodeSpeed } from './decode-speed.ts';
import type { Geometry } from './geometry.ts';
import type { ImagePipeline, PixelMap } from './image-pipeline.ts';

/** Most pictures that wait: stops a flood of tiny ones. A batch of the default cap fits four times. */
export const MOST_WAITING = 4096;

/** Most threads whatever the machine: each keeps one of libuv's busy (bin/penstock.mjs provides for so many). */
export const MOST_DECODE_THREADS = 8;

/** What becomes of a picture. */
export interface DecodeJob {
  /** Whose it is: flows take turns, and none waits for all that another has sent. */
  readonly flow: string;
  /**
   * The encoded picture. In shared memory it is read where it lies, and must stay until `decode` has settled. All of an ArrayBuffer
   * changes hands (the view is empty when decoding has begun); a part of one is copied, once.
   */
  readonly file: Uint8Array;
  /** Of `judgePicture`. */
  readonly header: ImageHeader;
  readonly pipeline: ImagePipeline;
  /** Of `pixelMap`: how the picture is drawn. */
  readonly map: PixelMap;
  /** Byte of the arena where its row of `pipeline.rowBytes` begins. It must stay the job's until `decode` has settled. */
  readonly target: number;
  /** By the pool's clock; Infinity where there is none. */
  readonly deadlineUs: number;
}

/** What a pool is made from. */
export interface DecodePoolParts {
  readonly arena: SharedArrayBuffer;
  readonly clock: Clock;
  /** At most `MOST_DECODE_THREADS` of them are used. */
  readonly threads: number;
  /** The configuration's limits of the same names. */
  readonly imageBytes: number;
  readonly imageQueueBytes: number;
  /** Told of what is no picture's fault: a thread that cannot start, ended, failed, or does not come to an end. For the log. */
  readonly onFault?: (error: unknown) => void;
  /** Module of the threads; tests give one that wraps the real one and dies on request. */
  readonly entry?: URL;
}

interface Entry extends Waiter<Entry> {
  readonly job: DecodeJob;
  readonly plan: DecodePlan;
  startedUs: number;
  readonly resolve: (geometry: Geometry) => void;
  readonly reject: (error: GatewayError) => void;
}

/** The pool. No thread is there before the first picture, `prove` or `start`. */
export class DecodePool {
  /** Memory for pictures being decoded, bytes. */
  runningBytes = 0;
  readonly #clock: Clock;
  readonly #imageBytes: number;
  readonly #imageQueueBytes: number;
  readonly #onFault: (error: unknown) => void;
  readonly #count: number;
  readonly #slots: DecodeSlots;
  readonly #queue = new DecodeQueue<Entry>();
  /** What is in the queue. */
  readonly #waiting = new Map<DecodeJob, Entry>();
  readonly #running = new Set<Entry>();
  readonly #runs = new Set<Promise<void>>();
  readonly #speed = new DecodeSpeed();
  #closed = false;

  constructor({ arena, clock, threads, imageBytes, imageQueueBytes, onFault, entry }: DecodePoolParts) {
    const count = Math.min(threads, MOST_DECODE_THREADS);
    this.#clock = clock;
    this.#imageBytes = imageBytes;
    this.#imageQueueBytes = imageQueueBytes;
    this.#onFault = onFault ?? (() => undefined);
    this.#count = count;
    this.#slots = new DecodeSlots({ arena, clock, count, onFault: this.#onFault, entry });
  }

  /** Pictures being decoded. */
  get running(): number {
    return this.#running.size;
  }

  /** Pictures that wait for a thread. */
  get waiting(): number {
    return this.#queue.pictures;
  }

  /** Encoded bytes that wait. */
  get waitingBytes(): number {
    return this.#queue.fileBytes;
  }

  /** Pictures that were given up and still keep a thread. */
  get stuck(): number {
    return this.#slots.stuck;
  }

  /** Resolves when a thread has shown that it can decode. @throws why it cannot */
  prove(): Promise<void> {
    return this.#slots.prove();
  }

  /** Has the threads start, so that the first picture need not wait for them. */
  start(): void {
    this.#slots.start();
  }

  /** What a picture takes. @throws {GatewayError} INVALID_ARGUMENT where it cannot be scaled */
  cost({ file, header, pipeline }: Pick<DecodeJob, 'file' | 'header' | 'pipeline'>): DecodeCost {
    return decodeCost(header, pipeline, file.byteLength, this.#imageBytes);
  }

  /**
   * Decodes a picture into its row of the arena; nothing is written there where it fails.
   * @returns where its pixels went
   * @throws {GatewayError} INVALID_ARGUMENT where it cannot be decoded whole; OVERLOADED where too much waits, and it or its flow is the
   * one to give way; DEADLINE_EXCEEDED where its turn comes too late; CANCELLED; SHUTTING_DOWN; INTERNAL where its thread ended, or
   * does not end (`StuckError`, and the file is read until `ended`); INSTANCE_LOST where no thread can decode; of `cost`
   */
  async decode(job: DecodeJob): Promise<Geometry> {
    if (this.#closed) throw shuttingDown();
    if (this.#slots.lost) throw decodersLost(this.#slots.backInMs);
    const plan = decodePlan(job.header, job.pipeline, job.map);
    const { promise, resolve, reject } = Promise.withResolvers<Geometry>();
    const entry: Entry = {
      job,
      plan,
      flow: job.flow,
      fileBytes: job.file.byteLength,
      ...this.cost(job),
      previous: null,
      next: null,
      startedUs: 0,
      resolve,
      reject,
    };
    this.#waiting.set(job, entry);
    this.#queue.push(entry);
    this.#fill();
    this.#refuseSurplus(entry, 'imagesWaiting', 'pictures', MOST_WAITING);
    this.#refuseSurplus(entry, 'imageQueueBytes', 'fileBytes', this.#imageQueueBytes);
    return promise;
  }

  /** Ends those of the jobs that wait, with CANCELLED. One that runs goes on to its end, and one that has settled is not touched. */
  cancel(jobs: Iterable<DecodeJob>): void {
    for (const job of jobs) {
      const entry = this.#waiting.get(job);
      if (entry === undefined) continue;
      this.#leave(entry);
      entry.reject(new GatewayError('CANCELLED', 'the request was cancelled before its image was decoded'));
    }
    // One of them may have been the one whose size the others waited for.
    this.#fill();
  }

  /** So much more work of a flow will be given, or less than was said: it counts for those who ask when they would be decoded. */
  announce(flow: string, work: number): void {
    this.#queue.announce(flow, work);
  }

  /**
   * Time until pictures of that flow are decoded, were they given now: microseconds, a guess before the first ones. They run side by side,
   * and others have their turns until the last of them has its own. None = until one would be begun.
   */
  expectedUs(flow: string, pipeline: ImagePipeline, works: readonly number[] = []): number {
    const total = works.reduce((sum, work) => sum + work, 0);
    const aheadUs = this.#speed.us(this.#queue.ahead(flow, total - (works.at(-1) ?? 0)));
    const longest = works.reduce((most, work) => Math.max(most, work), 0);
    const own = Math.max(longest, total / Math.max(1, Math.min(works.length, this.#count)));
    return Math.round(beginsUs(this.#freeUs(), aheadUs)) + this.#speed.us(own, pipeline);
  }

  /** Refuses what waits, waits for what runs, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#refuseAll(shuttingDown);
    await Promise.all(this.#runs);
    await this.#slots.close();
  }

  #leave(entry: Entry): void {
    this.#waiting.delete(entry.job);
    this.#queue.remove(entry);
  }

  /** Of each thread, microseconds from now. */
  #freeUs(): number[] {
    const nowUs = this.#clock.nowUs();
    const left = ({ work, job, startedUs }: Entry) =>
      Math.max(0, this.#speed.us(work, job.pipeline) - (nowUs - startedUs));
    const idle = this.#count - this.#slots.stuck - this.#running.size;
    return [...new Array<number>(idle).fill(0), ...[...this.#running].map(left)];
  }

  /** What need not wait is never refused, however large. */
  #refuseSurplus(newcomer: Entry, limit: Limit, of: 'pictures' | 'fileBytes', most: number): void {
    if (!this.#waiting.has(newcomer.job)) return;
    for (const entry of this.#queue.surplus(newcomer, of, most)) {
      const retryAfterMs = this.expectedUs(entry.flow, entry.job.pipeline) / 1000;
      this.#leave(entry);
      entry.reject(new GatewayError('OVERLOADED', 'too many images wait to be decoded', { retryAfterMs, limit }));
    }
  }

  #refuseAll(error: () => GatewayError): void {
    for (const entry of [...this.#waiting.values()]) {
      this.#leave(entry);
      entry.reject(error());
    }
  }

  /** Gives the idle threads work. */
  #fill(): void {
    if (this.#slots.lost) this.#refuseAll(() => decodersLost(this.#slots.backInMs));
    while (this.#slots.free) {
      const entry = this.#queue.next(this.#imageBytes - this.runningBytes);
      if (entry === null) return;
      this.#waiting.delete(entry.job);
      if (entry.job.deadlineUs < this.#clock.nowUs()) {
        entry.reject(new GatewayError('DEADLINE_EXCEEDED', 'the deadline passed before the image was decoded'));
        continue;
      }
      const run: Promise<void> = this.#run(entry, () => this.#giveUp(entry, run));
      this.#runs.add(run);
      void run.then(() => this.#runs.delete(run));
    }
  }

  async #run(entry: Entry, onStuck: () => void): Promise<void> {
    entry.startedUs = this.#clock.nowUs();
    this.#running.add(entry);
    this.runningBytes += entry.bytes;
    try {
      const expectedUs = this.#speed.us(entry.work, entry.job.pipeline);
      const reply = await this.#slots.run(taskOf(entry), expectedUs, onStuck);
      if (reply.fault === null) {
        this.#speed.learn(entry.job.pipeline, entry.work, reply.tookUs);
        entry.resolve(entry.plan.geometry);
      } else {
        entry.reject(undecodable(reply.fault));
      }
    } catch (error) {
      entry.reject(this.#failed(error));
    }
    this.#ran(entry);
  }

  /** A picture is decoded, or will never be. */
  #ran(entry: Entry): void {
    if (this.#running.delete(entry)) this.runningBytes -= entry.bytes;
    this.#fill();
  }

  /** What the caller is told of a thread that failed. */
  #failed(error: unknown): GatewayError {
    // The log has it already, once for all who wait for that thread.
    if (error instanceof StartError) return decodersLost(this.#slots.backInMs);
    this.#onFault(error);
    return decoderFailed(error);
  }

  /**
   * Its memory counts no more: it is not free, but nobody can say when it will be.
   * @param ended when its decoder comes to an end after all
   */
  #giveUp(entry: Entry, ended: Promise<void>): void {
    const error = new StuckError(ended);
    this.#onFault(error);
    entry.reject(error);
    this.#ran(entry);
  }
}

function taskOf({ job, plan }: Entry): DecodeTask {
  return { ...plan.task, file: movable(job.file), target: job.target };
}

/** In memory that a thread can have without a copy: shared, or all of a buffer. */
function movable(file: Uint8Array): Uint8Array {
  const { buffer } = file;
  if (buffer instanceof SharedArrayBuffer) return file;
  const whole = buffer.byteLength === file.byteLength && !isMarkedAsUntransferable(buffer);
  return whole ? file : new Uint8Array(file);
}

function shuttingDown(): GatewayError {
  return new GatewayError('SHUTTING_DOWN', 'the server is shutting down');
}
