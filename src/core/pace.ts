/**
 * Keeps long work on a thread from holding up everybody else there: who has much to do asks before every step, and goes on in a later
 * turn of the event loop where such work has had its share of this one:
 *
 *   while (pace.over()) await pace.turn();
 *
 * Who waits goes on in turn with the others who do: a long work does not hold up a short one either.
 */

import type { Clock } from './clock.ts';
import { GatewayError } from './error.ts';

/**
 * Share of one turn, microseconds. The step that is under way then is not cut short. Others wait for some turns in a row, as a batch
 * does that begins when the sockets have been looked at: more than this would be felt there.
 */
const SHARE_US = 500;

/** What is asked between the steps of a long work. */
export interface Pacing {
  /** Whether this turn has had its share; the step is to follow at once where it has not. */
  over(): boolean;
  /** Until a later turn, where this one is over. */
  turn(): Promise<void>;
}

/** The pace of one event loop, shared by all who have much to do. */
export class Pace implements Pacing {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #sinceUs = 0;
  /** Whether somebody has begun in this turn. */
  #begun = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

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

  turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The same for work that may come to be of no use: then `over` throws CANCELLED, and what is asked before every step ends it. */
  while(isWanted: () => boolean): Pacing {
    return {
      over: () => {
        if (!isWanted()) throw new GatewayError('CANCELLED', 'nobody waits for this any more');
        return this.over();
      },
      turn: () => this.turn(),
    };
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
