/** Tells that a deadline has passed, where work is done elsewhere and nobody else would look. */

import type { Clock } from '../core/clock.ts';

/** Longest time that a timer counts, milliseconds. */
const MOST_TIMER_MS = 2 ** 31 - 1;

/** Waits for one deadline. */
export class Alarm {
  readonly #clock: Clock;
  readonly #deadlineUs: number;
  readonly #onLate: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onLate is told once, never before this returns; not at all of a deadline that no timer can wait for, or Infinity */
  constructor(clock: Clock, deadlineUs: number, onLate: () => void) {
    this.#clock = clock;
    this.#deadlineUs = deadlineUs;
    this.#onLate = onLate;
    this.#wait();
  }

  /** Nothing is waited for any more. */
  off(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const leftMs = (this.#deadlineUs - this.#clock.nowUs()) / 1000;
    if (leftMs < MOST_TIMER_MS) this.#timer = setTimeout(() => this.#rung(), leftMs);
  }

  /** A timer counts whole milliseconds from when the turn of the loop began: it may be early. */
  #rung(): void {
    if (this.#clock.nowUs() > this.#deadlineUs) this.#onLate();
    else this.#wait();
  }
}
