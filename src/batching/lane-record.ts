/** What the scheduler remembers of a lane beside what it runs: when that should end, and the batch before it. */

import type { PlanQueue } from './plan-queue.ts';
import type { Batch, Traveller } from './travel.ts';

/** One lane. Made with the scheduler and written in place: a batch takes nothing from the heap for it. */
export class LaneRecord<T extends Traveller> {
  /** When it should be ready for its next batch: as far as is known, while it is free. Infinite at first: a float from the beginning. */
  endUs = Number.NEGATIVE_INFINITY;
  /** When it was last done. */
  #doneUs = Number.NEGATIVE_INFINITY;
  /** What that batch took, and whose it was: null where no pause may be measured from it. */
  #ranUs = 0;
  #ran: PlanQueue<T> | null = null;

  /** A batch starts; what lies between it and the one before is learned. @returns whether the lane was free from when somebody waited */
  started({ queue, rows, startedUs }: Batch<T, PlanQueue<T>>): boolean {
    this.waited(queue, startedUs);
    this.endUs = startedUs + queue.spec.curve.at(rows) + queue.turnaround.us;
    return this.#doneUs <= queue.waitingSinceUs;
  }

  /** It was free until now, and somebody waited for it. */
  waited(queue: PlanQueue<T>, nowUs: number): void {
    if (this.#ran !== queue) return;
    const { waitingSinceUs } = queue;
    const came = waitingSinceUs >= this.#doneUs;
    queue.turnaround.learn(nowUs - (came ? waitingSinceUs : this.#doneUs), this.#ranUs, came);
  }

  /** It is free, and the next batch is not to be expected before then. */
  expect(startUs: number): void {
    this.endUs = Math.max(this.endUs, startUs);
  }

  /** Its batch has ended. @param well what comes behind one that failed says nothing of pauses */
  ended({ queue, startedUs }: Batch<T, PlanQueue<T>>, nowUs: number, well: boolean): void {
    this.#doneUs = nowUs;
    this.endUs = queue.length > 0 ? nowUs + queue.turnaround.us : nowUs;
    this.#ranUs = nowUs - startedUs;
    this.#ran = well ? queue : null;
  }

  /** Its thread is gone, or back: the time between is no pause between batches. */
  interrupted(): void {
    this.#ran = null;
  }
}
