/**
 * Keeps long work on a thread from holding up everybody else there: who has much to do asks before every step, and goes on in a later
 * turn of the event loop where such work has had its share of this one:
 *
 *   while (pace.over()) await pace.turn();
 *
 * Who waits goes on in turn with the others who do: a long work does not hold up a short one either.
 */

import type { Clock } from './clock.ts';

/** Share of one turn, microseconds. The step that is under way then is not cut short. */
const SHARE_US = 2_000;

/** The pace of one event loop, shared by all who have much to do. */
export class Pace {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #sinceUs = 0;
  /** Whether somebody has begun in this turn. */
  #begun = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether this turn has had its share; the step is to follow at once where it has not. */
  over(): boolean {
    if (this.#begun) return this.#clock.nowUs() - this.#sinceUs > SHARE_US;
    this.#begun = true;
    this.#sinceUs = this.#clock.nowUs();
    setImmediate(() => {
      this.#begun = false;
      this.#wake();
    });
    return false;
  }

  /** Until a later turn, where this one is over. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** One by one, each behind the step of the one before. */
  #wake(): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    next();
    queueMicrotask(() => {
      if (!this.over()) this.#wake();
    });
  }
}
