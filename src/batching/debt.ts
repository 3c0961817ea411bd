/**
 * What best effort is owed: its share of the time that promises take while it waits, lane by lane, and paid with what it runs.
 * Where it is owed a batch it has the lane before what is promised, as soon as that breaks no promise; and what is promised
 * from then on leaves the time for it.
 */

import type { Plan } from './plan.ts';
import { BEST_EFFORT_SHARE, type PlanQueue } from './plan-queue.ts';
import type { Batch, Traveller } from './travel.ts';
import { Turns } from './turns.ts';

/** Best effort is owed at most so many of its batches: a long time without any is not to be paid back at once. */
const MOST_BATCHES = 4;

/** The debt of one scheduler. */
export class Debt<T extends Traveller> {
  readonly #plan: Plan<T>;
  /** Time that is owed on each lane: what one runs says nothing of those who wait for another. */
  readonly #owedUs: Float64Array;
  /** Whose best effort is next, among those of several queues. */
  readonly #turns: Turns;

  constructor(plan: Plan<T>, lanes: number) {
    this.#plan = plan;
    this.#owedUs = new Float64Array(lanes);
    this.#turns = new Turns(plan.queues);
  }

  /** Best effort is about to wait in a queue where none did. */
  enter(queue: PlanQueue<T>): void {
    this.#turns.enter(queue);
  }

  /** The queue whose best effort had the least time of those that wait for this lane. */
  creditor(lane: number): PlanQueue<T> | null {
    let best: PlanQueue<T> | null = null;
    for (const queue of this.#plan.queues) {
      if (!queue.waits || !queue.lanes.includes(lane)) continue;
      if (best === null || queue.virtual < best.virtual) best = queue;
    }
    return best;
  }

  /** Rows of best effort, up to `most`, that have the lane although promises wait: owed, and no promise is broken by it. */
  due(queue: PlanQueue<T>, lane: number, most: number, nowUs: number): number {
    const { curve } = queue.spec;
    const first = Math.max(1, (queue.bestEffort.first(nowUs) as T).rows);
    const owedUs = this.#owedUs[lane] as number;
    if (owedUs < curve.at(first)) return 0;
    const departure = { lane, untilUs: nowUs, queue, shapeKey: '', rows: 0, from: null };
    const broken = this.#plan.brokenAfter(departure, nowUs);
    const limit = Math.max(first, Math.min(most, queue.bestEffort.rows));
    for (let rows = limit; rows >= first; rows = rows > first ? Math.max(first, rows >> 1) : 0) {
      departure.untilUs = nowUs + curve.at(rows);
      if (curve.at(rows) <= owedUs && this.#plan.brokenAfter(departure, nowUs) <= broken) return rows;
    }
    return 0;
  }

  /** A batch has ended: best effort is owed its share of that while it waits, and has paid for what of it was its own. */
  settle({ queue, rows, lane, startedUs }: Batch<T, PlanQueue<T>>, bestEffortRows: number, nowUs: number): void {
    // A batch that hung gave nobody so much: it is not to be paid for with the time of many.
    const tookUs = Math.min(nowUs - startedUs, MOST_BATCHES * queue.spec.curve.at(rows));
    const freeUs = (tookUs * bestEffortRows) / rows;
    this.#turns.charge(queue, freeUs, MOST_BATCHES * queue.spec.curve.at(queue.batchRows));
    const waiting = this.creditor(lane);
    if (waiting === null) {
      this.#owedUs[lane] = 0;
      this.#plan.reservedUs[lane] = 0;
      return;
    }
    const { curve } = waiting.spec;
    const firstUs = curve.at(Math.max(1, (waiting.bestEffort.first(nowUs) as T).rows));
    const most = Math.max(firstUs, MOST_BATCHES * curve.at(waiting.batchRows));
    // What exceeds the least share is given in seats where there are any: batches of its own would cost the others more.
    const share = waiting.bestEffortSeats > 0 ? BEST_EFFORT_SHARE : waiting.bestEffortShare;
    // Who fits into no seat is not paid with the seats that others have.
    const paidUs = bestEffortRows < rows && waiting.bestEffort.overdue(nowUs) !== null ? 0 : freeUs;
    const owedUs = Math.min(most, Math.max(0, (this.#owedUs[lane] as number) + tookUs * share - paidUs));
    this.#owedUs[lane] = owedUs;
    this.#plan.reservedUs[lane] = owedUs < firstUs ? 0 : firstUs;
  }
}
