/**
 * Decodes pictures on threads of its own, so that a bad one takes no place where models run. Bounded in threads, in memory of
 * pictures being decoded, and in what waits; whose turn it is the queue knows. Knows nothing of requests: a caller who has gone cancels.
 */

import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import { type DecodeCost, decodeCost } from './decode-cost.ts';
import { decoderFailed, decodersLost, StartError, StuckError, undecodable } from './decode-faults.ts';
import type { DecodeJob } from './decode-job.ts';
import { type DecodePlan, decodePlan } from './decode-plan.ts';
import { DecodeQueue, type Waiter } from './decode-queue.ts';
import { DecodeSlots } from './decode-slots.ts';
import { beginsUs, DecodeSpeed } from './decode-speed.ts';
import type { Geometry } from './geometry.ts';
import type { ImagePipeline } from './image-pipeline.ts';

/** Most pictures that wait: stops a flood of tiny ones. A batch of the default cap fits four times. */
export const MOST_WAITING = 4096;

/** Most threads whatever the machine: each keeps one of libuv's busy (bin/penstock.mjs provides for so many). */
export const MOST_DECODE_THREADS = 8;

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
  readonly settled: Promise<Geometry>;
  readonly resolve: (geometry: Geometry) => void;
  readonly reject: (error: GatewayError) => void;
}

/** The pool. No thread is there before the first `prove`, `start` or `decode`. */
export class DecodePool {
  /** Memory for pictures being decoded, bytes. */
  runningBytes = 0;
  readonly #clock: Clock;
  readonly #imageBytes: number;
  readonly #imageQueueBytes: number;
  readonly #onFault: (error: unknown) => void;
  readonly #slots: DecodeSlots;
  readonly #queue = new DecodeQueue<Entry>();
  /** What is in the queue. */
  readonly #waiting = new Map<DecodeJob, Entry>();
  readonly #running = new Set<Entry>();
  readonly #speed = new DecodeSpeed();
  #closed = false;

