/**
 * The words between those who bring requests, whoever decides who travels with whom, and the driver that gives the decisions
 * their time: no I/O, no clock. Times are absolute microseconds of the caller's clock.
 */

import type { Curve, SchedulerView } from '../core/scheduling.ts';

/** Where a request stands. It is WAITING once, RUNNING at most twice (a retry), ENDED once. */
export type TravelState = 'NEW' | 'WAITING' | 'RUNNING' | 'ENDED';

/** What a scheduler must know of a request. It owns `state` and `place` while the request is in its hands. */
export interface Traveller {
  /** Rows it brings, >= 0; 0 counts as 1. */
  rows: number;
  /** Arena bytes it holds. */
  bytes: number;
  /** Requests travel together only where this is equal. */
  shapeKey: string;
  /** When its first byte was read. */
  arrivalUs: number;
  /** Infinity where there is none: best effort. */
  deadlineUs: number;
  /** Who is served fairly beside the others; empty for everybody without a name. */
  tenant: string;
  /** 1 is served before 2, 2 before 3. */
  priority: number;
  /** Whether it must run in a batch of its own: the retry after a failed batch. */
  alone: boolean;
  state: TravelState;
  /** Where the scheduler keeps it while it waits; null elsewhere. The scheduler's alone. */
  place: unknown;
  /** Whose share it is taken from: the same as long as it waits. The scheduler's alone. */
  flow: unknown;
  /** Links of that place. The scheduler's alone. */
  previous: this | null;
  next: this | null;
}

/** What a queue is made from. */
export interface QueueSpec {
  /** Most rows of one batch; 0 where requests of this model never share one. */
  readonly maxBatchRows: number;
  /** Lanes that hold an instance at first. */
  readonly lanes: readonly number[];
  /** Bound on rows waiting beyond what free instances take at once: stops a flood from becoming latency. */
  readonly queueRows: number;
  /** The same in arena bytes: stops few huge requests from taking the arena. */
  readonly queueBytes: number;
  /** The stated latency target, microseconds; 0 where none is. */
  readonly sloUs: number;
  /** How long its batches take. */
  readonly curve: Curve;
}

/** The requests of one model version that wait for an instance, as everybody else sees them. */
export interface Queue {
  readonly spec: QueueSpec;
  /** Lanes that take its batches now. */
  readonly lanes: readonly number[];
  /** Most rows of a batch now. */
  readonly batchRows: number;
  /** Time until all that waits will have run, microseconds. */
  readonly drainUs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly length: number;
  /** Requests that were put back after a failed batch, since the beginning. */
  readonly retries: number;
  /** Requests refused at once for the others' sake, and after having been taken, since the beginning. */
  readonly refused: number;
  readonly displaced: number;
  /** Requests that were taken and are not answered in time, since the beginning: also those whose batch was in time. */
  late: number;
  /** No lane has been up for too long: nothing is taken until one is. */
  lost: boolean;
}

/** One batch under way on a lane. */
export interface Batch<T, Q extends Queue = Queue> {
  readonly queue: Q;
  readonly lane: number;
  readonly requests: T[];
  readonly rows: number;
  readonly startedUs: number;
}

/**
 * Why a request is not taken: a bound of the queue, no lane at all, others before it (`busy`), or too little time for any
 * server (`impossible`).
 */
export type RefusalKind = 'queueRows' | 'queueBytes' | 'lost' | 'busy' | 'impossible';

/** A refusal. The scheduler has one such object and fills it anew: read it at once. */
export interface Refusal {
  readonly kind: RefusalKind;
  /** Time from now until it would have been finished, and until its deadline. Infinity where there is none. */
  readonly predictedUs: number;
  readonly leftUs: number;
  /** Time from now after which a request like it can expect to be taken. */
  readonly retryAfterUs: number;
}

/** Decides who travels with whom, when and where, and who does not. Every call is one event; what it returns is the action. */
export interface Scheduler<T extends Traveller, Q extends Queue = Queue> {
  /** A model version comes into service. */
  open(spec: QueueSpec): Q;
  /** A model version leaves service. Its queue must be empty. */
  close(queue: Q): void;
  /** The lanes that take its batches from now on, of at most `mostRows` (0 = one request each); what runs elsewhere ends there. */
  setLanes(queue: Q, lanes: readonly number[], mostRows: number, nowUs: number): void;
  /** Whether the lane may be given work (a thread being replaced may not). */
  setUp(lane: number, up: boolean): void;
  /**
   * Whether a request of the tenant, of whatever shape and class, could be taken now; null = yes. Changes nothing but what is
   * counted of who is refused.
   * @param rows that it has at least @param bytes the same @param deadlineUs that it has at most
   */
  foresee(queue: Q, tenant: string, rows: number, bytes: number, deadlineUs: number, nowUs: number): Refusal | null;
  /** A request arrives; null = it waits now, else nothing has changed but what is offered. */
  arrive(queue: Q, request: T, nowUs: number): Refusal | null;
  /** A request whose batch failed goes back, to run in a batch of its own: ahead of who came later and is in no more of a hurry. */
  retryAlone(queue: Q, request: T): void;
  /** The caller has gone, or was answered: a waiting request leaves, a running one ends when its batch does. */
  cancel(request: T): void;
  /**
   * The next batch to start, or null where nothing can start. Called until it says null. Requests that can no longer make
   * their deadline are ended on the way and appended to `expired`; those who were taken only in case nobody else came, and are
   * refused now for the sake of somebody who did, to `displaced` (to `expired` where there is none).
   */
  next(nowUs: number, expired: T[], displaced?: T[]): Batch<T, Q> | null;
  /** A batch has ended; `ran` where it ended well, and its time is something to learn from. */
  finish(batch: Batch<T, Q>, nowUs: number, ran: boolean): void;
  /** Ends every request, waiting or running, whose deadline has passed, and appends it to `expired`. */
  sweep(nowUs: number, expired: T[]): void;
  /** Every request that waits in the queue is ended and appended to `ended`. */
  clear(queue: Q, ended: T[]): void;
  /** What each lane runs, null where it is free; and whether it is up. */
  readonly lanes: readonly (Batch<T, Q> | null)[];
  readonly up: readonly boolean[];
  /** A picture of what it knows of a queue. */
  view(queue: Q, nowUs: number): SchedulerView;
}
