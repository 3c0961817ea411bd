/**
 * Triton's dynamic batcher. A batch is sent to a free instance when it cannot grow, when it has reached a preferred size (none
 * here) or when its oldest request has waited `delayUs`; with a delay of 0 whatever is there is sent. The queue is unbounded
 * unless `queueSize` says otherwise; a request that has *waited* longer than `timeoutUs` is rejected when the batcher meets it.
 * Neither the service time nor a deadline is ever looked at.
 */

import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';
import { Ring } from './ring.ts';

/** What its users set by hand. */
export interface TritonSettings {
  readonly maxBatch: number;
  readonly delayUs: number;
  /** Infinity: unbounded. */
  readonly queueSize: number;
  /** Infinity: never. */
  readonly timeoutUs: number;
}

/** As it comes but for the batch size, which has no default. */
export function defaultTriton(maxBatch: number): TritonSettings {
  return { maxBatch, delayUs: 0, queueSize: Number.POSITIVE_INFINITY, timeoutUs: Number.POSITIVE_INFINITY };
}

/** The rival. */
export class Triton implements Policy {
  readonly #settings: TritonSettings;
  readonly #maxBatch: number;
  readonly #queue = new Ring();
  readonly #free: FreeLanes;
  #wakeUs = Number.POSITIVE_INFINITY;

  constructor(settings: TritonSettings, { lanes, mostRows }: PolicySpec) {
    this.#settings = settings;
    this.#maxBatch = Math.min(settings.maxBatch, mostRows);
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    if (this.#queue.length >= this.#settings.queueSize) return false;
    this.#queue.push(job);
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    const { delayUs, timeoutUs } = this.#settings;
    const queue = this.#queue;
    this.#wakeUs = Number.POSITIVE_INFINITY;
    if (!this.#free.any) return null;
    while (queue.length > 0 && nowUs - queue.at(0).arrivalUs > timeoutUs) dropped.push(queue.shift());
    if (queue.length === 0) return null;
    const dueUs = queue.at(0).arrivalUs + delayUs;
    if (queue.length < this.#maxBatch && nowUs < dueUs) {
      this.#wakeUs = dueUs;
      return null;
    }
    const jobs = queue.take(Math.min(queue.length, this.#maxBatch));
    return { lane: this.#free.take(), jobs, rows: jobs.length };
  }

  finish(trip: Trip): void {
    this.#free.give(trip.lane);
  }

  wakeUs(): number {
    return this.#wakeUs;
  }
}
