/**
 * One decode thread, one picture at a time: a piscina of one thread. A thread that ends takes its piscina with it, and the
 * next picture makes both anew; nothing is made before the first one. A thread is ended only where nothing runs on it.
 */

import { Piscina } from 'piscina';
import type { DecodeReply, DecodeTask, DecodeThreadData } from './decode-messages.ts';

const ENTRY = new URL(`./decode-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Of its JavaScript, megabytes: pixels and files lie outside, bounded by the pool. */
const HEAP_MB = 128;

/** A place for one thread. */
export class DecodeSlot {
  readonly #threadData: DecodeThreadData;
  readonly #entry: URL;
  #pool: Piscina | null = null;
  /** Fails the task that runs. */
  #abandon: ((error: Error) => void) | null = null;

  /** @param entry module of the thread: tests give one that wraps the real one and dies on request */
  constructor(threadData: DecodeThreadData, entry: URL = ENTRY) {
    this.#threadData = threadData;
    this.#entry = entry;
  }

  /** Has the thread start, where there is none. */
  start(): void {
    this.#pool ??= this.#makePool();
  }

  /** Rejects where the thread ended, or failed in a way that is not the picture's. Only when the one before has settled. */
  run(task: DecodeTask): Promise<DecodeReply> {
    this.start();
    const { promise, resolve, reject } = Promise.withResolvers<DecodeReply>();
    this.#abandon = reject;
    const { buffer } = task.file;
    const transferList = buffer instanceof ArrayBuffer ? [buffer] : [];
    (this.#pool as Piscina).run(task, { transferList }).then(resolve, reject);
    return promise;
  }

  /** Ends the thread; nothing may run. */
  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    await pool?.destroy();
  }

  #makePool(): Piscina {
    const pool = new Piscina({
      filename: this.#entry.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      // Its event loop has to turn between two pictures: that is when the memory of decoded ones is given back.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      workerData: this.#threadData,
    });
    pool.on('error', () => this.#lost(pool));
    pool.on('workerDestroy', () => this.#lost(pool));
    return pool;
  }

  /** piscina itself would not replace a thread that ended while it started, and would let the task wait for ever. */
  #lost(pool: Piscina): void {
    if (pool !== this.#pool) return;
    this.#pool = null;
    const abandon = this.#abandon;
    // The task is told the cause right behind this event, where piscina still knows the task.
    setImmediate(() => abandon?.(new Error('the decode thread ended before it had answered')));
    // Does not settle for a thread that has ended already: nobody waits for it.
    void pool.destroy();
  }
}
