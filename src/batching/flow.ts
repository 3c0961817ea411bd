/** What one tenant sends in one class of a queue: whoever shares a flow shares what it is given. */

import { Line } from './line.ts';
import type { PlanQueue } from './plan-queue.ts';
import { Rate } from './rate.ts';
import type { Traveller } from './travel.ts';

/** Shares of the classes 1, 2 and 3 while all of them wait. */
export const CLASS_WEIGHTS: readonly number[] = [6, 3, 1];

/** What was offered longer ago does not count as demand. */
export const DEMAND_MEMORY_US = 300_000;

/** One tenant in one class; as a line, its best effort that waits. */
export class Flow<T extends Traveller> extends Line<T> {
  readonly queue: PlanQueue<T>;
  readonly tenant: string;
  /** Its class, 1 to 3. */
  readonly priority: number;
  readonly offered = new Rate(DEMAND_MEMORY_US);
  /** When a request of it last came behind one of another flow. */
  cameUs = Number.NEGATIVE_INFINITY;
  /** When it first offered something. */
  sinceUs = Number.POSITIVE_INFINITY;
  /** When it last offered something with a deadline. */
  promisedUs = Number.NEGATIVE_INFINITY;
  /** Rows that it may still take in this turn. */
  deficit = 0;
  /** Position in the class's round while best effort waits, else -1. */
  turn = -1;
  /** Where the search for the next companion goes on. */
  cursor: T | null = null;
  /** With deadlines and waiting. */
  promisedRequests = 0;
  promisedRows = 0;
  /** Batches in the plan that it began. */
  planned = 0;
  /** Most rows of one batch while others are about; Infinity where it is alone. */
  quantum = Number.POSITIVE_INFINITY;
  /** Part of the time that is kept free for others, 0 to below 1. */
  yielded = 0;
  /** Part of what it offers that is not above its share of the most that can be served. */
  due = 1;
  /** Its part of what is left to those that offer more than their share; rows promised to it above that, when shares were found. */
  part = 0;
  surplus = 0;
  /** Rows promised to it since. */
  taken = 0;
  /** Time in which the others catch up with one row of surplus, microseconds; 0 where nobody is compared with anybody. */
  catchUpUs = 0;
  /** Whether it offers less than its share, so that it may go ahead of those who offer more. */
  light = false;

  constructor(queue: PlanQueue<T>, tenant: string, priority: number) {
    super();
    this.queue = queue;
    this.tenant = tenant;
    this.priority = priority;
  }

  /** Time in which the others catch up with what it has above its part; below 0 where it has less. */
  get aheadUs(): number {
    return (this.surplus + this.taken - this.part * this.queue.flows.taken) * this.catchUpUs;
  }

  /** How long it waits for the others where `leftUs` are left: its part of that stays its own, since they may not come. */
  waitUs(leftUs: number): number {
    return Math.max(0, Math.min(this.aheadUs, (1 - this.part) * leftUs));
  }
}
