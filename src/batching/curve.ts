/**
 * The time that batches take, learned from every batch: per size, with sizes never seen following from their neighbours and
 * from the machine's speed, which all sizes share. A sudden change of speed is noticed and moves the whole curve at once.
 */

import type { Curve, CurvePoint } from '../core/scheduling.ts';
import { clamped, Residuals } from './residuals.ts';
import { Shape } from './shape.ts';

/** Times are kept ready for so many rows at least, also where batches are smaller. */
const LEAST_TABLE = 64;

/** Most sizes kept apart: bounds memory (80 bytes each) and the work of putting them in order. */
const MOST_SIZES = 4096;

/** Least time of a batch, microseconds: less is a mistake of whoever measured. */
export const LEAST_US = 1e-3;

/** Most time of a batch, microseconds: an hour. */
export const MOST_US = 3.6e9;

/** What a profiled point is worth, in observations; and the most that any size is trusted, which sets its slowest gain. */
const PROFILED_WEIGHT = 1;
const MOST_WEIGHT = 19;

/** A profiled size is close above another one within this share of the way to the next. */
const CLOSE = 0.25;

/** Weight that is left to every size after a change of speed: they are learned anew, from where they are. */
const SHIFTED_WEIGHT = 2;

/** Share of each residual that moves the whole curve: in steady times, and where a change of speed is suspected. */
const STEADY_GAIN = 0.02;
const SUSPECT_GAIN = 0.25;

/** So many observations after the start or a change of speed, each moves the whole curve as much as it is one of them. */
const YOUNG = 20;

/** From this weight on an implausible time moves a size little; and what is left of the weight then: it may come again. */
const WELL_KNOWN = 3;
const DOUBT = 0.6;

/** Below this weight nothing is left of what was learned of a size. */
const LEAST_WEIGHT = 0.5;

/** Noise at which the first observation of a size is believed by half. */
const HALF_BELIEVED = 0.3;

/** A speed further from that of reference, as a logarithm, becomes the speed of reference: keeps every product a number. */
const MOST_SPEED = 5;

/**
 * The curve is put in order after so many observations, of large curves after one per so many sizes; sooner where they moved
 * it so far (sum of logarithms).
 */
const ORDER_EVERY = 16;
const SIZES_PER_ORDER = 32;
const ORDER_MOVED = 0.1;

/** What has moved further, a ratio, is worth deriving everything anew. */
const MATERIAL = 0.03;

/** A learned curve. One per model version and kind of instance. */
export class LatencyCurve implements Curve {
  readonly mostRows: number;
  /** Time by rows, as of now, as far as is asked for a full batch and who would join it; entry 0 equals entry 1. */
  readonly us: Float64Array;
  revision = 0;
  shifts = 0;
  ignored = 0;
  readonly #shape: Shape;
  readonly #residuals = new Residuals();
  /** Batches seen of each size. */
  readonly #batches: Float64Array;
  /** `at` when `revision` was last counted. */
  readonly #counted: Float64Array;
  /** Logarithm of what every time is multiplied by, and that factor. */
  #speed = 0;
  #scale = 1;
  /** Observations since the start or the last change of speed: the first ones move the whole curve more. */
  #settled = 1;
  readonly #orderEvery: number;
  #unordered = 0;
  #moved = 0;

  /**
   * @param mostRows largest batch to keep apart, >= 1; bounded by 4096
   * @param prior what was measured or learned before, in any order; points that make no sense are left out. Without any,
   *   every batch is taken for a millisecond until the first one has run.
   */
  constructor(mostRows: number, prior: readonly CurvePoint[]) {
    this.mostRows = Math.max(1, Math.min(MOST_SIZES, Math.floor(mostRows)));
    this.#orderEvery = Math.max(ORDER_EVERY, this.mostRows / SIZES_PER_ORDER);
    this.#shape = new Shape(this.mostRows);
    this.us = new Float64Array(Math.max(LEAST_TABLE, 2 * this.mostRows) + 1);
    this.#batches = new Float64Array(this.mostRows + 1);
    this.#counted = new Float64Array(this.mostRows + 1);
    this.#profiled(prior);
    this.#order();
    this.#learnShape();
  }

  get spread(): number {
    return this.#residuals.spread;
  }

  /** So short that every caller has it inlined: a number that a call returns is taken from the heap. */
  at(rows: number): number {
    return this.us[rows] ?? beyond(this, rows);
  }

