/**
 * Decodes pictures on threads of its own, so that a bad one takes no place where models run. Bounded in threads, in memory of
 * pictures being decoded, and in what waits. Knows nothing of requests: a caller who has gone cancels.
 */

import { isMarkedAsUntransferable } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import type { ImageHeader } from '../native/image-header.ts';
import { decoderFailed, decodersLost, StartError, StuckError, undecodable } from './decode-faults.ts';
import { memoryToDecode } from './decode-memory.ts';
import type { DecodeTask } from './decode-messages.ts';
import { type DecodePlan, decodePlan } from './decode-plan.ts';
import { DecodeSlots } from './decode-slots.ts';
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
  /** Told of what is no picture's fault: a thread that cannot start, ended, failed, or does not come to an end. For the log. */
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

/** The pool. No thread is there before the first picture, `prove` or `start`. */
export class DecodePool {
  /** Memory for pictures being decoded, bytes. */
  runningBytes = 0;
  /** Encoded bytes that wait. */
  waitingBytes = 0;
  readonly #clock: Clock;
  readonly #imageBytes: number;
  readonly #imageQueueBytes: number;
  readonly #onFault: (error: unknown) => void;
  readonly #slots: DecodeSlots;
  readonly #waiting = new Map<DecodeJob, Entry>();
  readonly #running = new Set<Entry>();
  readonly #runs = new Set<Promise<void>>();
  readonly #speed: DecodeSpeed;
  #closed = false;

  constructor({ arena, clock, threads, imageBytes, imageQueueBytes, onFault, entry }: DecodePoolParts) {
    const count = Math.min(threads, MOST_DECODE_THREADS);
    this.#clock = clock;
    this.#imageBytes = imageBytes;
    this.#imageQueueBytes = imageQueueBytes;
    this.#onFault = onFault ?? (() => undefined);
    this.#speed = new DecodeSpeed(count);
    this.#slots = new DecodeSlots({ arena, clock, count, onFault: this.#onFault, entry });
  }

  /** Pictures being decoded. */
  get running(): number {
    return this.#running.size;
  }

  /** Pictures that wait for a thread. */
  get waiting(): number {
    return this.#waiting.size;
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

  /**
   * Decodes a picture into its row of the arena; nothing is written there where it fails. First come, first served.
   * @returns where its pixels went
   * @throws {GatewayError} INVALID_ARGUMENT where it cannot be decoded whole; OVERLOADED where too much waits; DEADLINE_EXCEEDED
   * where its turn comes too late; CANCELLED; SHUTTING_DOWN; INTERNAL where its thread ended, or does not end (`StuckError`, and
   * the file is read until `ended`); INSTANCE_LOST where no thread can decode
   */
  async decode(job: DecodeJob): Promise<Geometry> {
    if (this.#closed) throw shuttingDown();
    if (this.#slots.lost) throw decodersLost(this.#slots.backInMs);
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
    return this.#speed.expectedUs(pixels, this.#slots.free);
  }

  /** Refuses what waits, waits for what runs, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#refuseAll(shuttingDown);
    await Promise.all(this.#runs);
    await this.#slots.close();
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

  #refuseAll(error: () => GatewayError): void {
    for (const entry of [...this.#waiting.values()]) {
      this.#leave(entry);
      entry.reject(error());
    }
  }

  #exceeded(): Limit | null {
    if (this.#waiting.size > MOST_WAITING) return 'imagesWaiting';
    return this.waitingBytes > this.#imageQueueBytes ? 'imageQueueBytes' : null;
  }

  /** Gives the idle threads work, in order: what is too large for the memory that is left is not overtaken. */
  #fill(): void {
    if (this.#slots.lost) this.#refuseAll(() => decodersLost(this.#slots.backInMs));
    for (const entry of this.#waiting.values()) {
      if (entry.job.deadlineUs < this.#clock.nowUs()) {
        this.#leave(entry);
        entry.reject(new GatewayError('DEADLINE_EXCEEDED', 'the deadline passed before the image was decoded'));
        continue;
      }
      if (this.running > 0 && this.runningBytes + entry.bytes > this.#imageBytes) return;
      if (!this.#slots.free) return;
      this.#waiting.delete(entry.job);
      this.waitingBytes -= entry.fileBytes;
      const run: Promise<void> = this.#run(entry, () => this.#giveUp(entry, run));
      this.#runs.add(run);
      void run.then(() => this.#runs.delete(run));
    }
  }

  async #run(entry: Entry, onStuck: () => void): Promise<void> {
    this.#running.add(entry);
    this.runningBytes += entry.bytes;
    try {
      const expectedUs = this.#speed.expectedUs(entry.pixels, true);
      const reply = await this.#slots.run(taskOf(entry), expectedUs, onStuck);
      if (reply.fault === null) {
        this.#speed.learn(entry.pixels, reply.tookUs);
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
    if (this.#running.delete(entry)) {
      this.runningBytes -= entry.bytes;
      this.#speed.leave(entry.pixels);
    }
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
