/** A rate that forgets: events per microsecond, older ones counting less. */

/** Events within so small a part of the memory count as one moment: an exponential for each of them would cost more than they do. */
const MOMENT = 1 / 64;

/** An exponentially weighted rate. Time goes forward only; what seems to lie before is taken as now. */
export class Rate {
  /** After so many microseconds an event counts 1/e of what it did. */
  memoryUs: number;
  #perUs = 0;
  /** Events since then. */
  #count = 0;
  #atUs = Number.NEGATIVE_INFINITY;

  constructor(memoryUs: number) {
    this.memoryUs = memoryUs;
  }

  /** `count` events now. */
  add(count: number, nowUs: number): void {
    this.#count += count;
    if (nowUs - this.#atUs > this.memoryUs * MOMENT) this.#settle(nowUs);
  }

  /** Events per microsecond as of now. */
  at(nowUs: number): number {
    const passedUs = nowUs - this.#atUs;
    const now = this.#count / this.memoryUs;
    if (!(passedUs > 0)) return this.#perUs + now;
    return (passedUs === Number.POSITIVE_INFINITY ? 0 : this.#perUs * Math.exp(-passedUs / this.memoryUs)) + now;
  }

  #settle(nowUs: number): void {
    this.#perUs = this.at(nowUs);
    this.#count = 0;
    this.#atUs = nowUs;
  }
}
