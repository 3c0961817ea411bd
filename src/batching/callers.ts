/**
 * The time that callers have from their arrival to their deadline, and which of these times batches are to be sized for: the one
 * with which most of their rows can be in time. A few who are in a hurry are served where a lane is free, but do not make
 * everybody's batches short; where they are many, they do.
 */

import { Rate } from './rate.ts';
import type { Traveller } from './travel.ts';

/** Times are told apart by a fourth of a factor of two. */
const PER_OCTAVE = 4;
/** The longest is above an hour. */
const OCTAVES = 32;

/** So many rows are remembered, about. */
const MEMORY_ROWS = 400;

/** The times among which is chosen: so large a part of the rows has less. The first is what few have less than. */
const QUANTILES: readonly number[] = [0.1, 0.25, 0.5, 0.75, 0.9];

/** Of the capacity so much is served for certain: the rest is lost between bursts. */
const USABLE = 0.8;

/** Where shorter batches would turn somebody away, they must serve so many times the rows. */
const WORTH_REFUSING = 1.5;

/** What is to be known of a request. */
export type Caller = Pick<Traveller, 'rows' | 'arrivalUs' | 'deadlineUs'>;

/** The callers of one queue. */
export class Callers {
  readonly #rows = new Float64Array(PER_OCTAVE * OCTAVES);
  /** The typical time of each kind, microseconds. */
  readonly #us = new Float64Array(PER_OCTAVE * OCTAVES);
  /** Rows offered in all, per microsecond. */
  readonly #offered: Rate;
  #total = 0;

  /** @param memoryUs over which the rows that are offered are seen */
  constructor(memoryUs: number) {
    this.#offered = new Rate(memoryUs);
  }

  /** Rows that are offered are seen over so many microseconds from now on. */
  set memoryUs(us: number) {
    this.#offered.memoryUs = us;
  }

  /** A request came; of a tenant who asks for more than his share only that part of it counts. What leaves no time is passed over. */
  learn(request: Caller, flow: { readonly due: number }, nowUs: number): void {
    const us = request.deadlineUs - request.arrivalUs;
    if (!(us > 0 && us < Number.POSITIVE_INFINITY)) return;
    const rows = Math.max(1, request.rows) * flow.due;
    const i = Math.min(this.#rows.length - 1, Math.max(0, Math.floor(PER_OCTAVE * Math.log2(us))));
    this.#offered.add(rows, nowUs);
    this.#rows[i] = (this.#rows[i] as number) + rows;
    this.#us[i] = (this.#us[i] as number) + (rows / (this.#rows[i] as number)) * (us - (this.#us[i] as number));
    this.#total += rows;
    if (this.#total > 2 * MEMORY_ROWS) this.#fade(MEMORY_ROWS / this.#total);
  }

  /**
   * The time to size batches for, microseconds; 0 where nobody has named one.
   * @param capacityPerUs rows per microsecond that can be in time with so much of it
   */
  typicalUs(nowUs: number, capacityPerUs: (us: number) => number): number {
    const offeredPerUs = this.#offered.at(nowUs) / Math.max(this.#total, 1e-9);
    let [us, most, last] = [0, 0, -1];
    for (let i = QUANTILES.length - 1; i >= 0; i--) {
      const [kind, rows] = this.#from(QUANTILES[i] as number);
      if (kind === last) continue;
      const timeUs = this.#us[kind] as number;
      const servedPerUs = USABLE * capacityPerUs(timeUs);
      const wantedPerUs = offeredPerUs * rows;
      const served =
        servedPerUs < wantedPerUs && last >= 0 ? servedPerUs / WORTH_REFUSING : Math.min(servedPerUs, wantedPerUs);
      if (served > most || us === 0) [us, most] = [timeUs, served];
      last = kind;
    }
    return us;
  }

  /** The kind below which such a part of the rows lies, and the rows that have as much time or more. */
  #from(quantile: number): readonly [number, number] {
    let below = 0;
    let i = 0;
    while (i < this.#rows.length - 1 && below + (this.#rows[i] as number) <= quantile * this.#total) {
      below += this.#rows[i++] as number;
    }
    return [i, this.#total - below];
  }

  #fade(share: number): void {
    for (let i = 0; i < this.#rows.length; i++) this.#rows[i] = (this.#rows[i] as number) * share;
    this.#total *= share;
  }
}
