/**
 * Who is run although it seems impossible. A size that the curve calls too slow for whoever comes is tried all the same, on a lane that
 * is free: else a curve that is wrong would turn everybody away, and nothing would ever run to put it right.
 *
 * Between trials it rests for `FIRST` times its time, twice as long after each one that took what was expected, up to the longer of
 * `MOST` times and `MOST_US`; not at all after one that took less than `QUICKER` of it.
 */

const FIRST = 4;
const MOST = 50;
const MOST_US = 250_000;
const QUICKER = 0.8;

/** Sizes are told apart by a factor of two: who asks for what no size could do is not to stand in for who brings more. */
const SIZES = 32;

/** The doubts about the curve of one queue. */
export class Trials {
  /** Per size, since when somebody was told that it is too slow and nothing as large has run; Infinity where nobody was. */
  readonly #doubtedUs = new Float64Array(SIZES).fill(Number.POSITIVE_INFINITY);
  /** Times of such a batch to rest before the next trial. */
  readonly #rest = new Float64Array(SIZES).fill(FIRST);

  /** Somebody with so many rows, which should take `ownUs`, would be late on any server. Whether he is to run all the same. */
  due(rows: number, ownUs: number, nowUs: number): boolean {
    const size = sizeOf(rows);
    const restUs = Math.min((this.#rest[size] as number) * ownUs, Math.max(MOST * ownUs, MOST_US));
    if (this.#doubtedUs[size] === Number.POSITIVE_INFINITY) this.#doubtedUs[size] = nowUs;
    return nowUs - (this.#doubtedUs[size] as number) >= restUs;
  }

  /** A batch of so many rows ran: its size and those below have been put to the test. @param ratio time that it took, of the expected */
  ran(rows: number, ratio: number): void {
    for (let size = sizeOf(rows); size >= 0; size--) {
      if (this.#doubtedUs[size] === Number.POSITIVE_INFINITY) this.#rest[size] = FIRST;
      else if (ratio < QUICKER) this.#rest[size] = 0;
      else this.#rest[size] = Math.max(FIRST, 2 * (this.#rest[size] as number));
      this.#doubtedUs[size] = Number.POSITIVE_INFINITY;
    }
  }
}

function sizeOf(rows: number): number {
  return SIZES - 1 - Math.clz32(Math.min(rows, 0x7fff_ffff));
}
