/**
 * Nexus, its sliding-window policy. A planner picks the batch offline: the one of most rows per second whose time twice over
 * keeps the target, so that a request may just miss a batch. A free instance expects to run that many, or what is queued;
 * whoever's deadline lies before the end of such a batch is dropped rather than the batch made smaller; the expectation is
 * lowered only where too few are left. Its profile is offline: here the true curve, in its favour, and one queue for all
 * instances instead of one each.
 */

import type { TrueCurve } from './curves.ts';
import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';
import { Ring } from './ring.ts';

/** The rival. */
export class Nexus implements Policy {
  readonly #curve: TrueCurve;
  readonly #planned: number;
  readonly #queue = new Ring();
  readonly #free: FreeLanes;

  constructor(curve: TrueCurve, { lanes, targetUs }: PolicySpec) {
    this.#curve = curve;
    this.#planned = curve.bestRows(targetUs / 2);
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    this.#queue.push(job);
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    const queue = this.#queue;
    if (!this.#free.any || queue.length === 0) return null;
    let expected = Math.min(this.#planned, queue.length);
    let finishUs = nowUs + this.#curve.at(expected);
    const jobs: Job[] = [];
    while (jobs.length < expected && queue.length > 0) {
      const job = queue.shift();
      (job.deadlineUs < finishUs ? dropped : jobs).push(job);
      const most = jobs.length + queue.length;
      if (most > 0 && most < expected) {
        expected = most;
        finishUs = nowUs + this.#curve.at(expected);
      }
    }
    return jobs.length === 0 ? null : { lane: this.#free.take(), jobs, rows: jobs.length };
  }

  finish(trip: Trip): void {
    this.#free.give(trip.lane);
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
