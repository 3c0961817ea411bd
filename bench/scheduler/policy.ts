/** The words between the simulated world and whoever decides in it: requests, batches, and the events of a policy. */

import type { Traveller, TravelState } from '../../src/batching/travel.ts';
import type { CurvePoint } from '../../src/core/scheduling.ts';

/** How a request ended, or that it has not. */
export type Fate = 'open' | 'good' | 'late' | 'refused' | 'dropped';

/** One request of one row. It has the members of a traveller, so that the gateway's scheduler can be driven with it. */
export class Job implements Traveller {
  rows = 1;
  bytes = 1;
  shapeKey = '';
  tenant = '';
  /** The usual class, as of who names none: the door takes that for granted. */
  priority = 2;
  alone = false;
  state: TravelState = 'NEW';
  place: unknown = null;
  flow: unknown = null;
  previous: this | null = null;
  next: this | null = null;
  /** The world's alone. */
  fate: Fate = 'open';
  /** Whether its batch has started. The world's alone to set. */
  riding = false;
  /** Whether it is given up by who had promised it a place. A policy's to set that promises. */
  broken = false;
  readonly arrivalUs: number;
  readonly deadlineUs: number;

  constructor(arrivalUs: number, deadlineUs: number) {
    this.arrivalUs = arrivalUs;
    this.deadlineUs = deadlineUs;
  }
}

/** A batch that a policy starts. */
export interface Trip {
  readonly lane: number;
  readonly jobs: readonly Job[];
  /** Rows that the instance computes: those of the jobs, or more where the policy pads. */
  readonly rows: number;
}

/**
 * Decides which requests run together, when and where. Times are microseconds of virtual time. It knows what the real one
 * knows: arrivals, deadlines and how long its own batches took.
 */
export interface Policy {
  /** A request arrives; false = it is refused at once. */
  arrive(job: Job, nowUs: number): boolean;
  /**
   * The next batch to start on a free lane, or null. Called after every event until it says null. Requests that are given up
   * on the way are appended to `dropped`.
   */
  dispatch(nowUs: number, dropped: Job[]): Trip | null;
  /** A batch has ended that took `serviceUs`; its lane is free. */
  finish(trip: Trip, nowUs: number, serviceUs: number): void;
  /** When it wants to be asked again though nothing has happened; Infinity for never. Must lie after the last event. */
  wakeUs(): number;
}

/** What a policy is made for: what its users would have set. */
export interface PolicySpec {
  readonly lanes: number;
  readonly mostRows: number;
  readonly targetUs: number;
  /** What measuring the model before it serves found; for those that measure. */
  readonly profile: readonly CurvePoint[];
}
