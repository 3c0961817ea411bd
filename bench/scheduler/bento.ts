/**
 * BentoML's CorkDispatcher. The time of n rows is a n + b, by least squares over its last 50 batches, after a first training:
 * four batches of one row, two of which are not learned from, then one each of 2 and 3. A loop that sleeps 1 ms whenever it
 * waits: it cancels the head where its age and the time of everything queued exceed the target; waits where an instance is
 * busy, or where more rows are worth waiting for; else sends what is queued, newest first.
 * In its favour: refitted after every tenth batch (it does so every five seconds, longer than many a run here), as many
 * batches under way as there are instances, and the limit of a batch taken whole.
 */

import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';
import { Ring } from './ring.ts';

const TICK_US = 1_000;
const KEPT = 50;
const SKIPPED = 2;
/** Batches before the loop proper. */
const TRAINING = SKIPPED + 4;
const REFIT = 10;
const DECAY = 0.95;
const FIRST_WAIT_US = 10_000;

interface Sent {
  readonly rows: number;
  readonly waitUs: number;
  us: number;
}

/** What it has learned. */
class Optimizer {
  readonly #sent: Sent[] = [];
  aUs: number;
  bUs: number;
  waitUs = FIRST_WAIT_US;
  seen = 0;

  constructor(targetUs: number) {
    this.aUs = Math.min(2e6, (targetUs * 2) / 30);
    this.bUs = Math.min(1e6, targetUs / 30);
  }

  log(sent: Sent): void {
    if (++this.seen <= SKIPPED) return;
    this.#sent.push(sent);
    if (this.#sent.length > KEPT) this.#sent.shift();
    if (this.seen <= TRAINING || this.seen % REFIT === 0) this.#fit();
  }

  /** Least squares; with all sizes alike the shortest solution, as the library it calls has it. */
  #fit(): void {
    const n = this.#sent.length;
    const sum = (of: (sent: Sent) => number) => this.#sent.reduce((total, sent) => total + of(sent), 0);
    const meanRows = sum(({ rows }) => rows) / n;
    const meanUs = sum(({ us }) => us) / n;
    const spread = sum(({ rows }) => (rows - meanRows) ** 2);
    const slope =
      spread > 0
        ? sum(({ rows, us }) => (rows - meanRows) * (us - meanUs)) / spread
        : (meanUs * meanRows) / (meanRows * meanRows + 1);
    this.aUs = Math.max(1, slope);
    this.bUs = Math.max(0, meanUs - slope * meanRows);
    this.waitUs = Math.max(0, sum(({ waitUs }) => waitUs) / n);
  }
}

/** The rival. */
export class Bento implements Policy {
  readonly #targetUs: number;
  readonly #mostRows: number;
  readonly #optimizer: Optimizer;
  readonly #queue = new Ring();
  readonly #free: FreeLanes;
  readonly #sent = new Map<Trip, Sent>();
  /** Until when it sleeps. */
  #asleepUs = 0;

  constructor({ lanes, mostRows, targetUs }: PolicySpec) {
    this.#targetUs = targetUs;
    this.#mostRows = mostRows;
    this.#optimizer = new Optimizer(targetUs);
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    this.#queue.push(job);
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    while (this.#queue.length > 0 && nowUs >= this.#asleepUs) {
      if (this.#hopeless(nowUs)) dropped.push(this.#queue.shift());
      else if (!this.#free.any || this.#worthWaiting(nowUs)) this.#asleepUs = nowUs + TICK_US;
      else return this.#send(nowUs);
    }
    return null;
  }

  finish(trip: Trip, _nowUs: number, serviceUs: number): void {
    this.#free.give(trip.lane);
    const sent = this.#sent.get(trip);
    this.#sent.delete(trip);
    if (sent !== undefined) this.#optimizer.log({ ...sent, us: serviceUs });
  }

  wakeUs(): number {
    return this.#queue.length > 0 ? this.#asleepUs : Number.POSITIVE_INFINITY;
  }

  get #training(): boolean {
    return this.#optimizer.seen < TRAINING;
  }

  /** Rows that training wants next. */
  get #lesson(): number {
    return Math.min(Math.max(1, this.#optimizer.seen - SKIPPED), this.#mostRows);
  }

  #hopeless(nowUs: number): boolean {
    const { aUs, bUs } = this.#optimizer;
    const n = this.#queue.length;
    const ageUs = nowUs - this.#queue.at(0).arrivalUs;
    if (this.#training) return n > TRAINING + 1 - this.#optimizer.seen && ageUs >= this.#targetUs;
    if (n > 1) return ageUs + aUs * n + bUs >= this.#targetUs;
    return !this.#free.any && ageUs >= this.#targetUs;
  }

  #worthWaiting(nowUs: number): boolean {
    const { aUs, bUs, waitUs } = this.#optimizer;
    const n = this.#queue.length;
    const ageUs = nowUs - this.#queue.at(0).arrivalUs;
    if (this.#training) {
      const wanted = this.#lesson;
      const patienceUs = Math.min(this.#targetUs * DECAY, (2 * wanted + 1) * (aUs + bUs));
      return n < wanted && wanted * aUs + bUs + ageUs <= patienceUs;
    }
    const newestUs = nowUs - this.#queue.at(n - 1).arrivalUs;
    return n < this.#mostRows && n * (newestUs + TICK_US + aUs) <= waitUs * DECAY;
  }

  #send(nowUs: number): Trip {
    const rows = Math.min(this.#queue.length, this.#training ? this.#lesson : this.#mostRows);
    const jobs = Array.from({ length: rows }, () => this.#queue.pop());
    const trip = { lane: this.#free.take(), jobs, rows };
    this.#sent.set(trip, { rows, waitUs: nowUs - (jobs.at(-1) as Job).arrivalUs, us: 0 });
    return trip;
  }
}
