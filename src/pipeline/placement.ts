/**
 * Where a model version runs, on the front thread or on workers: a pure decision over how long its batches take, with a wide
 * band between there and back, so that what is as quick as the border stays where it is.
 */

import type { Placement } from '../core/model.ts';

/**
 * A batch that takes less runs on the front thread: the way to a worker and back would cost as much. About 200 us on a
 * quiet machine; what is measured on a shared one is rather more, and so is the way to a worker.
 */
export const INLINE_US = 250;

/** Inline batches are cut at this length, so that the loop is never held for longer. */
const INLINE_BATCH_US = 500;

/** Never inline where one batch in a hundred takes longer. */
const MOST_SLOW_US = 1_000;

/** How far beyond the border it must have moved, and for how long, microseconds. */
const BAND = 2;
const CERTAIN_AFTER_US = 1_000_000;

/**
 * How long a version that left the front thread stays away before it is tried there again, microseconds: at first, and at most. Each
 * stay there that is shorter than the rest before it doubles the next.
 */
const REST_US = 10_000_000;
const MOST_REST_US = 600_000_000;

/** A version is tried on the front thread only where one lane did its work, in less than this part of the time. */
const MOST_BUSY = 0.5;

/** And where loading it there, which holds the front thread, took no longer than this. */
const MOST_LOAD_US = 50_000;

/** How long batches take inside ONNX Runtime now, microseconds. */
export interface BatchTimes {
  /** Of the batch that is measured at load. */
  readonly us: number;
  /** Of a slow one among them. */
  readonly slowUs: number;
}

/** Where a version goes at load, when its time was measured and little is known of slow batches. */
export function firstPlacement(measuredUs: number): Placement {
  return measuredUs < INLINE_US ? 'inline' : 'worker';
}

/** Rows at which inline batches are cut, from the time that `rows` of them take; 0 where it is never batched. */
export function inlineRows(maxBatchSize: number, rows: number, us: number): number {
  if (maxBatchSize === 0) return 0;
  const perRowUs = Math.max(0.1, us / rows);
  return Math.max(1, Math.min(maxBatchSize, Math.floor(INLINE_BATCH_US / perRowUs)));
}

/**
 * The place of one model version, over time. What its batches take on a worker says little of what they would take on the front
 * thread: where both want the same core they wait for it there. So who left the front thread is tried there again after a rest.
 */
export class Placing {
  #now: Placement;
  /** Since when its times have spoken for the other place; NaN while they do not. */
  #sinceUs = Number.NaN;
  /** When it came to where it is; the rest of who left the front thread, and when that is over. */
  #movedUs = Number.NEGATIVE_INFINITY;
  #restUs = 0;
  #restedUs = Number.POSITIVE_INFINITY;
  /** Whether loading it on the front thread held that up. */
  #dear = false;

  constructor(now: Placement) {
    this.#now = now;
  }

  /**
   * Where it should be. Whoever asks carries it out and says so by `moved` or `failed`, or asks again.
   * @param busy part of the time that its batches took lately, of all lanes together: 1 = all of one
   */
  decide(times: BatchTimes, busy: number, nowUs: number): Placement {
    if (nowUs >= this.#restedUs && times.us < MOST_SLOW_US && busy < MOST_BUSY) return 'inline';
    if (!speaksForOther(this.#now, times)) {
      this.#sinceUs = Number.NaN;
      return this.#now;
    }
    if (Number.isNaN(this.#sinceUs)) this.#sinceUs = nowUs;
    if (nowUs - this.#sinceUs < CERTAIN_AFTER_US) return this.#now;
    return this.#now === 'inline' ? 'worker' : 'inline';
  }

  /** It is there now. @param loadUs what it took to load it there */
  moved(placement: Placement, loadUs: number, nowUs: number): void {
    if (placement === 'inline') this.#dear = loadUs > MOST_LOAD_US;
    else this.#rest(nowUs - this.#movedUs < this.#restUs, nowUs);
    if (placement === 'inline' || this.#dear) this.#restedUs = Number.POSITIVE_INFINITY;
    this.#now = placement;
    this.#movedUs = nowUs;
    this.#sinceUs = Number.NaN;
  }

  /** It could not be moved. */
  failed(nowUs: number): void {
    if (this.#restedUs < Number.POSITIVE_INFINITY) this.#rest(true, nowUs);
  }

  #rest(longer: boolean, nowUs: number): void {
    this.#restUs = longer ? Math.min(MOST_REST_US, 2 * this.#restUs) : REST_US;
    this.#restedUs = nowUs + this.#restUs;
  }
}

/** Figures that are none (NaN) speak for nothing. */
function speaksForOther(now: Placement, { us, slowUs }: BatchTimes): boolean {
  if (now === 'inline') return us > BAND * INLINE_US || slowUs > MOST_SLOW_US;
  return us < INLINE_US / BAND && slowUs < MOST_SLOW_US / BAND;
}
