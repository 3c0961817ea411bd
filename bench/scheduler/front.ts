/**
 * The world of a front thread: one thread reads every request, refuses, runs the batches and answers, one thing after the other. What
 * arrives meanwhile lies in the kernel, unread, and its deadline counts all the same. Virtual time in microseconds; the same world
 * and policy give the same score.
 *
 *   ... read read read | batch | answer answer | read read refuse read | batch | ...
 *            ^ arrives here, in the middle of a turn,  ^ and is read here
 */

import { Random } from '../../src/load/random.ts';
import { Job, type Policy, type Trip } from './policy.ts';
import { type Score, Tally } from './tally.ts';
import type { World } from './world.ts';

/** What the thread does with a request beside its batch, microseconds each. */
export interface Road {
  /** Until it is in the policy's hands. */
  readonly readUs: number;
  /** The same of one that is not taken, its answer included. */
  readonly refuseUs: number;
  /** To answer it, or to tell it that it is given up. */
  readonly answerUs: number;
}

/** A world whose only lane is the thread that does everything else as well. */
export interface FrontWorld extends Omit<World, 'lanes'> {
  readonly road: Road;
}

/** How often what arrived is read before a batch starts, while each look brings several that are taken: as the gateway's driver does. */
const MOST_LOOKS = 4;

/**
 * Runs it until the last deadline has passed. An answer counts when it is written, not when its batch ends.
 * @throws Error where the policy breaks its contract: a request ended twice, a second batch, a wake-up that is not ahead
 */
export function playFront(world: FrontWorld, policy: Policy): Score {
  return new Thread(world, policy).play();
}

class Thread {
  readonly #world: FrontWorld;
  readonly #policy: Policy;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #dropped: Job[] = [];
  /** Requests read so far. */
  #read = 0;
  #nowUs = 0;

  constructor(world: FrontWorld, policy: Policy) {
    this.#world = world;
    this.#policy = policy;
    this.#random = new Random(world.seed);
    this.#tally = new Tally(world.arrivals, world.warmUpUs);
  }

  play(): Score {
    const { arrivals, targetUs } = this.#world;
    const closingUs = (arrivals.at(-1) ?? 0) + targetUs;
    while (this.#nowUs <= closingUs) {
      this.#tally.events++;
      for (let looks = 1; this.#look() > 1 && looks < MOST_LOOKS; ) looks++;
      this.#turn();
    }
    return this.#tally.score();
  }

  get #nextArrivalUs(): number {
    return this.#world.arrivals[this.#read] ?? Number.POSITIVE_INFINITY;
  }

  /** Reads what has arrived when it begins. @returns how many of it were taken */
  #look(): number {
    const { targetUs, road } = this.#world;
    const untilUs = this.#nowUs;
    let taken = 0;
    for (let arrivalUs = this.#nextArrivalUs; arrivalUs <= untilUs; arrivalUs = this.#nextArrivalUs) {
      this.#read++;
      const job = new Job(arrivalUs, arrivalUs + targetUs);
      if (this.#policy.arrive(job, this.#nowUs)) {
        this.#nowUs += road.readUs;
        taken++;
      } else {
        this.#nowUs += road.refuseUs;
        this.#tally.reject(job, 'refused', this.#nowUs);
      }
    }
    return taken;
  }

  /** Runs the next batch and answers it; who is given up is told behind it. Sleeps where there is nothing to do. */
  #turn(): void {
    const trip = this.#policy.dispatch(this.#nowUs, this.#dropped);
    if (trip !== null) this.#run(trip);
    const wakeUs = this.#policy.wakeUs();
    if (trip === null && !(wakeUs > this.#nowUs)) throw new Error(`a wake-up at ${this.#nowUs} that is not ahead`);
    const idle = trip === null && this.#dropped.length === 0;
    for (const job of this.#dropped) this.#tally.reject(job, 'dropped', this.#answered());
    this.#dropped.length = 0;
    for (const job of trip?.jobs ?? []) this.#tally.answer(job, this.#answered());
    if (idle) this.#nowUs = Math.max(this.#nowUs, Math.min(this.#nextArrivalUs, wakeUs));
  }

  #run(trip: Trip): void {
    const { curve, horizonUs } = this.#world;
    const startUs = this.#nowUs;
    this.#tally.start(trip);
    if (this.#policy.dispatch(startUs, this.#dropped) !== null) throw new Error(`the thread is not free at ${startUs}`);
    this.#nowUs += curve.draw(trip.rows, startUs / horizonUs, this.#random);
    this.#policy.finish(trip, this.#nowUs, this.#nowUs - startUs);
  }

  /** When one more answer is written. */
  #answered(): number {
    this.#nowUs += this.#world.road.answerUs;
    return this.#nowUs;
  }
}
