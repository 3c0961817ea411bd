/**
 * What lies between two batches of a lane, or between who comes to a free one and his batch: on the front thread requests are read and
 * answered meanwhile, and whoever waits for a batch waits for that too.
 */

/** What each batch leaves of the mean that was learned before it: the last fifty or so count. */
const KEPT = 0.98;

/** Most that counts for the mean of one wait, in times of the batch before it or of what is usual: beyond lie stalls. */
const MOST = 8;

/** Batches without a wait that stand for those before the first: one alone says little. */
const BEFORE_FIRST = 10;

/**
 * A promise reckons with the second longest of so many: each turn brings more or less to read, and a promise that holds for the usual turn
 * is broken in every other one; but one stall is none that comes again.
 */
const REMEMBERED = 16;

/** Learned from batches of one model. */
export class Turnaround {
  /** What is to be expected before a batch, microseconds. */
  us = 0;
  /** The mean of it, in times of a batch. */
  ratio = 0;
  readonly #last = new Float64Array(REMEMBERED);
  #count = 0;
  #waitedUs = 0;
  #ranUs = 0;
  /** What each wait of the mean followed, in all: a batch, or the time for which who began it lay unread. */
  #followedUs = 0;
  #beforeUs = 0;
  #unreadUs = 0;

  /**
   * Somebody comes to a free lane who lay unread so long. What came meanwhile lies behind him and is read before his batch starts: after
   * a short time that is soon done, however long others had to wait.
   * @returns what he is to be expected to wait, microseconds
   */
  begin(unreadUs: number): number {
    this.#unreadUs = unreadUs;
    const followsUs = Math.max(unreadUs, this.#beforeUs);
    return this.#followedUs === 0 ? this.us : Math.min(this.us, (this.#waitedUs / this.#followedUs) * followsUs);
  }

  /**
   * Somebody waited so long for a lane that was free; the batch before his took `ranUs`.
   * @param came whether he came to a free lane, and did not wait when that batch ended
   */
  learn(waitedUs: number, ranUs: number, came: boolean): void {
    if (!(waitedUs >= 0 && waitedUs < Number.POSITIVE_INFINITY && ranUs > 0)) return;
    this.#last[this.#count++ % REMEMBERED] = waitedUs;
    this.#expect();
    if (this.#ranUs === 0) this.#ranUs = BEFORE_FIRST * ranUs;
    this.#waitedUs = KEPT * this.#waitedUs + Math.min(waitedUs, MOST * Math.max(1, this.ratio) * ranUs);
    this.#ranUs = KEPT * this.#ranUs + ranUs;
    this.#followedUs = KEPT * this.#followedUs + (came ? Math.max(ranUs, this.#unreadUs) : ranUs);
    this.#beforeUs = ranUs;
    this.#unreadUs = 0;
    this.ratio = this.#waitedUs / this.#ranUs;
  }

  /** Expects the second longest of those remembered. */
  #expect(): void {
    let longestUs = 0;
    this.us = 0;
    for (const us of this.#last) {
      this.us = Math.max(this.us, Math.min(us, longestUs));
      longestUs = Math.max(longestUs, us);
    }
  }
}
