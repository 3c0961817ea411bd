/**
 * What lies between two batches of a lane that follow each other, of the time that the batches take: on the front thread requests
 * are read and answered between them, and whoever waits for the second batch waits for that too.
 */

/** What each batch leaves of what was learned before it: the last fifty or so count. */
const KEPT = 0.98;

/** Most that counts of one pause, in times of the batch before it: beyond lie stalls. */
const MOST = 8;

/** Batches without a pause that stand for those before the first: one alone says little. */
const BEFORE_FIRST = 10;

/** Learned from batches that somebody waited for. */
export class Turnaround {
  /** Time between two batches, in times of a batch. */
  ratio = 0;
  #betweenUs = 0;
  #ranUs = 0;

  /** A batch began so long after the one before it on its lane, which took `ranUs`, and somebody waited. */
  learn(betweenUs: number, ranUs: number): void {
    if (!(betweenUs >= 0 && ranUs > 0)) return;
    if (this.#ranUs === 0) this.#ranUs = BEFORE_FIRST * ranUs;
    this.#betweenUs = KEPT * this.#betweenUs + Math.min(betweenUs, MOST * ranUs);
    this.#ranUs = KEPT * this.#ranUs + ranUs;
    this.ratio = this.#betweenUs / this.#ranUs;
  }

  /**
   * A batch began so long after the one before it, and nobody had waited meanwhile. What was learned fades with each rest that is longer
   * than what lies between batches: else what turns away who would wait is never put to the test.
   */
  rested(pauseUs: number, ranUs: number): void {
    if (!(pauseUs > MOST * ranUs)) return;
    this.#betweenUs *= KEPT;
    this.ratio *= KEPT;
  }
}
