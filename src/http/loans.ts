/**
 * Places in the arena for bytes that did not come yet. A body that has its place is copied once; one that is only announced must not
 * take the arena from everybody.
 */

/** Part of the arena that may be lent. */
const LENT_SHARE = 2;

/** A body's place, as far as its bytes are still to come. */
export class Loan {
  readonly #repay: (bytes: number) => void;
  #left: number;

  /** @param repay is told how many of its bytes are lent no more */
  constructor(bytes: number, repay: (bytes: number) => void) {
    this.#left = bytes;
    this.#repay = repay;
  }

  /** So many bytes came. */
  came(bytes: number): void {
    const paid = Math.min(bytes, this.#left);
    this.#left -= paid;
    this.#repay(paid);
  }

  /** What is left of them is not waited for any more. */
  end(): void {
    this.came(this.#left);
  }
}

/** All loans of one arena. */
export class Loans {
  readonly #share: number;
  #lent = 0;
  /** What the one body that is larger than any other may be still owes. */
  #apart = 0;

  /** @param arenaBytes size of the arena */
  constructor(arenaBytes: number) {
    this.#share = arenaBytes / LENT_SHARE;
  }

  /**
   * A place for so many bytes; null where they must come first. Half of what is left of the share is the most for each, so that large
   * bodies leave room for smaller ones; a body too large for all of that has its place beside the share, one at a time.
   */
  lend(bytes: number): Loan | null {
    if (bytes <= (this.#share - this.#lent) / 2) {
      this.#lent += bytes;
      return new Loan(bytes, (repaid) => {
        this.#lent -= repaid;
      });
    }
    if (bytes <= this.#share / 2 || this.#apart > 0) return null;
    this.#apart = bytes;
    return new Loan(bytes, (repaid) => {
      this.#apart -= repaid;
    });
  }
}
