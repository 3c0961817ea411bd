/**
 * What lies between two batches of a lane that follow each other, of the time that the batches take: on the front thread requests
 * are read and answered between them, and whoever waits for the second batch waits for that too.
 */

/** What each batch leaves of what was learned before it: the last fifty or so count. */
const KEPT = 0.98;

/** Most that counts of one pause, in times of the batch before it: beyond lie stalls. */
const MOST = 20;

/** Learned from batches that somebody waited for. */
export class Turnaround {
  /** Time between two batches, in times of a batch. */
  ratio = 0;
  #betweenUs = 0;
  #ranUs = 0;

  /** A batch began so long after the one before it on its lane, which took `ranUs`. */
  learn(betweenUs: number, ranUs: number): void {
    if (!(betweenUs >= 0 && ranUs > 0)) return;
    this.#betweenUs = KEPT * this.#betweenUs + Math.min(betweenUs, MOST * ranUs);
    this.#ranUs = KEPT * this.#ranUs + ranUs;
    this.ratio = this.#betweenUs / this.#ranUs;
  }
}
