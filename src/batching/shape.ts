/**
 * The shape of a learned curve: the time of every batch size out of the sizes that are known. Sizes in between follow from
 * their neighbours; the result never falls with the rows. Knows nothing of noise, of speed, or of when to learn.
 */

/** Bounds of every time kept: far from all that is measured at any speed, and near enough that products stay numbers. */
const LEAST_US = 1e-30;
const MOST_US = 1e30;

/** Evidence on how sizes between two known ones behave is forgotten over so many of them. */
const MOST_EVIDENCE = 8;

/** Two known sizes whose times differ by less say nothing about what lies between them. */
const TELLING = 1.15;

/** Dense times per number of rows. */
export class Shape {
  /** Most rows kept. */
  readonly most: number;
  /** What was learned of each size, microseconds at the speed of reference; meaningless where `weight` is 0. */
  readonly own: Float64Array;
  /** How much that is worth, in observations; 0 = the size is unknown. */
  readonly weight: Float64Array;
  /** Times in order, microseconds; entry 0 equals entry 1. */
  readonly us: Float64Array;
  /** Known sizes whose times contradict the order share one block: its mean, its weight, its first and last size. */
  readonly #mean: Float64Array;
  readonly #total: Float64Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Where unknown sizes lie between their neighbours: 0 = on the line, 1 = as slow as the next known size. */
  #steepness = 0.5;
  #evidence = 1;

  constructor(most: number) {
    this.most = most;
    this.own = new Float64Array(most + 1);
    this.weight = new Float64Array(most + 1);
    this.us = new Float64Array(most + 1);
    this.#mean = new Float64Array(most + 1);
    this.#total = new Float64Array(most + 1);
    this.#first = new Int32Array(most + 1);
    this.#last = new Int32Array(most + 1);
  }

  /** The nearest known size below (0 where there is none). */
  below(rows: number): number {
    let n = Math.min(rows - 1, this.most);
    while (n > 0 && this.weight[n] === 0) n--;
    return n;
  }

  /** The nearest known size above (0 where there is none). */
  above(rows: number): number {
    let n = rows + 1;
    while (n <= this.most && this.weight[n] === 0) n++;
    return n <= this.most ? n : 0;
  }

  /**
   * A size that was unknown took `us` (at the speed of reference): tells whether the curve rises in steps or along lines,
   * which the other unknown sizes share.
   */
  learnBetween(rows: number, us: number): void {
    const a = this.below(rows);
    const b = this.above(rows);
    if (a === 0 || b === 0) return;
    const low = this.us[a] as number;
    const high = this.us[b] as number;
    const share = (rows - a) / (b - a);
    if (high < low * TELLING || share > 0.8) return;
    const seen = Math.min(1, Math.max(0, ((us - low) / (high - low) - share) / (1 - share)));
    this.#evidence = Math.min(MOST_EVIDENCE, this.#evidence + 1);
    this.#steepness += (seen - this.#steepness) / this.#evidence;
  }

  /** Makes `us` anew from what is known. Linear in `most`. */
  rebuild(): void {
    const blocks = this.#pool();
    let last = 0;
    let lastUs = 0;
    for (let i = 0; i < blocks; i++) {
      const mean = Math.min(MOST_US, Math.max(LEAST_US, this.#mean[i] as number));
      this.#ramp(last, lastUs, this.#first[i] as number, mean);
      last = this.#last[i] as number;
      lastUs = mean;
      this.us.fill(mean, this.#first[i] as number, last + 1);
    }
    this.#extend(last);
    this.us[0] = this.us[1] as number;
  }

  /** Means of neighbours, weighted, where the order is broken (pool adjacent violators): an outlier alone moves little. */
  #pool(): number {
    const { own, weight, most } = this;
    let top = -1;
    for (let n = 1; n <= most; n++) {
      const w = weight[n] as number;
      if (w === 0) continue;
      top++;
      this.#mean[top] = own[n] as number;
      this.#total[top] = w;
      this.#first[top] = n;
      this.#last[top] = n;
      while (top > 0 && (this.#mean[top - 1] as number) > (this.#mean[top] as number)) this.#join(--top);
    }
    return top + 1;
  }

  /** Block `i` takes in the one behind it. */
  #join(i: number): void {
    const a = this.#total[i] as number;
    const b = this.#total[i + 1] as number;
    this.#mean[i] = ((this.#mean[i] as number) * a + (this.#mean[i + 1] as number) * b) / (a + b);
    this.#total[i] = a + b;
    this.#last[i] = this.#last[i + 1] as number;
  }

  /** Unknown sizes between two known ones, both excluded. */
  #ramp(from: number, fromUs: number, to: number, toUs: number): void {
    const step = ((1 - this.#steepness) * (toUs - fromUs)) / (to - from);
    const base = fromUs + this.#steepness * (toUs - fromUs);
    // The mean of a pooled block may lie a rounding below: the order is kept all the same.
    for (let n = from + 1; n < to; n++) this.us[n] = Math.max(LEAST_US, Math.min(toUs, base + step * (n - from)));
  }

  /** Unknown sizes above every known one: halfway between the slope seen last and time in proportion to rows. */
  #extend(last: number): void {
    const { us, most } = this;
    if (last === 0) {
      us.fill(1000);
      return;
    }
    const end = us[last] as number;
    const half = last >> 1;
    const slope = (end - (half > 0 ? (us[half] as number) : 0)) / (last - half);
    const rate = (slope + end / last) / 2;
    for (let n = last + 1; n <= most; n++) us[n] = Math.min(MOST_US, end + rate * (n - last));
  }
}
