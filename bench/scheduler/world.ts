/**
 * A discrete-event world: requests arrive, a policy forms batches, lanes run them for the time that the true curve says, and
 * every request's fate is counted. Virtual time in microseconds; the same world and policy give the same score.
 */

import { Random } from '../../src/load/random.ts';
import type { TrueCurve } from './curves.ts';
import { Job, type Policy, type Trip } from './policy.ts';
import { type Score, Tally } from './tally.ts';

/** Everything that a run depends on but the policy. */
export interface World {
  readonly curve: TrueCurve;
  readonly lanes: number;
  /** Rising, microseconds. */
  readonly arrivals: Float64Array;
  /** Every deadline is the arrival and this. */
  readonly targetUs: number;
  /** End of the arrivals; where the curve shifts is a share of it. */
  readonly horizonUs: number;
  /** Requests that arrive earlier are served but not counted. */
  readonly warmUpUs: number;
  /** Of the noise. */
  readonly seed: number;
}

/**
 * Runs it until the last deadline has passed.
 * @throws Error where the policy breaks its contract: a request ended twice, a busy lane, a wake-up that is not ahead
 */
export function play(world: World, policy: Policy): Score {
  return new Run(world, policy).play();
}

class Run {
  readonly #world: World;
  readonly #policy: Policy;
  readonly #random: Random;
  readonly #running: (Trip | null)[];
  readonly #startUs: Float64Array;
  readonly #endUs: Float64Array;
  readonly #dropped: Job[] = [];
  readonly #tally: Tally;

  constructor(world: World, policy: Policy) {
    this.#world = world;
    this.#policy = policy;
    this.#tally = new Tally(world.arrivals, world.warmUpUs);
    this.#random = new Random(world.seed);
    this.#running = new Array(world.lanes).fill(null);
    this.#startUs = new Float64Array(world.lanes);
    this.#endUs = new Float64Array(world.lanes).fill(Number.POSITIVE_INFINITY);
  }

  play(): Score {
    const { arrivals, targetUs } = this.#world;
    const closingUs = (arrivals.at(-1) ?? 0) + targetUs;
    let arrived = 0;
    for (;;) {
      const arrivalUs = arrived < arrivals.length ? (arrivals[arrived] as number) : Number.POSITIVE_INFINITY;
      const lane = this.#firstToEnd();
      const endUs = this.#endUs[lane] as number;
      const wakeUs = this.#policy.wakeUs();
      const nowUs = Math.min(arrivalUs, endUs, wakeUs);
      if (!(nowUs <= closingUs)) break;
      this.#tally.events++;
      if (endUs === nowUs) this.#finish(lane, nowUs);
      else if (arrivalUs === nowUs) {
        arrived++;
        this.#arrive(nowUs);
      }
      this.#dispatch(nowUs);
      if (!(this.#policy.wakeUs() > nowUs)) throw new Error(`a wake-up at ${nowUs} that is not ahead`);
    }
    return this.#tally.score();
  }

  #firstToEnd(): number {
    let first = 0;
    for (let lane = 1; lane < this.#endUs.length; lane++) {
      if ((this.#endUs[lane] as number) < (this.#endUs[first] as number)) first = lane;
    }
    return first;
  }

  #arrive(nowUs: number): void {
    const job = new Job(nowUs, nowUs + this.#world.targetUs);
    if (!this.#policy.arrive(job, nowUs)) this.#tally.reject(job, 'refused', nowUs);
  }

  #dispatch(nowUs: number): void {
    const dropped = this.#dropped;
    for (;;) {
      const trip = this.#policy.dispatch(nowUs, dropped);
      for (const job of dropped) this.#tally.reject(job, 'dropped', nowUs);
      dropped.length = 0;
      if (trip === null) return;
      this.#start(trip, nowUs);
    }
  }

  #start(trip: Trip, nowUs: number): void {
    const { curve, horizonUs } = this.#world;
    if (this.#running[trip.lane] !== null) throw new Error(`lane ${trip.lane} is not free at ${nowUs}`);
    this.#tally.start(trip);
    this.#running[trip.lane] = trip;
    this.#startUs[trip.lane] = nowUs;
    this.#endUs[trip.lane] = nowUs + curve.draw(trip.rows, nowUs / horizonUs, this.#random);
  }

  #finish(lane: number, nowUs: number): void {
    const trip = this.#running[lane] as Trip;
    this.#running[lane] = null;
    this.#endUs[lane] = Number.POSITIVE_INFINITY;
    for (const job of trip.jobs) this.#tally.answer(job, nowUs);
    this.#policy.finish(trip, nowUs, nowUs - (this.#startUs[lane] as number));
  }
}
