/**
 * How many instances a model version should have: a pure decision over what was seen of it, looked at ten times a second.
 *
 * Up at once, when somebody waited: an instance costs its weights and some milliseconds of a lane, and a wait costs a
 * caller. Busy lanes alone are no need: one caller who asks again with every answer fills a lane and is no quicker with two.
 * Down, after a long rest, to what ran at once at any moment of it. Whoever needs again what was just given up rests twice
 * as long the next time, so that a load which needs another instance now and then ends by keeping it.
 */

/** Busier than this part of the time, one more instance may be far too few. */
const FULL = 0.8;

/**
 * How long an instance must have been without use, microseconds: at first, and at most. Who needs it again within the
 * longest rest after it was given up should have kept it.
 */
const REST_US = 10_000_000;
const MOST_REST_US = 600_000_000;

/** What was seen of a model version since the look before. */
export interface Look {
  readonly nowUs: number;
  readonly sinceUs: number;
  /** Lanes that take its batches and have a thread. */
  readonly running: number;
  /** 1 <= min <= max. */
  readonly min: number;
  readonly max: number;
  /** Lane time that its batches took, microseconds. */
  readonly busyUs: number;
  /** Most of its batches that ran at once. */
  readonly peak: number;
  /** Whether requests waited while every lane was taken. */
  readonly waited: boolean;
  /** Requests refused by its queue for want of room or of time. */
  readonly refused: number;
}

/** The need of one model version, over time. */
export class Scaling {
  /** When so many instances were last needed at once, by their number. */
  readonly #neededUs: number[] = [];
  #restUs = REST_US;
  #shrunkUs = Number.NEGATIVE_INFINITY;

  /** How long an instance must be without use before it goes, microseconds. */
  get restUs(): number {
    return this.#restUs;
  }

  /** The number of instances that it should have now, from `min` to `max`. Whoever asks carries it out, or asks again. */
  decide(look: Look): number {
    const { nowUs, running, min, max } = look;
    this.#note(Math.min(running, look.peak), nowUs);
    if (running < min) return min;
    if (running > max) return max;
    const wanted = Math.min(max, running + more(look));
    if (wanted > running) return this.#grow(wanted, nowUs);
    return this.#shrink(Math.max(min, this.#neededLately(nowUs)), running, nowUs);
  }

  #note(needed: number, nowUs: number): void {
    while (this.#neededUs.length <= needed) this.#neededUs.push(nowUs);
    this.#neededUs[needed] = nowUs;
  }

  #grow(wanted: number, nowUs: number): number {
    if (this.#shrunkUs > Number.NEGATIVE_INFINITY) {
      const foreseeable = nowUs - this.#shrunkUs < MOST_REST_US;
      this.#restUs = foreseeable ? Math.min(MOST_REST_US, 2 * this.#restUs) : REST_US;
      this.#shrunkUs = Number.NEGATIVE_INFINITY;
    }
    this.#note(wanted, nowUs);
    return wanted;
  }

  #shrink(wanted: number, running: number, nowUs: number): number {
    if (wanted >= running) return running;
    this.#shrunkUs = nowUs;
    return wanted;
  }

  #neededLately(nowUs: number): number {
    let needed = this.#neededUs.length - 1;
    while (needed > 0 && nowUs - (this.#neededUs[needed] as number) >= this.#restUs) needed--;
    return needed;
  }
}

/** One more where somebody waited; twice as many where that may be far too few. */
function more({ nowUs, sinceUs, busyUs, running, refused, waited }: Look): number {
  if (!waited && refused === 0) return 0;
  return refused > 0 || busyUs > FULL * running * (nowUs - sinceUs) ? running : 1;
}
