/** What a start consisted of and how long each step took: filled while the gateway starts, closed when it is ready. */

import type { Clock } from './clock.ts';

/** Milliseconds since the process began. */
export interface StartTimes {
  /** Steps of the process, in order: when each was done. */
  readonly steps: Readonly<Record<string, number>>;
  /** The same for every model version, under `model/version`. */
  readonly models: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Steps of one start. Their number is that of the models found: what comes after the end is not kept. */
export class Timeline {
  readonly #clock: Clock;
  readonly #steps: Record<string, number> = {};
  readonly #models: Record<string, Record<string, number>> = {};
  #closed = false;

  /** @param clock whose zero is the beginning of the process. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `step` of the process is done. */
  mark(step: string): void {
    if (!this.#closed) this.#steps[step] = this.#nowMs();
  }

  /** `step` of a model version is done. */
  markModel(model: string, version: string, step: string): void {
    if (this.#closed) return;
    const key = `${model}/${version}`;
    this.#models[key] ??= {};
    this.#models[key][step] = this.#nowMs();
  }

  /** The start is over. */
  close(): void {
    this.#closed = true;
  }

  /** All so far. */
  get times(): StartTimes {
    return { steps: this.#steps, models: this.#models };
  }

  #nowMs(): number {
    return Math.round(this.#clock.nowUs() / 1000);
  }
}
