/**
 * The places of a pool's threads: which of them is free, and what is done where a thread cannot start or does not come back. Where
 * threads keep failing at start none is started for a while. A decoder that does not end cannot be ended from outside: its
 * picture is given up, and its place is held until it ends, so that there are never more of them than places.
 */

import type { Clock } from '../core/clock.ts';
import type { DecodeReply, DecodeTask } from './decode-messages.ts';
import { DecodeSlot, type DecodeSlotParts } from './decode-slot.ts';

/** Shortest time after which a picture is given up, or a first thread that has not started, seconds: generous on a busy machine. */
const LEAST_PATIENCE_S = 30;
/** And many times what it was expected to take. */
const TIMES_EXPECTED = 20;

/** Time between two looks at what is being decoded, milliseconds. */
const LOOK_MS = 1_000;

/** Milliseconds in which no thread is started after one that could not: doubles while that goes on. */
const REST_MS = { first: 100, most: 5_000 };

/** What the places are made from. */
export interface DecodeSlotsParts extends Pick<DecodeSlotParts, 'arena' | 'onFault' | 'entry'> {
  readonly clock: Clock;
  readonly count: number;
}

interface Watched {
  readonly untilUs: number;
  readonly onStuck: () => void;
  stuck: boolean;
}

/** All places of a pool. */
export class DecodeSlots {
  /** Threads that have not come back: on each a picture was given up. */
  stuck = 0;
  readonly #clock: Clock;
  readonly #onFault: (error: unknown) => void;
  readonly #slots: readonly DecodeSlot[];
  /** Those without work; the last one is taken first, so that few are busy where few are enough. */
  readonly #idle: DecodeSlot[];
  readonly #watched = new Map<DecodeSlot, Watched>();
  #timer: NodeJS.Timeout | null = null;
  /** Starts in a row that failed, and until when none is tried again. */
  #failures = 0;
  #restUntilUs = Number.NEGATIVE_INFINITY;

  constructor({ clock, count, onFault, arena, entry }: DecodeSlotsParts) {
    this.#clock = clock;
    this.#onFault = onFault;
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const onStart = (error: unknown) => this.#started(error);
    this.#slots = Array.from({ length: count }, () => new DecodeSlot({ arena, gate, onStart, onFault, entry }));
    this.#idle = [...this.#slots];
  }

  /** Whether a picture could be decoded at once. */
  get free(): boolean {
    return this.#idle.some((slot) => this.#usable(slot));
  }

  /** Whether there is nobody to wait for: every thread cannot start, or does not come back. */
  get lost(): boolean {
    return this.#slots.length === this.#idle.length + this.stuck && !this.free;
  }

  /** When a thread may be started again, milliseconds from now; 0 where nobody knows. */
  get backInMs(): number {
    return Math.max(0, (this.#restUntilUs - this.#clock.nowUs()) / 1000);
  }

  /**
   * Runs a picture on one that is free, and is again when this has settled. Rejects as `DecodeSlot.run`.
   * @param expectedUs how long it is expected to take. @param onStuck told when it has taken far longer: its row is never written
   */
  async run(task: DecodeTask, expectedUs: number, onStuck: () => void): Promise<DecodeReply> {
    const slot = this.#take();
    const patienceUs = Math.max(LEAST_PATIENCE_S * 1e6, TIMES_EXPECTED * expectedUs);
    const watched: Watched = { untilUs: this.#clock.nowUs() + patienceUs, onStuck, stuck: false };
    this.#watched.set(slot, watched);
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
    try {
      return await slot.run(task);
    } finally {
      this.#watched.delete(slot);
      if (watched.stuck) this.stuck--;
      this.#idle.push(slot);
    }
  }

  /** Gives up what has taken too long; by the timer, and by tests. */
  look(): void {
    const nowUs = this.#clock.nowUs();
    for (const [slot, watched] of this.#watched) {
      if (watched.stuck || nowUs < watched.untilUs || !slot.giveUp()) continue;
      watched.stuck = true;
      this.stuck++;
      watched.onStuck();
    }
    if (this.#watched.size === 0) this.#unwatch();
  }

  /** Resolves when one thread has shown that it can decode. @throws why it cannot, or does not within half a minute */
  async prove(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the decode thread does not start')), LEAST_PATIENCE_S * 1000);
    try {
      // That which is taken first.
      await Promise.race([this.#slots.at(-1)?.start(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has all threads start. */
  start(): void {
    for (const slot of this.#slots) slot.start().catch(() => undefined);
  }

  /** Ends the threads; nothing may run. */
  async close(): Promise<void> {
    this.#unwatch();
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #take(): DecodeSlot {
    const index = this.#idle.findLastIndex((slot) => this.#usable(slot));
    return this.#idle.splice(index, 1)[0] as DecodeSlot;
  }

  #usable(slot: DecodeSlot): boolean {
    return slot.up || this.#clock.nowUs() >= this.#restUntilUs;
  }

  /** A thread has started, or could not. */
  #started(error: unknown): void {
    if (error === null) {
      this.#failures = 0;
      return;
    }
    const restMs = Math.min(REST_MS.most, REST_MS.first * 2 ** this.#failures++);
    this.#restUntilUs = this.#clock.nowUs() + restMs * 1000;
    this.#onFault(error);
  }

  #unwatch(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
