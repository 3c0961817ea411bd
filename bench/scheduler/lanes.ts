/** Which lanes are free: the bookkeeping that every rival needs. */

/** A set of lanes. */
export class FreeLanes {
  readonly #free: number[];

  constructor(lanes: number) {
    this.#free = Array.from({ length: lanes }, (_, i) => lanes - 1 - i);
  }

  get any(): boolean {
    return this.#free.length > 0;
  }

  /** Takes one. @throws RangeError where none is free */
  take(): number {
    const lane = this.#free.pop();
    if (lane === undefined) throw new RangeError('no lane is free');
    return lane;
  }

  /** Gives one back. */
  give(lane: number): void {
    this.#free.push(lane);
  }
}
