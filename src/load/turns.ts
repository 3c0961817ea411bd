/**
 * Being there in time: the event loop sleeps while the next arrival is far, and turns without sleeping when it is near,
 * because a timer of the event loop is a millisecond or two late. Turns that found nothing are measured, so that they are
 * not taken for work.
 */

import type { Clock } from '../core/clock.ts';

/** Closer to its time than this the loop turns instead of sleeping, microseconds. */
const NEAR_US = 2000;
/** A turn that finds nothing takes a few microseconds; where it took longer, the thread was not running. */
const LONGEST_IDLE_TURN_US = 20;

/** What the event loop says of itself at some time. */
export type LoopTime = ReturnType<typeof performance.eventLoopUtilization>;

/**
 * Share of the time since `before` in which this thread did not wait for anything, 0 to 1. Where others have the core it is
 * not waiting either: it would go on if it could.
 * @param idleTurnsUs turns since then that found nothing
 */
export function busySince(before: LoopTime, idleTurnsUs = 0): number {
  const { active, idle } = performance.eventLoopUtilization(before);
  const busy = (active - idleTurnsUs / 1000) / Math.max(active + idle, Number.MIN_VALUE);
  return Math.min(Math.max(busy, 0), 1);
}

/** Calls back at a time that may be changed at any moment, never before it, and counts what the turning cost. */
export class Turns {
  /** CPU spent on turns that found nothing, microseconds. */
  idleUs = 0;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #onImmediate = () => this.#turn();
  readonly #onTimer = () => this.#waken();
  #nextUs = Number.POSITIVE_INFINITY;
  #turning = false;
  #turnedUs = 0;
  #idle = false;
  #timer: NodeJS.Timeout | undefined;
  #timerUs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Asks for a call in `us` microseconds, instead of what was asked before; Infinity for none. */
  until(us: number): void {
    const nowUs = this.#clock.nowUs();
    this.#nextUs = nowUs + us;
    if (us <= NEAR_US) this.#again();
    else if (us < Number.POSITIVE_INFINITY) this.#sleep(nowUs, this.#nextUs - NEAR_US);
  }

  /** Something was done since the last turn. */
  worked(): void {
    this.#idle = false;
  }

  /** No calls any more. */
  end(): void {
    this.#nextUs = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
  }

  #again(): void {
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(this.#onImmediate);
  }

  #turn(): void {
    this.#turning = false;
    const nowUs = this.#clock.nowUs();
    if (this.#idle) this.idleUs += Math.min(nowUs - this.#turnedUs, LONGEST_IDLE_TURN_US);
    this.#turnedUs = nowUs;
    this.#idle = true;
    if (nowUs >= this.#nextUs) this.#wake();
    else if (this.#nextUs - nowUs <= NEAR_US) this.#again();
  }

  /** One timer: one that comes too early does no harm, so it is set anew only for an earlier time. */
  #sleep(nowUs: number, untilUs: number): void {
    if (untilUs >= this.#timerUs) return;
    clearTimeout(this.#timer);
    this.#timerUs = untilUs;
    this.#timer = setTimeout(this.#onTimer, Math.max((untilUs - nowUs) / 1000, 1));
  }

  #waken(): void {
    this.#timerUs = Number.POSITIVE_INFINITY;
    this.worked();
    const leftUs = this.#nextUs - this.#clock.nowUs();
    if (leftUs <= 0) this.#wake();
    else this.until(leftUs);
  }
}
