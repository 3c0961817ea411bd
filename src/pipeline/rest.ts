/**
 * When the front thread lets requests lie in the kernel for a moment. Where batches take every core, nothing that comes can start
 * before one of them ends, and a front thread that wakes for it takes a core from a batch and finds the caches full of its numbers:
 * read one by one, requests cost several times what they cost together. So where it would wake more often than that, it reads them
 * a millisecond's worth at a time. A batch that ends, and whatever else another thread sends, ends the rest at once.
 */

import type { Clock } from '../core/clock.ts';
import type { Binding } from '../native/binding.ts';

/** Longest rest, milliseconds: so much later a refusal may come. */
const MOST_MS = 1;

/** Who was last here longer ago is not woken often, or has more to do than to wake, microseconds. */
const OFTEN_US = 1_000;

/** Where a model ran on the front thread itself in so long a time, its callers would wait for nothing else, microseconds. */
const INLINE_US = 10_000;

/** The rests of the front thread. */
export class Rest {
  /** That the process may use. */
  readonly cores: number;
  /** Time spent in them, microseconds. */
  totalUs = 0;
  readonly #binding: Pick<Binding, 'rest'>;
  readonly #clock: Clock;
  /** Threads that compute, of each lane, and of all of them. */
  readonly #threads: number[] = [];
  #taken = 0;
  #inlineUs = Number.NEGATIVE_INFINITY;
  /** When it was last asked, how long the loop had slept then, and whether it has rested since. */
  #askedUs = Number.NEGATIVE_INFINITY;
  #sleptUs = 0;
  #rested = false;

  constructor(binding: Pick<Binding, 'rest'>, clock: Clock, cores: number) {
    this.#binding = binding;
    this.#clock = clock;
    this.cores = cores;
  }

  /** A batch began on a lane. @param threads that compute it; 0 where that is done elsewhere than on a core */
  began(lane: number, threads: number): void {
    this.#threads[lane] = threads;
    this.#taken += threads;
  }

  /** The batch of a lane has ended. */
  ended(lane: number): void {
    this.#taken -= this.#threads[lane] ?? 0;
    this.#threads[lane] = 0;
  }

  /** A batch began on the front thread. */
  beganInline(nowUs: number): void {
    this.#inlineUs = nowUs;
  }

  /** To be called when what a turn of the loop read has been dealt with. Rests, where that is worth it. */
  take(): void {
    const nowUs = this.#clock.nowUs();
    const sleptUs = this.#clock.sleptUs?.() ?? 0;
    const woken = this.#rested || sleptUs > this.#sleptUs;
    const often = woken && nowUs - this.#askedUs < OFTEN_US;
    this.#rested = often && this.#taken >= this.cores && nowUs - this.#inlineUs > INLINE_US;
    if (this.#rested) this.#binding.rest(MOST_MS);
    this.#askedUs = this.#rested ? this.#clock.nowUs() : nowUs;
    this.#sleptUs = sleptUs;
    if (this.#rested) this.totalUs += this.#askedUs - nowUs;
  }
}
