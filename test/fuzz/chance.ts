/** Seeded chance: the same seed gives the same choices, so that whatever was found can be found again. */

import { random } from '../support/fixtures/random.ts';

/** Choices of one iteration. */
export class Chance {
  readonly #next: () => number;

  /** @param iteration each has choices of its own, whatever the others took. */
  constructor(seed: number, iteration: number) {
    this.#next = random(Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) + Math.imul(iteration, 0x85ebca6b));
    this.#next();
  }

  /** A whole number from 0 to `most`, both included. */
  upTo(most: number): number {
    return Math.floor(this.#next() * (most + 1));
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.upTo(n - 1) === 0;
  }

  /** One of them. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.upTo(choices.length - 1)] as T;
  }

  /** `length` bytes. */
  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.upTo(255)));
  }
}
