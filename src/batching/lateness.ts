/** What becomes late although it was promised: ended before it is run in vain, counted, and learned from. */

import type { Flow } from './flow.ts';
import type { Plan } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { PlannedBatch } from './planned-batch.ts';
import type { Batch, Traveller } from './travel.ts';

/** Ends the late of one plan. */
export class Lateness<T extends Traveller> {
  readonly #plan: Plan<T>;
  readonly #cancel: (request: T) => void;

  /** @param cancel takes a request out, wherever it is */
  constructor(plan: Plan<T>, cancel: (request: T) => void) {
    this.#plan = plan;
    this.#cancel = cancel;
  }

  /** A promise was broken. */
  end(queue: PlanQueue<T>, request: T, expired: T[]): void {
    queue.late++;
    this.#cancel(request);
    expired.push(request);
  }

  /**
   * A batch ended: the guard follows how many of it were late.
   * @param alone whether it was a trial or ran again: then that says nothing of what is promised
   * @returns rows of those who are answered
   */
  judge(batch: Batch<T, PlanQueue<T>>, alone: boolean, nowUs: number): number {
    let promised = 0;
    let late = 0;
    let answered = 0;
    for (const { deadlineUs, state, rows } of batch.requests) {
      if (state === 'RUNNING' && deadlineUs >= nowUs) answered += Math.max(1, rows);
      if (deadlineUs === Number.POSITIVE_INFINITY) continue;
      promised++;
      if (deadlineUs >= nowUs) continue;
      late++;
      if (state === 'RUNNING') batch.queue.late++;
    }
    if (!alone) batch.queue.guard.observe(promised, late);
    return answered;
  }

  /**
   * Before a promised batch starts: ends those in it who would be late, for certain or because the batch as a whole would be.
   * Who is in a hurry goes first where that is in time for all. A trial has until its deadline. False where the
   * batch is another one now: ask again.
   */
  drop(planned: PlannedBatch<T>, nowUs: number, expired: T[]): boolean {
    const { curve } = planned.queue.spec;
    if (planned.firstDeadlineUs >= nowUs + (planned.trial ? 0 : curve.at(planned.rows))) return true;
    const before = expired.length;
    this.#dropBefore(planned, nowUs + curve.at(1), expired);
    if (planned.requests > 0 && planned.firstDeadlineUs < nowUs + curve.at(planned.rows)) {
      if (!this.#splitOff(planned, nowUs)) this.#dropBefore(planned, nowUs + curve.at(planned.rows), expired);
    }
    const dropped = expired.length - before;
    if (dropped > 0) {
      if (!planned.alone) planned.queue.guard.observe(dropped + planned.requests, dropped);
      planned.queue.journal.dropped(nowUs, dropped);
    }
    return planned.requests > 0;
  }

  #dropBefore(planned: PlannedBatch<T>, deadlineUs: number, expired: T[]): void {
    for (let request = planned.head; request !== null; ) {
      const following: T | null = request.next;
      if (request.deadlineUs < deadlineUs) this.end(planned.queue, request, expired);
      request = following;
    }
  }

  #splitOff(planned: PlannedBatch<T>, nowUs: number): boolean {
    const { queue } = planned;
    const { curve } = queue.spec;
    const lateUs = nowUs + curve.at(planned.rows);
    let hurried = 0;
    let restDeadlineUs = Number.POSITIVE_INFINITY;
    for (let request = planned.head; request !== null; request = request.next) {
      if (request.deadlineUs < lateUs) hurried += Math.max(1, request.rows);
      else restDeadlineUs = Math.min(restDeadlineUs, request.deadlineUs);
    }
    const rest = planned.rows - hurried;
    const firstUs = nowUs + curve.at(hurried);
    if (rest === 0 || firstUs > planned.firstDeadlineUs || firstUs + curve.at(rest) > restDeadlineUs) return false;
    const behind = this.#plan.vacant(queue, planned.shapeKey, false);
    for (let request = planned.head; request !== null; ) {
      const following: T | null = request.next;
      if (request.deadlineUs >= lateUs) {
        const flow = request.flow as Flow<T>;
        planned.remove(request, flow);
        behind.add(request, flow);
      }
      request = following;
    }
    this.#plan.insert(behind, this.#plan.batches.indexOf(planned) + 1);
    return true;
  }
}
