/** What became of the requests of a simulated run: each ends once, and those that arrived after the warm-up are counted. */

import type { Fate, Job, Trip } from './policy.ts';

/** Counts over the requests that arrived after the warm-up. */
export interface Score {
  readonly offered: number;
  /** Finished inside the deadline. */
  readonly good: number;
  /** Finished after it. */
  readonly late: number;
  readonly refused: number;
  /** Taken and then given up. */
  readonly dropped: number;
  /** Of these the ones that had been promised a place. */
  readonly broken: number;
  /** Neither, when the last deadline had passed. */
  readonly unfinished: number;
  /** From arrival to refusal or drop, mean; 0 where none was. */
  readonly rejectUs: number;
  /** From arrival to the answer, mean over what finished. */
  readonly sojournUs: number;
  /** Over the whole run, warm-up included. */
  readonly batches: number;
  readonly events: number;
}

/** The counts of one run. */
export class Tally {
  events = 0;
  readonly #warmUpUs: number;
  readonly #counts: Record<Fate, number> = { open: 0, good: 0, late: 0, refused: 0, dropped: 0 };
  readonly #offered: number;
  #batches = 0;
  #broken = 0;
  #rejectSumUs = 0;
  #sojournSumUs = 0;

  /** @param arrivals of all requests, rising @param warmUpUs who arrives earlier is not counted */
  constructor(arrivals: Float64Array, warmUpUs: number) {
    this.#warmUpUs = warmUpUs;
    const first = arrivals.findIndex((us) => us >= warmUpUs);
    this.#offered = first < 0 ? 0 : arrivals.length - first;
  }

  /** A batch starts. @throws Error where it has fewer rows than requests, or none */
  start({ jobs, rows }: Trip): void {
    if (jobs.length === 0 || rows < jobs.length) throw new Error('a batch of fewer rows than requests');
    for (const job of jobs) job.riding = true;
    this.#batches++;
  }

  /** It is answered with what its batch made. @throws Error where it has ended already */
  answer(job: Job, nowUs: number): void {
    const counted = this.#end(job, nowUs <= job.deadlineUs ? 'good' : 'late');
    if (counted) this.#sojournSumUs += nowUs - job.arrivalUs;
  }

  /** It is answered with a refusal. @throws Error where it has ended already */
  reject(job: Job, fate: 'refused' | 'dropped', nowUs: number): void {
    if (!this.#end(job, fate)) return;
    this.#rejectSumUs += nowUs - job.arrivalUs;
    if (job.broken) this.#broken++;
  }

  score(): Score {
    const { good, late, refused, dropped } = this.#counts;
    const rejected = refused + dropped;
    const served = good + late;
    return {
      offered: this.#offered,
      good,
      late,
      refused,
      dropped,
      broken: this.#broken,
      unfinished: this.#offered - served - rejected,
      rejectUs: rejected === 0 ? 0 : this.#rejectSumUs / rejected,
      sojournUs: served === 0 ? 0 : this.#sojournSumUs / served,
      batches: this.#batches,
      events: this.events,
    };
  }

  /** Whether it counts. */
  #end(job: Job, fate: Fate): boolean {
    if (job.fate !== 'open') throw new Error(`a request that is ${job.fate} was to be ${fate}`);
    job.fate = fate;
    if (job.arrivalUs < this.#warmUpUs) return false;
    this.#counts[fate]++;
    return true;
  }
}
