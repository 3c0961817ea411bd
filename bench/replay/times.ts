/** The times of a recorded run, to be drawn from: how long batches of a size took, and how long a lane rested between two. */

import type { Random } from '../../src/load/random.ts';
import type { BatchLine } from './record.ts';

/** Drawn from those recorded around the same time: a machine that slowed down in the middle does so again. */
const AROUND = 8;
/** Sizes with fewer batches borrow from the nearest one. */
const ENOUGH = 5;

/** Samples in the order of time, with their times. */
interface Samples {
  readonly atUs: number[];
  readonly us: number[];
}

/** What the record says of service. */
export class RecordedTimes {
  readonly #sizes = new Map<number, Samples>();
  readonly #seen: readonly number[];
  readonly #gaps: Samples = { atUs: [], us: [] };
  readonly #profiledUs: (rows: number) => number;

  /** @param profiledUs of a batch of so many rows: sizes that never ran follow from it @throws where nothing ran */
  constructor(batches: readonly BatchLine[], profiledUs: (rows: number) => number) {
    this.#profiledUs = profiledUs;
    if (batches.length === 0) throw new Error('the record holds no batch');
    const started = batches.toSorted((a, b) => a[1] - b[1]);
    const lastOn = new Map<number, BatchLine>();
    for (const batch of started) {
      const [, startedUs, endedUs, lane, rows] = batch;
      add(this.#of(rows), startedUs, endedUs - startedUs);
      const before = lastOn.get(lane);
      // Only where somebody waited was it the driver's way to the next batch, and not a want of requests.
      if (before !== undefined && before[7] > 0) add(this.#gaps, before[2], Math.max(0, startedUs - before[2]));
      lastOn.set(lane, batch);
    }
    const enough = [...this.#sizes].filter(([, { us }]) => us.length >= ENOUGH).map(([rows]) => rows);
    this.#seen = (enough.length > 0 ? enough : [...this.#sizes.keys()]).sort((a, b) => a - b);
  }

  /** Time of a batch of so many rows, started then. */
  service(rows: number, nowUs: number, random: Random): number {
    const nearest = this.#nearest(rows);
    const us = drawn(this.#sizes.get(nearest) as Samples, nowUs, random);
    return us * (nearest === rows ? 1 : this.#profiledUs(rows) / this.#profiledUs(nearest));
  }

  /** From the end of a batch to the start of the next, where somebody waits. */
  gap(nowUs: number, random: Random): number {
    return this.#gaps.us.length === 0 ? 0 : drawn(this.#gaps, nowUs, random);
  }

  #of(rows: number): Samples {
    let samples = this.#sizes.get(rows);
    if (samples === undefined) {
      samples = { atUs: [], us: [] };
      this.#sizes.set(rows, samples);
    }
    return samples;
  }

  #nearest(rows: number): number {
    return this.#seen.reduce((best, one) => (Math.abs(one - rows) < Math.abs(best - rows) ? one : best));
  }
}

function add(samples: Samples, atUs: number, us: number): void {
  samples.atUs.push(atUs);
  samples.us.push(us);
}

function drawn({ atUs, us }: Samples, nowUs: number, random: Random): number {
  const middle = firstFrom(atUs, nowUs);
  const from = Math.max(0, middle - AROUND);
  const to = Math.min(us.length, middle + AROUND);
  return us[from + Math.floor(random.uniform() * (to - from))] as number;
}

/** Where the first one from then on stands. */
function firstFrom(atUs: readonly number[], nowUs: number): number {
  let [low, high] = [0, atUs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((atUs[middle] as number) < nowUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
