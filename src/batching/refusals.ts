/** Who is refused whatever the plan says, and what everybody who is refused is told. */

import type { RefusalReason } from './journal.ts';
import type { Plan } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { Seating } from './seating.ts';
import type { Batch, Refusal, RefusalKind, Traveller } from './travel.ts';

/** Refuses. One refusal, filled anew by each: read it at once. */
export class Refusals<T extends Traveller> {
  /** Of who asks: his deadline, and when he would be finished on a free lane. Here, since a number that is handed on is made anew. */
  deadlineUs = 0;
  aloneUs = 0;
  readonly #plan: Plan<T>;
  readonly #seating: Seating<T>;
  readonly #running: readonly (Batch<unknown> | null)[];
  readonly #up: readonly boolean[];
  readonly #refusal: { -readonly [K in keyof Refusal]: Refusal[K] } = {
    kind: 'busy',
    predictedUs: 0,
    leftUs: 0,
    retryAfterUs: 0,
  };

  /** @param running what each lane runs @param up whether it has its thread; both as they are now */
  constructor(plan: Plan<T>, seating: Seating<T>, running: readonly (Batch<unknown> | null)[], up: readonly boolean[]) {
    this.#plan = plan;
    this.#seating = seating;
    this.#running = running;
    this.#up = up;
  }

  /** The refusals that need no plan: a bound of the queue, no lane, a deadline that no server could make. Of whom `deadlineUs` is. */
  bounded(queue: PlanQueue<T>, rows: number, bytes: number, nowUs: number): Refusal | null {
    const kind = this.#bound(queue, rows, bytes, this.deadlineUs !== Number.POSITIVE_INFINITY);
    if (kind !== null) return this.refuse(queue, kind, nowUs);
    this.aloneUs = nowUs + queue.spec.curve.at(Math.max(1, rows));
    if (this.aloneUs <= this.deadlineUs || this.#tries(queue, rows, nowUs)) return null;
    return this.refuse(queue, 'impossible', nowUs);
  }

  /** Whether what seems impossible is to be run all the same, and nobody loses by it. */
  #tries(queue: PlanQueue<T>, rows: number, nowUs: number): boolean {
    const least = Math.max(1, rows);
    // Where no time is left at all no curve is to blame.
    if (this.deadlineUs <= nowUs || !queue.trials.due(least, queue.spec.curve.at(least), nowUs)) return false;
    return this.freeLanes(queue) > 0 && !this.#plan.waitsFor(queue.lanes);
  }

  /** Rows and bytes beyond what may wait. */
  #bound(queue: PlanQueue<T>, rows: number, bytes: number, promised: boolean): RefusalKind | null {
    if (queue.lost) return 'lost';
    if (queue.length === 0 && this.freeLanes(queue) > 0) return null;
    if ((promised ? queue.keptBytes : queue.bytes) + bytes > queue.spec.queueBytes) return 'queueBytes';
    const waiting = promised ? queue.keptRows : queue.rows;
    return waiting + Math.max(1, rows) > this.mostRows(queue) ? 'queueRows' : null;
  }

  /** Most rows that may wait: those of the bound beyond what free instances take at once. */
  mostRows(queue: PlanQueue<T>): number {
    return queue.spec.queueRows + this.freeLanes(queue) * Math.max(1, queue.mostRows);
  }

  /** What must drain before a request like it can be in time: its lateness, or all that waits. */
  refuse(queue: PlanQueue<T>, kind: RefusalKind, nowUs: number, why: RefusalReason = kind): Refusal {
    if (kind === 'impossible') queue.impossible++;
    else if (kind !== 'lost') queue.refused++;
    const refusal = this.#refusal;
    refusal.kind = kind;
    let finishUs = Number.POSITIVE_INFINITY;
    if (kind === 'impossible') finishUs = this.aloneUs;
    else if (kind === 'busy') finishUs = this.#seating.predictedUs;
    refusal.predictedUs = finishUs - nowUs;
    refusal.leftUs = this.deadlineUs - nowUs;
    const lateUs = finishUs - this.deadlineUs;
    refusal.retryAfterUs = finishUs < Number.POSITIVE_INFINITY ? Math.max(0, lateUs) : queue.drainUs;
    queue.journal.refused(nowUs, why, refusal, queue);
    return refusal;
  }

  /** Refuses who gets no place in the plan. */
  unseated(queue: PlanQueue<T>, kind: RefusalKind, nowUs: number): Refusal {
    return this.refuse(queue, kind, nowUs, kind === 'queueRows' ? 'planned' : kind);
  }

  /** Lanes of the queue that are up and run nothing. */
  freeLanes(queue: PlanQueue<T>): number {
    let free = 0;
    for (const lane of queue.lanes) if (this.#up[lane] && this.#running[lane] === null) free++;
    return free;
  }
}
