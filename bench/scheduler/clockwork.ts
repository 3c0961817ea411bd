/**
 * Clockwork's scheduler. Models exist for batches of powers of two. The time of each size is estimated as the longest of its
 * last ten runs, which begin with what was measured before serving. A request waits in the queue of every size, and leaves that
 * of a size when its deadline, less a buffer, lies before the end of such a batch started now; it is given up when it has left
 * the queue of one. A free instance runs the largest size whose queue can fill it.
 * In its favour: the sizes go on past 16, the buffer of 5 ms (for a network, and a target of 100 ms) is a twentieth of the
 * target where that is less, batches over 25 ms are allowed, and nothing is scheduled ahead: work is bound as late as can be.
 */

import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';

const WINDOW = 10;
const BUFFER = { us: 5_000, share: 0.05 };

/** Longest of the last ten. */
class Estimate {
  readonly rows: number;
  readonly #window: number[];
  us: number;

  constructor(rows: number, us: number) {
    this.rows = rows;
    this.us = us;
    this.#window = [us];
  }

  add(us: number): void {
    this.#window.push(us);
    if (this.#window.length > WINDOW) this.#window.shift();
    this.us = Math.max(...this.#window);
  }
}

/** The rival. */
export class Clockwork implements Policy {
  /** Largest first. */
  readonly #sizes: readonly Estimate[];
  readonly #bufferUs: number;
  readonly #free: FreeLanes;
  #head: Job | null = null;
  #tail: Job | null = null;

  constructor({ lanes, targetUs, profile }: PolicySpec) {
    const powers = profile.filter(({ rows }) => Number.isInteger(Math.log2(rows)));
    this.#sizes = powers.map(({ rows, us }) => new Estimate(rows, us)).reverse();
    this.#bufferUs = Math.min(BUFFER.us, BUFFER.share * targetUs);
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    job.previous = this.#tail;
    if (this.#tail === null) this.#head = job;
    else this.#tail.next = job;
    this.#tail = job;
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    if (!this.#free.any) return null;
    const single = this.#sizes.at(-1) as Estimate;
    while (this.#head !== null && this.#missed(this.#head, single, nowUs)) {
      dropped.push(this.#head);
      this.#remove(this.#head);
    }
    for (const size of this.#sizes) {
      const jobs = this.#fill(size, nowUs);
      if (jobs.length < size.rows) continue;
      for (const job of jobs) this.#remove(job);
      return { lane: this.#free.take(), jobs, rows: jobs.length };
    }
    return null;
  }

  finish(trip: Trip, _nowUs: number, serviceUs: number): void {
    this.#free.give(trip.lane);
    this.#sizes.find(({ rows }) => rows === trip.rows)?.add(serviceUs);
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  #missed(job: Job, { us }: Estimate, nowUs: number): boolean {
    return job.deadlineUs - this.#bufferUs < nowUs + us;
  }

  /** The oldest that make it in a batch of this size, at most as many as it holds. */
  #fill(size: Estimate, nowUs: number): Job[] {
    const jobs: Job[] = [];
    for (let job = this.#head; job !== null && jobs.length < size.rows; job = job.next) {
      if (jobs.length > 0 || !this.#missed(job, size, nowUs)) jobs.push(job);
    }
    return jobs;
  }

  #remove(job: Job): void {
    if (job.previous === null) this.#head = job.next;
    else job.previous.next = job.next;
    if (job.next === null) this.#tail = job.previous;
    else job.next.previous = job.previous;
    job.previous = null;
    job.next = null;
  }
}
