/**
 * Clockwork's scheduler. Models exist for batches of powers of two. The time of each size is estimated as the longest of its
 * last ten runs, and before the first as what was measured before serving. A request waits in the queue of every size, and
 * leaves that of a size when its deadline, less a buffer, lies before the end of such a batch started now. A free instance runs
 * the largest size whose queue can fill it, and every request older than the last of that batch is given up, as is who has left
 * the queue of one.
 * In its favour: the sizes go on past 16, the buffer of 5 ms (for a network, and a target of 100 ms) is a twentieth of the
 * target where that is less, batches over 25 ms are allowed, and nothing is scheduled ahead: work is bound as late as can be.
 */

import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';
import { Ring } from './ring.ts';

const WINDOW = 10;
const BUFFER = { us: 5_000, share: 0.05 };

/** Longest of the last ten. */
class Estimate {
  readonly rows: number;
  readonly #window: number[] = [];
  us: number;

  constructor(rows: number, us: number) {
    this.rows = rows;
    this.us = us;
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
  readonly #queue = new Ring();
  readonly #free: FreeLanes;

  constructor({ lanes, targetUs, profile }: PolicySpec) {
    const powers = profile.filter(({ rows }) => Number.isInteger(Math.log2(rows)));
    this.#sizes = powers.map(({ rows, us }) => new Estimate(rows, us)).reverse();
    this.#bufferUs = Math.min(BUFFER.us, BUFFER.share * targetUs);
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    this.#queue.push(job);
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    const queue = this.#queue;
    if (!this.#free.any || queue.length === 0) return null;
    for (const size of this.#sizes) {
      const older = this.#missing(size, nowUs);
      if (queue.length - older < size.rows) continue;
      for (let i = 0; i < older; i++) dropped.push(queue.shift());
      return { lane: this.#free.take(), jobs: queue.take(size.rows), rows: size.rows };
    }
    // Not even one row of one request fits.
    while (queue.length > 0) dropped.push(queue.shift());
    return null;
  }

  finish(trip: Trip, _nowUs: number, serviceUs: number): void {
    this.#free.give(trip.lane);
    this.#sizes.find(({ rows }) => rows === trip.rows)?.add(serviceUs);
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** How many of the oldest cannot make it in such a batch, counted while the rest could fill it. */
  #missing({ rows, us }: Estimate, nowUs: number): number {
    const endUs = nowUs + us + this.#bufferUs;
    let count = 0;
    while (this.#queue.length - count >= rows && this.#queue.at(count).deadlineUs < endUs) count++;
    return count;
  }
}
