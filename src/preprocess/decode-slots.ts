/**
 * The places of a pool's threads: which of them is free, and what is done where a thread cannot start or does not come back. Where
 * threads keep failing at start none is started for a while. A decoder that does not end cannot be ended from outside: its
 * picture is given up, and its place is held until it ends, so that there are never more of them than places.
 */

import { setTimeout as delay } from 'node:timers/promises';
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

/** Starts that are tried before nothing is thought to be decoded here, and how long that is believed, milliseconds. */
const PROOF = { tries: 5, believedMs: 60_000 };

/** What the places are made from. */
export interface DecodeSlotsParts extends Pick<DecodeSlotParts, 'arena' | 'onFault' | 'entry'> {
  readonly clock: Clock;
  readonly count: number;
  /** Told when a rest is over: threads may be started again. */
  readonly onRested: () => void;
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
  readonly #onRested: () => void;
  readonly #slots: readonly DecodeSlot[];
  /** Those without work; the last one that is up is taken first, so that few are busy where few are enough. */
  readonly #idle: DecodeSlot[];
  readonly #watched = new Map<DecodeSlot, Watched>();
  #timer: NodeJS.Timeout | null = null;
  /** Times in a row that starts failed, and until when none is tried again. */
  #failures = 0;
  #restUntilUs = Number.NEGATIVE_INFINITY;
  #rest: NodeJS.Timeout | null = null;
  /** That one thread can decode. */
  #proof: Promise<void> | null = null;

  constructor({ clock, count, onFault, onRested, arena, entry }: DecodeSlotsParts) {
    this.#clock = clock;
    this.#onFault = onFault;
    this.#onRested = onRested;
    const onStart = (error: unknown) => this.#started(error);
    this.#slots = Array.from({ length: count }, () => new DecodeSlot({ arena, onStart, onFault, entry }));
    this.#idle = [...this.#slots];
  }

  /** Pictures that could be decoded at once, beside those that are. */
  get free(): number {
    return this.#idle.filter((slot) => this.#usable(slot)).length;
  }

  /** Whether there is nobody to wait for: every thread cannot start, or does not come back. */
  get lost(): boolean {
    return this.#slots.length === this.#idle.length + this.stuck && this.free === 0;
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

  /**
   * Resolves when a thread has shown that it can decode. Who asks together is answered together, and for a while so is who asks
   * after none could: models are loaded one behind the other.
   * @throws why none can after several tries, or that none does within half a minute
   */
  prove(): Promise<void> {
    if (this.#slots.some((slot) => slot.up)) return Promise.resolve();
    if (this.#proof === null) {
      this.#proof = this.#proveOne();
      const forget = () => {
        this.#proof = null;
      };
      this.#proof.then(forget, () => setTimeout(forget, PROOF.believedMs).unref());
    }
    return this.#proof;
  }

  /** Has all threads start. */
  start(): void {
    for (const slot of this.#slots) slot.start().catch(() => undefined);
  }

  /** Ends the threads; nothing may run. Those that do not come back are not waited for. */
  async close(): Promise<void> {
    this.#unwatch();
    clearTimeout(this.#rest ?? undefined);
    const closed = this.#slots.map((slot) => ({ slot, ended: slot.close() }));
    await Promise.all(closed.filter(({ slot }) => !this.#watched.has(slot)).map(({ ended }) => ended));
  }

  async #proveOne(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the decode thread does not start')), LEAST_PATIENCE_S * 1000);
    timer.unref();
    try {
      await Promise.race([this.#startOne(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** That which is taken first, again after each rest. */
  async #startOne(): Promise<void> {
    for (let left = PROOF.tries - 1; ; left--) {
      try {
        return await this.#slots.at(-1)?.start();
      } catch (error) {
        if (left === 0) throw error;
        await delay(this.backInMs + 1, undefined, { ref: false });
      }
    }
  }

  /** One that is up, where there is one: else the picture waits for a start, which may fail. */
  #take(): DecodeSlot {
    const up = this.#idle.findLastIndex((slot) => slot.up);
    const index = up >= 0 ? up : this.#idle.findLastIndex((slot) => this.#usable(slot));
    return this.#idle.splice(index, 1)[0] as DecodeSlot;
  }

  #usable(slot: DecodeSlot): boolean {
    return slot.up || slot.starting || !this.#resting;
  }

  get #resting(): boolean {
    return this.#clock.nowUs() < this.#restUntilUs;
  }

  /** A thread has started, or could not. */
  #started(error: unknown): void {
    if (error === null) {
      this.#failures = 0;
      return;
    }
    this.#onFault(error);
    // Those that began together fail together, and once.
    if (this.#resting) return;
    const restMs = Math.min(REST_MS.most, REST_MS.first * 2 ** this.#failures++);
    this.#restUntilUs = this.#clock.nowUs() + restMs * 1000;
    // A timer counts by a clock of its own, in whole milliseconds.
    this.#rest = setTimeout(this.#onRested, restMs + 1).unref();
  }

  #unwatch(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
