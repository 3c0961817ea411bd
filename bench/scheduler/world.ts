/**
 * A discrete-event world: requests arrive, a policy forms batches, lanes run them for the time that the true curve says, and
 * every request's fate is counted. Virtual time in microseconds; the same world and policy give the same score.
 */

import { Random } from '../../src/load/random.ts';
import type { TrueCurve } from './curves.ts';
import { type Fate, Job, type Policy, type Trip } from './policy.ts';

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

/** Counts over the requests that arrived after the warm-up. */
export interface Score {
  readonly offered: number;
  /** Finished inside the deadline. */
  readonly good: number;
  /** Finished after it. */
  readonly late: number;
  readonly refused: number;
  /** Taken and then given up. */
  readonly dropped: number;
  /** Neither, when the last deadline had passed. */
  readonly unfinished: number;
  /** From arrival to refusal or drop, mean; 0 where none was. */
  readonly rejectUs: number;
  /** From arrival to the end of its batch, mean over what finished. */
  readonly sojournUs: number;
  /** Over the whole run, warm-up included. */
  readonly batches: number;
  readonly events: number;
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
  readonly #counts: Record<Fate, number> = { open: 0, good: 0, late: 0, refused: 0, dropped: 0 };
  readonly #dropped: Job[] = [];
  #offered = 0;
  #rejectSumUs = 0;
  #sojournSumUs = 0;
  #batches = 0;
  #events = 0;

  constructor(world: World, policy: Policy) {
    this.#world = world;
    this.#policy = policy;
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
      this.#events++;
      if (endUs === nowUs) this.#finish(lane, nowUs);
      else if (arrivalUs === nowUs) {
        arrived++;
        this.#arrive(nowUs);
      }
      this.#dispatch(nowUs);
      if (!(this.#policy.wakeUs() > nowUs)) throw new Error(`a wake-up at ${nowUs} that is not ahead`);
    }
    return this.#score();
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
    if (nowUs >= this.#world.warmUpUs) this.#offered++;
    if (!this.#policy.arrive(job, nowUs)) this.#reject(job, 'refused', nowUs);
  }

  #dispatch(nowUs: number): void {
    const dropped = this.#dropped;
    for (;;) {
      const trip = this.#policy.dispatch(nowUs, dropped);
      for (const job of dropped) this.#reject(job, 'dropped', nowUs);
      dropped.length = 0;
      if (trip === null) return;
      this.#start(trip, nowUs);
    }
  }

  #start(trip: Trip, nowUs: number): void {
    const { curve, horizonUs } = this.#world;
    if (this.#running[trip.lane] !== null) throw new Error(`lane ${trip.lane} is not free at ${nowUs}`);
    if (trip.jobs.length === 0 || trip.rows < trip.jobs.length) throw new Error('a batch of fewer rows than requests');
    for (const job of trip.jobs) job.riding = true;
    this.#batches++;
    this.#running[trip.lane] = trip;
    this.#startUs[trip.lane] = nowUs;
    this.#endUs[trip.lane] = nowUs + curve.draw(trip.rows, nowUs / horizonUs, this.#random);
  }

  #finish(lane: number, nowUs: number): void {
    const trip = this.#running[lane] as Trip;
    this.#running[lane] = null;
    this.#endUs[lane] = Number.POSITIVE_INFINITY;
    for (const job of trip.jobs) {
      const counted = this.#end(job, nowUs <= job.deadlineUs ? 'good' : 'late');
      if (counted) this.#sojournSumUs += nowUs - job.arrivalUs;
    }
    this.#policy.finish(trip, nowUs, nowUs - (this.#startUs[lane] as number));
  }

  #reject(job: Job, fate: 'refused' | 'dropped', nowUs: number): void {
    if (this.#end(job, fate)) this.#rejectSumUs += nowUs - job.arrivalUs;
  }

  /** Whether it counts. */
  #end(job: Job, fate: Fate): boolean {
    if (job.fate !== 'open') throw new Error(`a request that is ${job.fate} was to be ${fate}`);
    job.fate = fate;
    if (job.arrivalUs < this.#world.warmUpUs) return false;
    this.#counts[fate]++;
    return true;
  }

  #score(): Score {
    const { good, late, refused, dropped } = this.#counts;
    const rejected = refused + dropped;
    const served = good + late;
    return {
      offered: this.#offered,
      good,
      late,
      refused,
      dropped,
      unfinished: this.#offered - served - rejected,
      rejectUs: rejected === 0 ? 0 : this.#rejectSumUs / rejected,
      sojournUs: served === 0 ? 0 : this.#sojournSumUs / served,
      batches: this.#batches,
      events: this.#events,
    };
  }
}
