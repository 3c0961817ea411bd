/**
 * When requests are to be sent: drawn from a seed alone, so that nothing a server does can move them.
 * Times are whole microseconds after the start of the run and never fall.
 */

import type { Arrivals } from './figures.ts';
import { Random } from './random.ts';

/** Highest rate that makes sense with times in whole microseconds, per second. */
export const HIGHEST_RATE = 1_000_000;

/** Times drawn at once: no object and no call per request in between. */
const BLOCK = 4096;

/** `bursty`: bursts of this length at `BURST_FACTOR` times the rate, then silence until the mean rate is the rate. */
const BURST_US = 100_000;
const BURST_FACTOR = 4;
const SILENCE_US = BURST_US * (BURST_FACTOR - 1);

/** Gives the next intended time, microseconds after the start. */
export interface ArrivalTimes {
  next(): number;
}

/**
 * Intended times without end.
 * `poisson`: exponential gaps, as many independent callers make them. `uniform`: even gaps, the first after one gap.
 * `bursty`: 100 ms of Poisson arrivals at four times the rate, 300 ms of silence, and so on.
 * @param rate mean per second. @throws RangeError where it is not above 0 and at most `HIGHEST_RATE`
 */
export function arrivals(kind: Arrivals, rate: number, seed: number): ArrivalTimes {
  if (!(rate > 0 && rate <= HIGHEST_RATE)) {
    throw new RangeError(`a rate must be above 0 and at most ${HIGHEST_RATE} per second, and this one is ${rate}`);
  }
  return new BlockOfArrivals(drawer(kind, 1e6 / rate, new Random(seed)));
}

function drawer(kind: Arrivals, gapUs: number, random: Random): () => number {
  let drawn = 0;
  let sumUs = 0;
  switch (kind) {
    case 'uniform':
      return () => ++drawn * gapUs;
    case 'poisson':
      return () => {
        sumUs += random.exponential(gapUs);
        return sumUs;
      };
    case 'bursty':
      return () => {
        sumUs += random.exponential(gapUs / BURST_FACTOR);
        return sumUs + Math.floor(sumUs / BURST_US) * SILENCE_US;
      };
  }
}

class BlockOfArrivals implements ArrivalTimes {
  readonly #draw: () => number;
  readonly #block = new Float64Array(BLOCK);
  #at = BLOCK;

  constructor(draw: () => number) {
    this.#draw = draw;
  }

  next(): number {
    if (this.#at === BLOCK) this.#fill();
    return this.#block[this.#at++] as number;
  }

  #fill(): void {
    for (let i = 0; i < BLOCK; i++) this.#block[i] = Math.floor(this.#draw());
    this.#at = 0;
  }
}
