/**
 * Decodes pictures on threads of its own, so that a bad one takes no place where models run. Bounded in threads, in memory of
 * pictures being decoded, and in what waits. Knows nothing of requests: a caller who has gone cancels.
 */

import { isMarkedAsUntransferable } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import type { ImageHeader } from '../native/image-header.ts';
import { memoryToDecode } from './decode-memory.ts';
import type { DecodeTask } from './decode-messages.ts';
import { type DecodePlan, decodePlan } from './decode-plan.ts';
import { DecodeSlot } from './decode-slot.ts';
import { DecodeSpeed } from './decode-speed.ts';
import type { Geometry } from './geometry.ts';
import type { ImagePipeline, PixelMap } from './image-pipeline.ts';

/** Most pictures that wait: stops a flood of tiny ones. A batch of the default cap fits four times. */
export const MOST_WAITING = 4096;

/** Most threads whatever the machine: each keeps one of libuv's busy (bin/penstock.mjs provides for so many). */
export const MOST_DECODE_THREADS = 8;

/** What becomes of a picture. */
export interface DecodeJob {
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
  /** Told of what is no picture's fault: a thread that ended, or that failed. For the log. */
  readonly onFault?: (error: unknown) => void;
  /** Module of the threads; tests give one that wraps the real one and dies on request. */
  readonly entry?: URL;
}

interface Entry {
  readonly job: DecodeJob;
  readonly plan: DecodePlan;
  readonly fileBytes: number;
  readonly pixels: number;
  /** Memory while it is decoded. */
  readonly bytes: number;
  readonly resolve: (geometry: Geometry) => void;
  readonly reject: (error: GatewayError) => void;
}

/** The pool. No thread is there before the first picture, or `start`. */
export class DecodePool {
  /** Pictures being decoded. */
  running = 0;
  /** Memory for them, bytes. */
  runningBytes = 0;
  /** Encoded bytes that wait. */
  waitingBytes = 0;
  readonly #clock: Clock;
  readonly #imageBytes: number;
  readonly #imageQueueBytes: number;
  readonly #onFault: (error: unknown) => void;
  readonly #slots: readonly DecodeSlot[];
  /** Those without work; the last one is taken first, so that few are busy where few are enough. */
  readonly #idle: DecodeSlot[];
  readonly #waiting = new Map<DecodeJob, Entry>();
  readonly #runs = new Set<Promise<void>>();
  readonly #speed: DecodeSpeed;
  #closed = false;

  constructor({ arena, clock, threads, imageBytes, imageQueueBytes, onFault, entry }: DecodePoolParts) {
    const count = Math.min(threads, MOST_DECODE_THREADS);
    const gate = new Int32Array(new SharedArrayBuffer(4));
    this.#clock = clock;
    this.#imageBytes = imageBytes;
    this.#imageQueueBytes = imageQueueBytes;
    this.#onFault = onFault ?? (() => undefined);
    this.#speed = new DecodeSpeed(count);
    this.#slots = Array.from({ length: count }, () => new DecodeSlot({ arena, gate }, entry));
    this.#idle = [...this.#slots];
  }

