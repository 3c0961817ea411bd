/**
 * Who is run although it seems impossible. A size that the curve calls too slow for whoever comes is tried all the same, on a lane that
 * is free: else a curve that is wrong would turn everybody away, and nothing would ever run to put it right.
 *
 * Between trials it rests for `FIRST` times its time, but at first never longer than `FIRST_US`: batches may have stalled, for however
 * long, and do so no more. One that took what was expected is followed by another at once: a model may be slow only after a rest, and
 * trials that are rare would say so for ever. Twice as long after two of them, up to the longer of `MOST` times and `MOST_US`;
 * not at all after one that took less than `QUICKER` of it. Rests are times and no multiples: what a quick model has rested is little
 * beside what a stall makes of it.
 */

const FIRST = 4;
const FIRST_US = 250_000;
const MOST = 50;
const MOST_US = 250_000;
const QUICKER = 0.8;

/** Sizes are told apart by a factor of two: who asks for what no size could do is not to stand in for who brings more. */
const SIZES = 32;

/** The doubts about the curve of one queue. */
export class Trials {
  /** Per size, since when somebody was told that it is too slow and nothing as large has run; Infinity where nobody was. */
  readonly #doubtedUs = new Float64Array(SIZES).fill(Number.POSITIVE_INFINITY);
  /** How long to rest before the next trial; NaN where none has run. */
  readonly #restUs = new Float64Array(SIZES).fill(Number.NaN);
  /** Whether one took what was expected, and another is to follow at once. */
  readonly #again = new Uint8Array(SIZES);

  /** Somebody with so many rows, which should take `ownUs`, would be late on any server. Whether he is to run all the same. */
  due(rows: number, ownUs: number, nowUs: number): boolean {
    const size = sizeOf(rows);
    const restUs = Number.isNaN(this.#restUs[size]) ? firstUs(ownUs) : (this.#restUs[size] as number);
    if (this.#doubtedUs[size] === Number.POSITIVE_INFINITY) this.#doubtedUs[size] = nowUs;
    return this.#again[size] === 1 || nowUs - (this.#doubtedUs[size] as number) >= Math.min(restUs, mostUs(ownUs));
  }

  /**
   * A batch of so many rows ran: its size and those below have been put to the test.
   * @param ratio time that it took, of what was expected
   */
  ran(rows: number, tookUs: number, ratio: number): void {
    for (let size = sizeOf(rows); size >= 0; size--) {
      const doubted = this.#doubtedUs[size] !== Number.POSITIVE_INFINITY;
      const again = doubted && ratio >= QUICKER && this.#again[size] === 0;
      if (!again) this.#restUs[size] = this.#rested(size, doubted, tookUs, ratio);
      this.#again[size] = again ? 1 : 0;
      this.#doubtedUs[size] = Number.POSITIVE_INFINITY;
    }
  }

  /** How long to rest behind a batch that took so long. */
  #rested(size: number, doubted: boolean, tookUs: number, ratio: number): number {
    const leastUs = firstUs(tookUs);
    const restUs = Number.isNaN(this.#restUs[size]) ? leastUs : (this.#restUs[size] as number);
    // Batches of who had time enough say the same as trials, but not how often it was tried in vain.
    if (!doubted) return Math.min(Math.max(leastUs, restUs), FIRST * tookUs);
    return ratio < QUICKER ? 0 : Math.min(Math.max(leastUs, 2 * restUs), mostUs(tookUs));
  }
}

function firstUs(ownUs: number): number {
  return Math.min(FIRST * ownUs, FIRST_US);
}

function mostUs(ownUs: number): number {
  return Math.max(MOST * ownUs, MOST_US);
}

function sizeOf(rows: number): number {
  return SIZES - 1 - Math.clz32(Math.min(rows, 0x7fff_ffff));
}
