/** Chance from a seed: the same seed gives the same run on every machine. Not for secrets. */

/** Turns that the state is stirred before its first number is used. */
const STIRRING = 16;

/** A double holds 53 random bits: 21 of one word and all 32 of the next. */
const HIGH_BITS = 2 ** 21;
const UNIT = 2 ** -53;

/** A stream of random numbers: Chris Doty-Humphrey's sfc32, period about 2^128, no state but its own. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any number; its integer part modulo 2^64 matters */
  constructor(seed: number) {
    const whole = Math.trunc(seed);
    this.#a = 0x9e3779b9;
    this.#b = whole | 0;
    this.#c = Math.floor(whole / 2 ** 32) | 0;
    for (let i = 0; i < STIRRING; i++) this.#word();
  }

  /** Even on [0, 1), with 53 bits. */
  uniform(): number {
    const high = this.#word() % HIGH_BITS;
    return (high * 2 ** 32 + this.#word()) * UNIT;
  }

  /** Exponential with this mean, in its unit; never negative. */
  exponential(mean: number): number {
    return -mean * Math.log1p(-this.uniform());
  }

  #word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
