/** A rate that forgets: events per microsecond, older ones counting less. */

/** An exponentially weighted rate. Time goes forward only; what seems to lie before is taken as now. */
export class Rate {
  /** After so many microseconds an event counts 1/e of what it did. */
  memoryUs: number;
  #perUs = 0;
  #atUs = Number.NEGATIVE_INFINITY;

  constructor(memoryUs: number) {
    this.memoryUs = memoryUs;
  }

  /** `count` events now. */
  add(count: number, nowUs: number): void {
    this.#perUs = this.at(nowUs) + count / this.memoryUs;
    if (nowUs > this.#atUs) this.#atUs = nowUs;
  }

  /** Events per microsecond as of now. */
  at(nowUs: number): number {
    const passedUs = nowUs - this.#atUs;
    if (!(passedUs > 0)) return this.#perUs;
    return passedUs === Number.POSITIVE_INFINITY ? 0 : this.#perUs * Math.exp(-passedUs / this.memoryUs);
  }
}