  constructor({ arena, clock, threads, imageBytes, imageQueueBytes, onFault, entry }: DecodePoolParts) {
    const count = Math.min(threads, MOST_DECODE_THREADS);
    this.#clock = clock;
    this.#imageBytes = imageBytes;
    this.#imageQueueBytes = imageQueueBytes;
    this.#onFault = onFault ?? (() => undefined);
    const onRested = () => this.#fill();
    this.#slots = new DecodeSlots({ arena, clock, count, onFault: this.#onFault, onRested, entry });
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

  /** Why no picture is decoded at the moment, however few wait: INSTANCE_LOST or SHUTTING_DOWN. Null where they are. */
  refusal(): GatewayError | null {
    if (this.#closed) return new GatewayError('SHUTTING_DOWN', 'the server is shutting down');
    return this.#slots.lost ? decodersLost(this.#slots.backInMs) : null;
  }

  /** What a picture takes. @throws {GatewayError} INVALID_ARGUMENT where it cannot be scaled */
  cost({ file, header, pipeline }: Pick<DecodeJob, 'file' | 'header' | 'pipeline'>): DecodeCost {
    return decodeCost(header, pipeline, file.byteLength, this.#imageBytes);
  }

  /**
   * Decodes a picture into its row of the arena; nothing is written there where it fails.
   * @returns where its pixels went
   * @throws {GatewayError} INVALID_ARGUMENT where it cannot be decoded whole; OVERLOADED where too much waits, and it or its flow is the
   * one to give way; DEADLINE_EXCEEDED where its turn comes too late; CANCELLED; INTERNAL where its thread ended, or
   * does not end (`StuckError`, and the file is read until `ended`); of `refusal`
   */
  async decode(job: DecodeJob): Promise<Geometry> {
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    const plan = decodePlan(job.header, job.pipeline, job.map);
    const { promise: settled, resolve, reject } = Promise.withResolvers<Geometry>();
    const entry: Entry = {
      job,
      plan,
      flow: job.flow,
      fileBytes: job.file.byteLength,
      ...job.cost,
      previous: null,
      next: null,
      startedUs: 0,
      settled,
      resolve,
      reject,
    };
    this.#waiting.set(job, entry);
    this.#queue.push(entry);
    this.#fill();
    this.#refuseSurplus(entry, 'imagesWaiting', 'pictures', MOST_WAITING);
    this.#refuseSurplus(entry, 'imageQueueBytes', 'fileBytes', this.#imageQueueBytes);
    return settled;
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
  expectedUs(flow: string, pipeline: ImagePipeline, costs: readonly DecodeCost[] = []): number {
    const ahead = costs.slice(0, -1).reduce((sum, { work }) => sum + work, 0);
    const threads = this.#threadsFor(costs);
    const aheadUs = this.#speed.us(this.#queue.ahead(flow, ahead));
    return Math.round(beginsUs(this.#freeUs(threads), aheadUs)) + this.#ownUs(pipeline, costs, threads);
  }

  /** Time that those pictures would take at least, were no others there. */
  aloneUs(pipeline: ImagePipeline, costs: readonly DecodeCost[]): number {
    return this.#ownUs(pipeline, costs, this.#slots.free + this.running);
  }

  /** Refuses what waits, waits for what runs and is not stuck, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#fill();
    await Promise.allSettled([...this.#running].map(({ settled }) => settled));
    await this.#slots.close();
  }

  #leave(entry: Entry): void {
    this.#waiting.delete(entry.job);
    this.#queue.remove(entry);
  }

  /** Side by side on so many threads. */
  #ownUs(pipeline: ImagePipeline, costs: readonly DecodeCost[], threads: number): number {
    const total = costs.reduce((sum, { work }) => sum + work, 0);
    const longest = costs.reduce((most, { work }) => Math.max(most, work), 0);
    const atOnce = Math.max(1, Math.min(costs.length, threads));
    return this.#speed.us(Math.max(longest, total / atOnce), pipeline);
  }

  /** Threads, at least one, that memory lets decode at once what runs, what waits and what comes, were all alike. */
  #threadsFor(costs: readonly DecodeCost[]): number {
    const bytes = costs.reduce((sum, cost) => sum + cost.bytes, this.runningBytes + this.#queue.bytes);
    const pictures = this.running + this.waiting + costs.length;
    const atOnce = Math.floor((this.#imageBytes * pictures) / Math.max(1, bytes));
    return Math.max(1, Math.min(this.#slots.free + this.running, atOnce));
  }

  /** When each of so many threads is free, microseconds from now. */
  #freeUs(threads: number): number[] {
    const nowUs = this.#clock.nowUs();
    const left = ({ work, job, startedUs }: Entry) =>
      Math.max(0, this.#speed.us(work, job.pipeline) - (nowUs - startedUs));
    const idle = Math.max(0, threads - this.running);
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

  #refuseAll(error: GatewayError): void {
    for (const entry of [...this.#waiting.values()]) {
      this.#leave(entry);
      entry.reject(error);
    }
  }

  /** Gives the idle threads work. */
  #fill(): void {
    const refusal = this.refusal();
    if (refusal !== null) this.#refuseAll(refusal);
    while (this.#slots.free > 0) {
      const entry = this.#queue.next(this.#imageBytes - this.runningBytes);
      if (entry === null) return;
      this.#waiting.delete(entry.job);
      if (entry.job.deadlineUs < this.#clock.nowUs()) {
        this.#queue.forgive(entry);
        entry.reject(new GatewayError('DEADLINE_EXCEEDED', 'the image could not be decoded in time for its deadline'));
        continue;
      }
      const run: Promise<void> = this.#run(entry, () => this.#giveUp(entry, run));
    }
  }

  async #run(entry: Entry, onStuck: () => void): Promise<void> {
    const { job, plan, work } = entry;
    entry.startedUs = this.#clock.nowUs();
    this.#running.add(entry);
    this.runningBytes += entry.bytes;
    try {
      const task = { ...plan.task, file: job.file, target: job.target };
      const reply = await this.#slots.run(task, this.#speed.us(work, job.pipeline), onStuck);
      if (reply.fault === null) {
        this.#speed.learn(job.pipeline, work, reply.tookUs);
        entry.resolve(plan.geometry);
      } else {
        entry.reject(undecodable(reply.fault));
      }
    } catch (error) {
      // One that was given up is nobody's any more.
      if (this.#running.has(entry)) this.#failed(entry, error);
    }
    this.#ran(entry);
  }

  /** A picture is decoded, or will never be. */
  #ran(entry: Entry): void {
    if (this.#running.delete(entry)) this.runningBytes -= entry.bytes;
    this.#fill();
  }

  #failed(entry: Entry, error: unknown): void {
    if (error instanceof StartError) {
      // Nothing of it was used: another thread can have it. The log knows of the thread.
      this.#waiting.set(entry.job, entry);
      this.#queue.putBack(entry);
      return;
    }
    this.#onFault(error);
    entry.reject(decoderFailed(error));
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
