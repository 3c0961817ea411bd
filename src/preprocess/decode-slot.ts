/**
 * One decode thread, one picture at a time: a piscina of one thread. A thread shows that it can decode before it is given a
 * picture. One that ends takes its piscina with it, and the next picture makes both anew; nothing is made before it is wanted.
 * To end a thread waits for what sharp does for it on a thread of libuv's.
 */

import { isMarkedAsUntransferable } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { StartError } from './decode-faults.ts';
import { type DecodeReply, type DecodeTask, type DecodeThreadData, ROW } from './decode-messages.ts';

const ENTRY = new URL(`./decode-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Of its JavaScript, megabytes: pixels and files lie outside, bounded by the pool. */
const HEAP_MB = 128;

/** Of `DecodeThreadData`: one for all threads, since what they block is blocked for the whole process. */
const GATE = new Int32Array(new SharedArrayBuffer(4));

/** What a slot is made from. */
export interface DecodeSlotParts {
  readonly arena: SharedArrayBuffer;
  /** Told of every thread that was started: null where it can decode, else why it cannot. */
  readonly onStart: (error: unknown) => void;
  /** Told of what happened to a thread that had nothing to do. */
  readonly onFault: (error: unknown) => void;
  /** Module of the thread: tests give one that wraps the real one and dies on request. */
  readonly entry?: URL | undefined;
}

/** A place for one thread. */
export class DecodeSlot {
  readonly #parts: DecodeSlotParts;
  readonly #row = new Int32Array(new SharedArrayBuffer(4));
  #pool: Piscina | null = null;
  #starting: Promise<void> | null = null;
  /** Fails what runs. */
  #abandon: ((error: unknown) => void) | null = null;

  constructor(parts: DecodeSlotParts) {
    this.#parts = parts;
  }

  /** Whether it has a thread that can decode. */
  get up(): boolean {
    return this.#pool !== null && this.#starting === null;
  }

  /** Whether it is about to have one. */
  get starting(): boolean {
    return this.#starting !== null;
  }

  /** Has the thread start, where there is none. Rejects with a `StartError` where it cannot decode; it is gone then. */
  start(): Promise<void> {
    if (this.#starting !== null) return this.#starting;
    if (this.#pool !== null) return Promise.resolve();
    this.#starting = this.#begin().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  /**
   * Rejects with a `StartError` where there is no thread, and else where it ended or failed in a way that is not the picture's. Only
   * when the one before has settled.
   */
  async run(task: DecodeTask): Promise<DecodeReply> {
    Atomics.store(this.#row, 0, ROW.open);
    await this.start();
    if (Atomics.load(this.#row, 0) === ROW.closed) throw new Error('the decode thread has started too late');
    const file = movable(task.file);
    return this.#call<DecodeReply>(
      'default',
      { ...task, file },
      file.buffer instanceof ArrayBuffer ? [file.buffer] : [],
    );
  }

  /** From now on what runs never writes its row. False where it writes it already, and will have ended in a moment. */
  giveUp(): boolean {
    return Atomics.compareExchange(this.#row, 0, ROW.open, ROW.closed) === ROW.open;
  }

  /** Ends the thread. Where a decoder does not come to an end this does not either. */
  async close(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const pool = this.#pool;
    this.#pool = null;
    await pool?.destroy();
  }

  async #begin(): Promise<void> {
    try {
      this.#pool = this.#makePool();
      await this.#call('prove', null, []);
    } catch (error) {
      const pool = this.#pool;
      this.#pool = null;
      // Does not settle for a thread that has ended already: nobody waits for it.
      void pool?.destroy();
      this.#parts.onStart(error);
      throw new StartError(error);
    }
    this.#parts.onStart(null);
  }

  #call<R>(name: string, task: DecodeTask | null, transferList: ArrayBuffer[]): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    this.#abandon = reject;
    (this.#pool as Piscina).run(task, { name, transferList }).then(resolve, reject);
    return promise.finally(() => {
      this.#abandon = null;
    });
  }

  #makePool(): Piscina {
    const { arena, entry = ENTRY } = this.#parts;
    const threadData: DecodeThreadData = { arena, gate: GATE, row: this.#row };
    const pool = new Piscina({
      filename: entry.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      // Its event loop has to turn between two pictures: that is when the memory of decoded ones is given back.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      workerData: threadData,
    });
    let fault: unknown = new Error('the decode thread ended');
    pool.on('error', (error) => {
      fault = error;
      if (pool === this.#pool) this.#parts.onFault(error);
    });
    pool.on('workerDestroy', () => this.#lost(pool, () => fault));
    return pool;
  }

  /** piscina itself would not replace a thread that ended while it started, and would let the task wait for ever. */
  #lost(pool: Piscina, faultOf: () => unknown): void {
    if (pool !== this.#pool) return;
    this.#pool = null;
    const told = this.#abandon ?? this.#parts.onFault;
    // What runs is told the cause right behind this event, where piscina still knows it; and we are, where nothing runs.
    setImmediate(() => told(faultOf()));
    // Does not settle for a thread that has ended already: nobody waits for it.
    void pool.destroy();
  }
}

/** In memory that a thread can have without a copy: shared, or all of a buffer. */
function movable(file: Uint8Array): Uint8Array {
  const { buffer } = file;
  if (buffer instanceof SharedArrayBuffer) return file;
  const whole = buffer.byteLength === file.byteLength && !isMarkedAsUntransferable(buffer);
  return whole ? file : new Uint8Array(file);
}
