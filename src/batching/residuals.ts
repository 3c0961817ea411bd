/**
 * What observations differ from what was expected by: how noisy they are, and whether the machine has changed its speed. All
 * figures are logarithms of ratios. Knows no curve.
 */

/** Observations looked back on. */
const WINDOW = 128;

/** Most that one observation counts for: a factor of two. A stall is no more than that. */
const CLAMP = 0.7;

/** Most that one observation counts for as a sign of a change of speed. */
const MOST_SIGN = 0.5;

/** Noise (standard deviation) assumed at first, and the memory of its average, observations. */
const FIRST_NOISE = 0.05;
const NOISE_MEMORY = 32;

/** Standard deviation of normal noise per mean absolute difference of two of its values. */
const PER_DIFFERENCE = 0.886;

/** Fewest observations that say how far slow batches lie off; what is said before, as a ratio. */
const FEWEST = 32;
const FIRST_SPREAD = 0.1;
const SLOW = 0.98;

/** How often the spread is worked out, observations. */
const SPREAD_EVERY = 16;

/** Fewest and most observations that a change of speed is estimated from. */
const FEWEST_OF_SHIFT = 3;
const MOST_OF_SHIFT = 24;

/** A residual within +-`most`. */
export function clamped(residual: number, most = CLAMP): number {
  return Math.min(most, Math.max(-most, residual));
}

/** A window of residuals with a two-sided CUSUM over them. */
export class Residuals {
  /** Standard deviation of a batch's time around what is expected, as a logarithm. */
  noise = FIRST_NOISE;
  /** How far one in fifty lies above what is expected, a ratio. */
  spread = FIRST_SPREAD;
  /** Of each observation kept: rows, time, and what had been learned of such batches before (0 = nothing). */
  readonly rows = new Float64Array(WINDOW);
  readonly us = new Float64Array(WINDOW);
  readonly before = new Float64Array(WINDOW);
  /** Residual plus the logarithm of the speed at the time: comparable across changes of speed. */
  readonly #absolute = new Float64Array(WINDOW);
  /** The residual where it is noise alone, else NaN. */
  readonly #pure = new Float64Array(WINDOW);
  readonly #sorted = new Float64Array(WINDOW);
  #latest = 0;
  #count = 0;
  #upper = 0;
  #lower = 0;
  #upperSince = 0;
  #lowerSince = 0;

  /**
   * One more observation.
   * @param before what had been learned of batches of so many rows; 0 = nothing
   * @param speed logarithm of the speed that the residual is relative to
   * @param pure whether the size is known well enough that its residual is noise
   * @returns whether the speed has changed: then `speed` says what it is
   */
  add(rows: number, us: number, before: number, residual: number, speed: number, pure: boolean): boolean {
    const i = this.#count++ % WINDOW;
    this.rows[i] = rows;
    this.us[i] = us;
    this.before[i] = before;
    this.#absolute[i] = residual + speed;
    this.#pure[i] = pure ? residual : Number.NaN;
    const sign = clamped(residual, MOST_SIGN);
    const slack = Math.min(0.25, Math.max(0.08, this.noise * 0.7));
    this.#upper = Math.max(0, this.#upper + sign - slack);
    this.#lower = Math.max(0, this.#lower - sign - slack);
    this.#upperSince = this.#upper > 0 ? this.#upperSince + 1 : 0;
    this.#lowerSince = this.#lower > 0 ? this.#lowerSince + 1 : 0;
    if (pure) this.#hear(clamped(residual));
    if (this.#count % SPREAD_EVERY === 0) this.#measureSpread();
    return this.suspicion >= 1;
  }

  /** Noise is learned from differences: a change of speed is one of them, and not noise from then on. */
  #hear(e: number): void {
    this.noise += (PER_DIFFERENCE * Math.abs(e - this.#latest) - this.noise) / NOISE_MEMORY;
    this.#latest = e;
  }

  /** From 0 (nothing unusual) to 1 (the speed has changed). */
  get suspicion(): number {
    return Math.max(this.#upper, this.#lower) / Math.min(3, Math.max(1.2, this.noise * 8));
  }

  /** Observations since the change began. */
  get shifted(): number {
    const since = this.#upper > this.#lower ? this.#upperSince : this.#lowerSince;
    return Math.min(this.#count, Math.max(FEWEST_OF_SHIFT, Math.min(MOST_OF_SHIFT, since)));
  }

  /** Most that an observation of a size that is well known says of it: what lies further off is a stall, or no longer well known. */
  get plausible(): number {
    return clamped(Math.max(0.2, 4 * this.noise));
  }

  /** Where the `ago`-th latest observation (0 = the latest) stands in `rows`, `us` and `before`. */
  place(ago: number): number {
    return (this.#count - 1 - ago) % WINDOW;
  }

  /** The speed now, as the median of what the last `shifted` observations say of it. */
  speed(): number {
    const many = this.shifted;
    const sorted = this.#sorted.subarray(0, many);
    for (let ago = 0; ago < many; ago++) sorted[ago] = this.#absolute[this.place(ago)] as number;
    sorted.sort();
    return ((sorted[(many - 1) >> 1] as number) + (sorted[many >> 1] as number)) / 2;
  }

  /** What was the speed `speed` is the speed of reference, 0, from now on. */
  rebase(speed: number): void {
    const scale = Math.exp(speed);
    for (let i = 0; i < WINDOW; i++) {
      this.#absolute[i] = (this.#absolute[i] as number) - speed;
      this.before[i] = (this.before[i] as number) * scale;
    }
  }

  /** The change has been followed: what lay around it is no noise, and the watch begins anew. */
  settle(): void {
    for (let ago = this.shifted - 1; ago >= 0; ago--) this.#pure[this.place(ago)] = Number.NaN;
    this.#latest = 0;
    this.#upper = 0;
    this.#lower = 0;
    this.#upperSince = 0;
    this.#lowerSince = 0;
  }

  #measureSpread(): void {
    let many = 0;
    for (let i = Math.min(this.#count, WINDOW) - 1; i >= 0; i--) {
      const residual = this.#pure[i] as number;
      if (!Number.isNaN(residual)) this.#sorted[many++] = residual;
    }
    if (many < FEWEST) return;
    const sorted = this.#sorted.subarray(0, many).sort();
    const at = SLOW * (many - 1);
    const low = sorted[Math.floor(at)] as number;
    const high = sorted[Math.ceil(at)] as number;
    this.spread = Math.max(0, Math.expm1(Math.min(20, low + (high - low) * (at % 1))));
  }
}