  knownAbove(rows: number): number {
    return this.#shape.above(Math.max(0, Math.floor(rows)));
  }

  observe(rows: number, us: number): void {
    if (!(us >= LEAST_US && us <= MOST_US && rows >= 0 && rows < Number.MAX_SAFE_INTEGER)) {
      this.ignored++;
      return;
    }
    const n = Math.max(1, Math.floor(rows));
    const before = n <= this.mostRows && this.#shape.weight[n] !== 0 ? (this.#shape.own[n] as number) : 0;
    const allowed = before > 0 ? this.at(n) : this.#allowed(n, us);
    const residual = allowed > 0 ? Math.log(us / allowed) : 0;
    const pure = before > 0 && (this.#batches[n] as number) > 0;
    const suspicion = this.#residuals.suspicion;
    const shifted = this.#residuals.add(n, us, before, residual, this.#speed, pure);
    if (before > 0) this.#learn(n, us);
    else if (n <= this.mostRows) this.#meet(n, us, allowed);
    if (n <= this.mostRows) (this.#batches[n] as number)++;
    this.#follow(residual, suspicion);
    if (shifted) this.#shift();
    if (++this.#unordered >= this.#orderEvery || this.#moved > ORDER_MOVED) this.#order();
  }

  points(): readonly (CurvePoint & { readonly batches: number })[] {
    const found = [];
    for (let rows = 1; rows <= this.mostRows; rows++) {
      if (this.#shape.weight[rows] === 0) continue;
      found.push({ rows, us: this.at(rows), batches: this.#batches[rows] as number });
    }
    return found;
  }

  #profiled(prior: readonly CurvePoint[]): void {
    const { own, weight } = this.#shape;
    for (const { rows, us } of prior) {
      if (!(Number.isInteger(rows) && rows >= 1 && rows <= this.mostRows && us >= LEAST_US && us <= MOST_US)) continue;
      own[rows] = us;
      weight[rows] = PROFILED_WEIGHT;
    }
  }

  /** A profiled size close above another one tells whether the curve rises in steps, as a first batch does. */
  #learnShape(): void {
    const shape = this.#shape;
    for (let n = shape.above(0); n > 0; n = shape.above(n)) {
      const a = shape.below(n);
      if (n - a <= (shape.above(n) - a) * CLOSE) shape.learnBetween(n, shape.us[n] as number);
    }
    this.#order();
  }

  /**
   * The nearest to `us` that a size never seen may take for its neighbours' sake: what lies between them tells of the shape,
   * and only what lies beyond them of the speed. 0 where nothing is known at all.
   */
  #allowed(n: number, us: number): number {
    const a = this.#shape.below(n);
    const b = this.#shape.above(n);
    if (a === 0 && b === 0) return 0;
    const low = a > 0 ? this.at(a) : (this.at(b) * n) / b;
    const high = b > 0 ? this.at(b) : (this.at(a) * n) / a;
    return Math.min(Math.max(us, low), Math.max(low, high));
  }

  /** Moves what is known of one size. What is far off moves it little, but if it comes again and again the size is met anew. */
  #learn(n: number, us: number): void {
    const { own, weight } = this.#shape;
    const trust = weight[n] as number;
    const off = Math.log(us / ((own[n] as number) * this.#scale));
    const believed = clamped(off, trust < WELL_KNOWN ? undefined : this.#residuals.plausible);
    const left = believed === off ? Math.min(MOST_WEIGHT, trust + 1) : trust * DOUBT;
    if (left < LEAST_WEIGHT) {
      weight[n] = 0;
      this.#meet(n, us, this.#allowed(n, us));
      return;
    }
    const move = believed / (trust + 1);
    own[n] = (own[n] as number) * Math.exp(move);
    weight[n] = left;
    this.#moved += Math.abs(move);
  }

  /** The first batch of a size. `allowed` as above. */
  #meet(n: number, us: number, allowed: number): void {
    const { own, weight } = this.#shape;
    const expected = this.at(n);
    let move = Math.log(us / expected);
    if (allowed > 0) {
      this.#shape.learnBetween(n, us / this.#scale);
      const belief = 1 / (1 + (this.#residuals.noise / HALF_BELIEVED) ** 2);
      move = (Math.log(allowed / expected) + clamped(Math.log(us / allowed))) * belief;
    }
    own[n] = (expected * Math.exp(move)) / this.#scale;
    weight[n] = 1;
    this.#moved += Math.abs(move);
  }

  /** Moves the whole curve a little; more while it is new, and while the observations before this one raise a suspicion. */
  #follow(residual: number, suspicion: number): void {
    const young = ++this.#settled < YOUNG;
    const gain = Math.max(young ? 1 / this.#settled : STEADY_GAIN, SUSPECT_GAIN * Math.min(1, suspicion * suspicion));
    this.#setSpeed(this.#speed + gain * clamped(residual, young ? undefined : this.#residuals.plausible));
  }

  #setSpeed(speed: number): void {
    this.#speed = speed;
    this.#scale = Math.exp(speed);
    if (Math.abs(speed) > MOST_SPEED) this.#rebase();
    this.#publish();
  }

  #publish(): void {
    const { us, mostRows } = this;
    for (let n = 0; n <= mostRows; n++) us[n] = (this.#shape.us[n] as number) * this.#scale;
    for (let n = mostRows + 1; n < us.length; n++) us[n] = (us[mostRows] as number) * (n / mostRows);
  }

  /** What is known is multiplied out. */
  #rebase(): void {
    const own = this.#shape.own;
    for (let n = 1; n <= this.mostRows; n++) {
      own[n] = Math.min(MOST_US, Math.max(LEAST_US, (own[n] as number) * this.#scale));
    }
    this.#residuals.rebase(this.#speed);
    this.#speed = 0;
    this.#scale = 1;
    this.#shape.rebuild();
  }

  /**
   * The machine runs at another speed. What was learned on the way to this insight is taken back; then all sizes move, and
   * sizes that were new on the way are met again.
   */
  #shift(): void {
    const { own, weight } = this.#shape;
    const residuals = this.#residuals;
    const many = residuals.shifted;
    for (let ago = 0; ago < many; ago++) {
      const n = residuals.rows[residuals.place(ago)] as number;
      if (n > this.mostRows) continue;
      own[n] = residuals.before[residuals.place(ago)] as number;
      if (own[n] === 0) weight[n] = 0;
    }
    for (let n = 1; n <= this.mostRows; n++) weight[n] = Math.min(SHIFTED_WEIGHT, weight[n] as number);
    this.#setSpeed(residuals.speed());
    this.#order();
    for (let ago = many - 1; ago >= 0; ago--) this.#meetAgain(residuals.place(ago));
    this.#settled = many;
    this.shifts++;
    residuals.settle();
    this.#order();
  }

  #meetAgain(place: number): void {
    const n = this.#residuals.rows[place] as number;
    const us = this.#residuals.us[place] as number;
    if (n <= this.mostRows && this.#shape.weight[n] === 0) this.#meet(n, us, this.#allowed(n, us));
  }

  #order(): void {
    this.#shape.rebuild();
    this.#publish();
    this.#unordered = 0;
    this.#moved = 0;
    if (this.#material()) this.#count();
  }

  #material(): boolean {
    const us = this.#shape.us;
    const low = (1 - MATERIAL) / this.#scale;
    const high = (1 + MATERIAL) / this.#scale;
    for (let n = 1; n <= this.mostRows; n++) {
      const counted = this.#counted[n] as number;
      const now = us[n] as number;
      if (now > counted * high || now < counted * low) return true;
    }
    return false;
  }

  #count(): void {
    this.revision++;
    for (let n = 1; n <= this.mostRows; n++) this.#counted[n] = this.at(n);
  }
}

/** What is not in the table: more rows, and no whole number of them. */
function beyond({ us, mostRows }: LatencyCurve, rows: number): number {
  if (!(rows > mostRows)) return us[rows >= 1 ? Math.floor(rows) : 0] as number;
  return (us[mostRows] as number) * Math.min(rows / mostRows, Number.MAX_SAFE_INTEGER);
}

/**
 * The smallest batch that reaches `share` of the most rows per second that any batch of up to `mostRows` does: 1 where time is
 * in proportion to rows.
 */
export function kneeOf(curve: Pick<Curve, 'at'>, mostRows: number, share = 0.97): number {
  let best = 0;
  for (let n = 1; n <= mostRows; n++) best = Math.max(best, n / curve.at(n));
  for (let n = 1; n < mostRows; n++) if (n / curve.at(n) >= share * best) return n;
  return Math.max(1, mostRows);
}