  /** Pictures that wait for a thread. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Has the threads start, so that the first picture need not wait for them. */
  start(): void {
    for (const slot of this.#slots) slot.start();
  }

  /**
   * Decodes a picture into its row of the arena; nothing is written there where it fails. First come, first served.
   * @returns where its pixels went
   * @throws {GatewayError} INVALID_ARGUMENT where it cannot be decoded whole; OVERLOADED where too much waits; DEADLINE_EXCEEDED
   * where its turn comes too late; CANCELLED; SHUTTING_DOWN; INTERNAL where its thread ended
   */
  async decode(job: DecodeJob): Promise<Geometry> {
    if (this.#closed) throw shuttingDown();
    const plan = decodePlan(job.header, job.pipeline, job.map);
    const { promise, resolve, reject } = Promise.withResolvers<Geometry>();
    const entry: Entry = {
      job,
      plan,
      fileBytes: job.file.byteLength,
      pixels: job.header.width * job.header.height,
      bytes: memoryToDecode(job.header, plan.task.turn.degrees !== 0),
      resolve,
      reject,
    };
    this.#enter(entry);
    this.#fill();
    if (this.#waiting.has(job)) this.#refuseSurplus(entry);
    return promise;
  }

  /** Ends a job that waits, with CANCELLED. One that runs goes on to its end, and one that has settled is not touched. */
  cancel(job: DecodeJob): void {
    const entry = this.#waiting.get(job);
    if (entry === undefined) return;
    this.#leave(entry);
    entry.reject(new GatewayError('CANCELLED', 'the request was cancelled before its image was decoded'));
    // It may have been the one whose size the others waited for.
    this.#fill();
  }

  /** When a picture of so many pixels would be decoded, were it given now, microseconds from now: a guess before the first one. */
  expectedUs(pixels: number): number {
    return this.#speed.expectedUs(pixels, this.#idle.length > 0);
  }

  /** Refuses what waits, waits for what runs, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of [...this.#waiting.values()]) {
      this.#leave(entry);
      entry.reject(shuttingDown());
    }
    await Promise.all(this.#runs);
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #enter(entry: Entry): void {
    this.#waiting.set(entry.job, entry);
    this.waitingBytes += entry.fileBytes;
    this.#speed.enter(entry.pixels);
  }

  /** Out of the queue for good; `#run` does the same in two steps. */
  #leave(entry: Entry): void {
    this.#waiting.delete(entry.job);
    this.waitingBytes -= entry.fileBytes;
    this.#speed.leave(entry.pixels);
  }

  /** What need not wait is never refused, however large. */
  #refuseSurplus(entry: Entry): void {
    const limit = this.#exceeded();
    if (limit === null) return;
    const retryAfterMs = this.#speed.backlogUs() / 1000;
    this.#leave(entry);
    entry.reject(new GatewayError('OVERLOADED', 'too many images wait to be decoded', { retryAfterMs, limit }));
  }

  #exceeded(): Limit | null {
    if (this.#waiting.size > MOST_WAITING) return 'imagesWaiting';
    return this.waitingBytes > this.#imageQueueBytes ? 'imageQueueBytes' : null;
  }

  /** Gives the idle threads work, in order: what is too large for the memory that is left is not overtaken. */
  #fill(): void {
    for (const entry of this.#waiting.values()) {
      if (entry.job.deadlineUs < this.#clock.nowUs()) {
        this.#leave(entry);
        entry.reject(new GatewayError('DEADLINE_EXCEEDED', 'the deadline passed before the image was decoded'));
        continue;
      }
      if (this.#idle.length === 0) return;
      if (this.running > 0 && this.runningBytes + entry.bytes > this.#imageBytes) return;
      this.#waiting.delete(entry.job);
      this.waitingBytes -= entry.fileBytes;
      const run = this.#run(this.#idle.pop() as DecodeSlot, entry);
      this.#runs.add(run);
      void run.then(() => this.#runs.delete(run));
    }
  }

  async #run(slot: DecodeSlot, entry: Entry): Promise<void> {
    this.running++;
    this.runningBytes += entry.bytes;
    try {
      const reply = await slot.run(taskOf(entry));
      if (reply.fault === null) {
        this.#speed.learn(entry.pixels, reply.tookUs);
        entry.resolve(entry.plan.geometry);
      } else {
        entry.reject(undecodable(reply.fault));
      }
    } catch (error) {
      this.#onFault(error);
      entry.reject(
        new GatewayError('INTERNAL', 'the image could not be decoded: its decoder failed', { cause: error }),
      );
    }
    this.running--;
    this.runningBytes -= entry.bytes;
    this.#speed.leave(entry.pixels);
    this.#idle.push(slot);
    this.#fill();
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

function undecodable(fault: string): GatewayError {
  const sentence = 'the image cannot be decoded: it is damaged, or is not what its header says';
  return new GatewayError('INVALID_ARGUMENT', sentence, { cause: new Error(fault) });
}

function shuttingDown(): GatewayError {
  return new GatewayError('SHUTTING_DOWN', 'the server is shutting down');
}
