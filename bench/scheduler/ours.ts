/** The gateway's own scheduler in the simulated world: the very module that the gateway runs, and the events its driver brings. */

import type { Batch, Queue, Scheduler } from '../../src/batching/travel.ts';
import type { Curve } from '../../src/core/scheduling.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';

/** How often the gateway's driver looks for deadlines that have passed. */
const SWEEP_US = 5_000;
/** Bounds of memory, out of the way here. */
const QUEUE_ROWS = 1e9;

/** Drives it. */
export class Ours<Q extends Queue> implements Policy {
  readonly #scheduler: Scheduler<Job, Q>;
  readonly #queue: Q;
  readonly #running: (Batch<Job, Q> | null)[];
  readonly #expired: Job[] = [];
  readonly #displaced: Job[] = [];
  #sweepUs = SWEEP_US;

  /** @param curve primed with the profile of the spec */
  constructor(scheduler: Scheduler<Job, Q>, curve: Curve, { lanes, mostRows, targetUs }: PolicySpec) {
    this.#scheduler = scheduler;
    this.#running = new Array(lanes).fill(null);
    this.#queue = scheduler.open({
      maxBatchRows: mostRows,
      lanes: this.#running.map((_, lane) => lane),
      queueRows: QUEUE_ROWS,
      queueBytes: Number.POSITIVE_INFINITY,
      sloUs: targetUs,
      curve,
    });
  }

  arrive(job: Job, nowUs: number): boolean {
    const atDoor = this.#scheduler.foresee(this.#queue, job.tenant, job.rows, 0, job.deadlineUs, nowUs);
    return atDoor === null && this.#scheduler.arrive(this.#queue, job, nowUs) === null;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    if (nowUs >= this.#sweepUs) {
      this.#sweepUs = nowUs + SWEEP_US;
      this.#scheduler.sweep(nowUs, this.#expired);
    }
    const batch = this.#scheduler.next(nowUs, this.#expired, this.#displaced);
    for (const job of this.#expired) {
      // What runs is answered at its deadline and computed all the same: the world counts it late when its batch ends.
      if (job.riding) continue;
      job.broken = true;
      dropped.push(job);
    }
    dropped.push(...this.#displaced);
    this.#expired.length = 0;
    this.#displaced.length = 0;
    if (batch === null) return null;
    this.#running[batch.lane] = batch;
    return { lane: batch.lane, jobs: batch.requests, rows: batch.rows };
  }

  finish(trip: Trip, nowUs: number): void {
    const batch = this.#running[trip.lane] as Batch<Job, Q>;
    this.#running[trip.lane] = null;
    this.#scheduler.finish(batch, nowUs, true);
  }

  wakeUs(): number {
    return this.#queue.length > 0 ? this.#sweepUs : Number.POSITIVE_INFINITY;
  }
}
