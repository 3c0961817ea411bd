/**
 * How far predictions are stretched so that promises hold: by what slow batches take beyond the expected (the curve's
 * spread), over a way of several batches by the root of their number, and by a factor that follows what became late.
 */

/** Part of the admitted requests that may become late. */
const LATE_AIM = 0.008;

/** How quickly the factor follows: one batch that is late as a whole adds so much. */
const STEP = 0.4;

const LEAST = 0;
const MOST = 3;

/** The guard of one model version. */
export class Guard {
  #factor = 1;

  /** Of a batch, so many requests with a deadline ran, and so many of them were late. */
  observe(requests: number, late: number): void {
    if (requests === 0) return;
    const next = this.#factor + STEP * (late / requests - LATE_AIM);
    this.#factor = Math.min(MOST, Math.max(LEAST, next));
  }

  /** Whether it has come to its bound: predictions are worth little then. */
  get saturated(): boolean {
    return this.#factor >= MOST;
  }

  /** The ratio by which one batch is stretched. @param spread of the curve */
  ratio(spread: number): number {
    return this.#factor * spread;
  }
}
