/**
 * A recorded run again, on virtual time, with the scheduler that served it: what was offered is offered when it was judged, and
 * batches take what recorded ones took. Other than the world of bench/scheduler it knows deadlines and rows by request, and the
 * time that the driver needs between two batches.
 */

import { LatencyCurve } from '../../src/batching/curve.ts';
import type { Batch, Queue, Scheduler } from '../../src/batching/travel.ts';
import { Random } from '../../src/load/random.ts';
import { BareTraveller } from '../runner/schedulers.ts';
import type { OfferLine, ScheduleRecord } from './record.ts';
import { RecordedTimes } from './times.ts';

/** How often the driver looks for deadlines that have passed. */
const SWEEP_US = 5_000;
/** Bounds of memory are out of the way: who was refused for them is seldom, and says so. */
const QUEUE_ROWS = 1e9;

/** What became of what was offered: counts. */
export interface Fates {
  readonly offered: number;
  readonly good: number;
  readonly late: number;
  readonly refused: number;
  readonly batches: number;
}

/** What the record itself says. */
export function observed({ offers, batches }: ScheduleRecord): Fates {
  return {
    offered: offers.length,
    good: batches.reduce((sum, batch) => sum + batch[5], 0),
    late: batches.reduce((sum, batch) => sum + batch[6], 0),
    refused: offers.filter((offer) => offer[5] !== '').length,
    batches: batches.length,
  };
}

/** Plays it. @param scheduler for so many lanes; the same seed gives the same fates */
export function replay<Q extends Queue>(
  record: ScheduleRecord,
  scheduler: (lanes: number) => Scheduler<BareTraveller, Q>,
  seed: number,
): Fates {
  return new Replay(record, scheduler(record.head.lanes), seed).play();
}

class Replay<Q extends Queue> {
  readonly #offers: readonly OfferLine[];
  readonly #scheduler: Scheduler<BareTraveller, Q>;
  readonly #queue: Q;
  readonly #times: RecordedTimes;
  readonly #random: Random;
  readonly #expired: BareTraveller[] = [];
  readonly #running: (Batch<BareTraveller, Q> | null)[];
  readonly #endUs: Float64Array;
  /** When the driver asks for the next batch; Infinity where it has no reason to. */
  #tickUs = Number.POSITIVE_INFINITY;
  /** Until then the driver hands out what has ended, and starts nothing. */
  #busyUs = 0;
  #sweepUs = SWEEP_US;
  #good = 0;
  #late = 0;
  #refused = 0;
  #batches = 0;

  constructor({ head, offers, batches }: ScheduleRecord, scheduler: Scheduler<BareTraveller, Q>, seed: number) {
    this.#offers = offers.toSorted((a, b) => a[2] - b[2]);
    this.#scheduler = scheduler;
    const profiled = new LatencyCurve(Math.max(1, head.maxBatchRows), head.profile);
    this.#times = new RecordedTimes(batches, (rows) => profiled.at(rows));
    this.#random = new Random(seed);
    this.#running = new Array(head.lanes).fill(null);
    this.#endUs = new Float64Array(head.lanes).fill(Number.POSITIVE_INFINITY);
    this.#queue = scheduler.open({
      maxBatchRows: head.maxBatchRows,
      lanes: this.#running.map((_, lane) => lane),
      queueRows: QUEUE_ROWS,
      queueBytes: Number.POSITIVE_INFINITY,
      sloUs: head.sloUs,
      curve: new LatencyCurve(Math.max(1, head.maxBatchRows), head.profile),
    });
  }

  play(): Fates {
    this.#sweepUs = (this.#offers[0]?.[2] ?? 0) + SWEEP_US;
    for (let offered = 0; ; ) {
      const offer = this.#offers[offered];
      const offerUs = offer?.[2] ?? Number.POSITIVE_INFINITY;
      const lane = this.#firstToEnd();
      const endUs = this.#endUs[lane] as number;
      const nowUs = Math.min(offerUs, endUs, this.#tickUs, this.#queue.length > 0 ? this.#sweepUs : offerUs);
      if (nowUs === Number.POSITIVE_INFINITY) break;
      if (endUs === nowUs) this.#finish(lane, nowUs);
      else if (offer !== undefined && offerUs === nowUs) {
        offered++;
        this.#offer(offer, nowUs);
      } else if (this.#tickUs === nowUs) this.#tick(nowUs);
      else this.#sweep(nowUs);
    }
    const { length } = this.#offers;
    return { offered: length, good: this.#good, late: this.#late, refused: this.#refused, batches: this.#batches };
  }

  #firstToEnd(): number {
    let first = 0;
    for (let lane = 1; lane < this.#endUs.length; lane++) {
      if ((this.#endUs[lane] as number) < (this.#endUs[first] as number)) first = lane;
    }
    return first;
  }

  #offer([, arrivalUs, , deadlineUs, rows]: OfferLine, nowUs: number): void {
    const traveller = new BareTraveller();
    traveller.again(arrivalUs, deadlineUs ?? Number.POSITIVE_INFINITY);
    traveller.rows = rows;
    if (this.#scheduler.arrive(this.#queue, traveller, nowUs) !== null) this.#refused++;
    else this.#tickFrom(nowUs);
  }

  #tick(nowUs: number): void {
    this.#tickUs = Number.POSITIVE_INFINITY;
    for (;;) {
      const batch = this.#scheduler.next(nowUs, this.#expired);
      if (batch === null) break;
      this.#batches++;
      this.#running[batch.lane] = batch;
      this.#endUs[batch.lane] = nowUs + this.#times.service(batch.rows, nowUs, this.#random);
    }
    this.#expired.length = 0;
  }

  #finish(lane: number, nowUs: number): void {
    const batch = this.#running[lane] as Batch<BareTraveller, Q>;
    this.#running[lane] = null;
    this.#endUs[lane] = Number.POSITIVE_INFINITY;
    for (const request of batch.requests) {
      request.state = 'ENDED';
      if (request.deadlineUs < nowUs) this.#late++;
      else this.#good++;
    }
    this.#scheduler.finish(batch, nowUs, true);
    this.#busyUs = nowUs + this.#times.gap(nowUs, this.#random);
    if (this.#queue.length > 0) this.#tickFrom(nowUs);
  }

  #tickFrom(nowUs: number): void {
    this.#tickUs = Math.min(this.#tickUs, Math.max(nowUs, this.#busyUs));
  }

  #sweep(nowUs: number): void {
    this.#sweepUs = nowUs + SWEEP_US;
    this.#scheduler.sweep(nowUs, this.#expired);
    this.#expired.length = 0;
  }
}
