/**
 * Whose turn it is among those who share something, by start-time fair queueing: everybody pays with virtual time for what he
 * is given, and who has paid least of those who wait is next.
 *
 * There is one virtual time for all, that of who is next. Who comes, or comes back, starts from it: time in which he wanted
 * nothing is neither made up for nor held against him, whoever else was there or not.
 */

/** One who takes turns. */
export interface TakesTurns {
  /** What he was given, divided by his weight. */
  virtual: number;
  /** Whether he wants something now. */
  readonly waits: boolean;
}

/** The virtual time of one group. */
export class Turns {
  readonly #all: readonly TakesTurns[];
  #virtual = 0;

  /** @param all who takes turns; others may join and leave later */
  constructor(all: readonly TakesTurns[]) {
    this.#all = all;
  }

  /** Somebody is about to wait. Where nobody else does, what he was given before is no debt any more. */
  enter(one: TakesTurns): void {
    if (this.#least() === Number.POSITIVE_INFINITY) this.#virtual = Math.max(this.#virtual, one.virtual);
    one.virtual = Math.max(one.virtual, this.#virtual);
  }

  /**
   * Somebody is given `price`. Where it was not his turn, since whose turn it was could not use it, that is held against him only
   * as far as `mostAhead`, or this price.
   */
  charge(one: TakesTurns, price: number, mostAhead: number): void {
    this.#virtual = Math.max(this.#virtual, Math.min(this.#least(), one.virtual));
    one.virtual = Math.min(one.virtual + price, this.#virtual + Math.max(price, mostAhead));
  }

  /** The virtual time of who is next; Infinity where nobody waits. */
  #least(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { waits, virtual } of this.#all) if (waits && virtual < least) least = virtual;
    return least;
  }
}
