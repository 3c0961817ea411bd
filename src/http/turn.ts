/**
 * When the bytes came that a turn of the event loop reads. What is read first lay in the kernel while the turn before was busy,
 * and deadlines count from the socket: so what comes is taken to have come in the middle of the time that the loop was busy since
 * it last read. Time in which it slept is none: then the first byte woke it.
 */

import type { Clock } from '../core/clock.ts';

/**
 * A longer stall counts for no more, and a longer time in which the loop slept at all for nothing: what it did then may have been
 * long before, microseconds.
 */
const MOST_US = 10_000;

/** The turns of one event loop, as far as something is read in them. */
export class Turns {
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  readonly #onSettle: () => void;
  #settling = false;
  /** Of this turn; negative before anything is read in it. */
  #arrivalUs = -1;
  #readUs: number;
  #sleptUs: number;

  /**
   * @param onEnd called when all that was there has been read
   * @param settled called behind that, and again after every turn until it says yes: all of it has been dealt with
   */
  constructor(clock: Clock, onEnd: () => void, settled: () => boolean) {
    this.#clock = clock;
    this.#onEnd = () => {
      this.#arrivalUs = -1;
      onEnd();
      if (!this.#settling) this.#onSettle();
    };
    this.#onSettle = () => {
      this.#settling = !settled();
      if (this.#settling) setImmediate(this.#onSettle);
    };
    this.#readUs = clock.nowUs();
    this.#sleptUs = clock.sleptUs?.() ?? 0;
  }

  /** When what is read now came, by the clock: the same for all of a turn, whose bytes were there when it began. */
  arrivalUs(): number {
    if (this.#arrivalUs < 0) {
      this.#arrivalUs = this.#begin();
      setImmediate(this.#onEnd);
    }
    return this.#arrivalUs;
  }

  #begin(): number {
    const clock = this.#clock;
    const nowUs = clock.nowUs();
    if (clock.sleptUs === undefined) return nowUs;
    const totalUs = clock.sleptUs();
    const sinceUs = nowUs - this.#readUs;
    const sleptUs = totalUs - this.#sleptUs;
    this.#readUs = nowUs;
    this.#sleptUs = totalUs;
    if (sleptUs > 0 && sinceUs > MOST_US) return nowUs;
    return nowUs - Math.floor(Math.min(MOST_US, Math.max(0, sinceUs - sleptUs)) / 2);
  }
}
