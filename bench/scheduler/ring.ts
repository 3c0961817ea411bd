/** A first-in first-out queue in a ring that doubles when full. */

import type { Job } from './policy.ts';

/** Requests in order of arrival. */
export class Ring {
  #slots: (Job | undefined)[] = new Array(64).fill(undefined);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(job: Job): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length++) & (this.#slots.length - 1)] = job;
  }

  /** The one that `place` others stand before. @throws RangeError where there is none */
  at(place: number): Job {
    const job = place < this.#length ? this.#slots[(this.#head + place) & (this.#slots.length - 1)] : undefined;
    if (job === undefined) throw new RangeError(`nobody stands at ${place} of ${this.#length}`);
    return job;
  }

  /** Takes the oldest out. @throws RangeError where there is none */
  shift(): Job {
    const job = this.at(0);
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return job;
  }

  /** Takes the newest out. @throws RangeError where there is none */
  pop(): Job {
    const job = this.at(this.#length - 1);
    this.#slots[(this.#head + --this.#length) & (this.#slots.length - 1)] = undefined;
    return job;
  }

  /** Takes the oldest `count` out. */
  take(count: number): Job[] {
    const jobs: Job[] = [];
    while (jobs.length < count) jobs.push(this.shift());
    return jobs;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Array(2 * old.length).fill(undefined);
    for (let i = 0; i < old.length; i++) this.#slots[i] = old[(this.#head + i) & (old.length - 1)];
    this.#head = 0;
  }
}
