/**
 * Clipper, as its code was shipped. Earliest deadline first; whoever has expired is dropped when a batch is formed. The budget is
 * 0.92 of what the head has left. A budget above the longest batch ever seen is used to explore: one row more below ten, else
 * about a tenth more, once the largest size has five samples, the batch filled up with copies. Else the size comes from a
 * regression of size over mean and three pooled deviations of latency. Every instance learns for itself.
 */

import { Random } from '../../src/load/random.ts';
import { normal } from './draw.ts';
import { FreeLanes } from './lanes.ts';
import type { Job, Policy, PolicySpec, Trip } from './policy.ts';
import { Ring } from './ring.ts';

const BUDGET = 0.92;
const ENOUGH_SAMPLES = 5;
const ONE_BY_ONE_BELOW = 10;
const EXPLORE = { mean: 0.1, deviation: 0.05 };
const Z = 3;
const RANDOM_SEED = 1;

/** Running mean and sum of squared differences of one batch size. */
interface Seen {
  count: number;
  meanUs: number;
  squares: number;
}

/** What one instance has learned. */
class Container {
  readonly #mostRows: number;
  readonly #random: Random;
  readonly #seen = new Map<number, Seen>();
  #largest = 1;
  #longestUs = 0;
  /** Rows = `slope` x microseconds + `base`. */
  #slope = 0;
  #base = 1;

  constructor(mostRows: number, random: Random) {
    this.#mostRows = mostRows;
    this.#random = random;
  }

  /** Rows of the next batch, and whether it is to be filled up. */
  size(leftUs: number): { readonly rows: number; readonly explored: boolean } {
    const budgetUs = leftUs * BUDGET;
    const explored = budgetUs > this.#longestUs;
    const wanted = explored ? this.#explore() : Math.max(1, Math.floor(this.#slope * budgetUs + this.#base));
    const rows = Math.min(wanted, this.#mostRows);
    this.#largest = Math.max(this.#largest, rows);
    return { rows, explored };
  }

  add(rows: number, us: number): void {
    const seen = this.#seen.get(rows) ?? { count: 0, meanUs: 0, squares: 0 };
    this.#seen.set(rows, seen);
    const off = us - seen.meanUs;
    seen.meanUs += off / ++seen.count;
    seen.squares += off * (us - seen.meanUs);
    this.#longestUs = Math.max(this.#longestUs, us);
    this.#fit();
  }

  #explore(): number {
    const samples = this.#seen.get(this.#largest)?.count ?? ENOUGH_SAMPLES;
    if (samples < ENOUGH_SAMPLES) return this.#largest;
    if (this.#largest < ONE_BY_ONE_BELOW) return this.#largest + 1;
    const more = Math.max(0, EXPLORE.mean + EXPLORE.deviation * normal(this.#random));
    return Math.floor((1 + more) * this.#largest);
  }

  #fit(): void {
    let [n, sumRows, sumUs, sumProduct, sumSquare, squares, degrees] = [
      this.#seen.size,
      0,
      0,
      0,
      0,
      0,
      -this.#seen.size,
    ];
    for (const [rows, { count, meanUs, squares: own }] of this.#seen) {
      sumRows += rows;
      sumUs += meanUs;
      sumProduct += rows * meanUs;
      sumSquare += meanUs * meanUs;
      if (count < ENOUGH_SAMPLES) continue;
      squares += own;
      degrees += count;
    }
    const shiftUs = Z * Math.sqrt(squares / Math.max(1, degrees));
    const across = n * sumSquare - sumUs * sumUs;
    this.#slope = across > 0 ? (n * sumProduct - sumRows * sumUs) / across : 0;
    this.#base = sumRows / n - this.#slope * (sumUs / n + shiftUs);
  }
}

/** The rival. */
export class Clipper implements Policy {
  readonly #containers: readonly Container[];
  readonly #queue = new Ring();
  readonly #free: FreeLanes;

  constructor({ lanes, mostRows }: PolicySpec) {
    const random = new Random(RANDOM_SEED);
    this.#containers = Array.from({ length: lanes }, () => new Container(mostRows, random));
    this.#free = new FreeLanes(lanes);
  }

  arrive(job: Job): boolean {
    this.#queue.push(job);
    return true;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    const queue = this.#queue;
    if (!this.#free.any) return null;
    while (queue.length > 0 && queue.at(0).deadlineUs <= nowUs) dropped.push(queue.shift());
    if (queue.length === 0) return null;
    const lane = this.#free.take();
    const { rows, explored } = (this.#containers[lane] as Container).size(queue.at(0).deadlineUs - nowUs);
    const jobs = queue.take(Math.min(rows, queue.length));
    return { lane, jobs, rows: explored ? rows : jobs.length };
  }

  finish(trip: Trip, _nowUs: number, serviceUs: number): void {
    this.#free.give(trip.lane);
    (this.#containers[trip.lane] as Container).add(trip.rows, serviceUs);
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
