/**
 * Light flows first: before a batch leaves, requests of flows that ask for less than their share change places with those of
 * others that were promised an earlier one, and stand first in it. So they need not wait behind a flood when the seats that
 * it left them are taken.
 *
 *   leaving  F F F      F F F      F L F           leaving  L F F      F F F      F F F
 *                ^________________/       becomes                                    ^ was in the first
 *
 * As many rows go back as come ahead: every batch keeps its size, so the layout keeps its times, and nobody else is touched. Who
 * steps back is in time there as if he were promised that place now. In one batch a light flow comes ahead only up to its quantum:
 * it asks for less than its share, but what it asks for in a burst is not to take from others theirs.
 */

import type { Flow } from './flow.ts';
import type { Plan } from './plan.ts';
import type { PlannedBatch } from './planned-batch.ts';
import type { Traveller } from './travel.ts';

/** For each request that leaves so many that wait are looked at, at most: bounds what a departure costs. */
const LOOKED_AT = 128;

/** Changes places within one plan. */
export class LightFirst<T extends Traveller> {
  readonly #plan: Plan<T>;
  /** Requests that may still be looked at before the batch leaves. */
  #looks = 0;

  constructor(plan: Plan<T>) {
    this.#plan = plan;
  }

  /** The batch is about to leave from `lane`: who is light comes ahead, into it where that can be. */
  ahead(leaving: PlannedBatch<T>, lane: number, nowUs: number): void {
    const { flows } = leaving.queue;
    if (!flows.contended || leaving.alone) return;
    let waiting = flows.lightRows;
    if (waiting === 0) return;
    const { batches } = this.#plan;
    this.#plan.layOut(nowUs);
    // On another lane than it was laid out for it would not end when the layout says.
    if (leaving.lane !== lane) return;
    this.#looks = LOOKED_AT * leaving.requests;
    for (let i = leaving.index; i < batches.length && waiting > 0 && this.#looks > 0; i++) {
      const planned = batches[i] as PlannedBatch<T>;
      if (alike(planned, leaving)) waiting -= this.#lightAhead(planned, i, leaving.index, nowUs);
    }
  }

  /** Who is light in one batch goes to an earlier one, from `first` on, or at least before the others in it. @returns their rows */
  #lightAhead(planned: PlannedBatch<T>, index: number, first: number, nowUs: number): number {
    let rows = 0;
    let heavy: T | null = null;
    for (let request = planned.firm; request !== null && this.#looks-- > 0; ) {
      const following: T | null = request.next;
      const flow = request.flow as Flow<T>;
      if (!flow.light) heavy ??= request;
      else {
        rows += Math.max(1, request.rows);
        if (!this.#advance(request, index, first, nowUs) && heavy !== null) planned.advance(request, heavy);
      }
      request = following;
    }
    return rows;
  }

  /** From the batch at `index` as far ahead as there is somebody who can step back so far. False where there is nobody. */
  #advance(request: T, index: number, first: number, nowUs: number): boolean {
    let at = index;
    for (let far = at - first; far > 0; far >>= 1) {
      while (at - far >= first && this.#trades(request, at - far, nowUs)) at -= far;
    }
    return at < index;
  }

  /** Into the batch at `index`, in exchange for somebody there. */
  #trades(request: T, index: number, nowUs: number): boolean {
    if (this.#looks-- <= 0) return false;
    const flow = request.flow as Flow<T>;
    const rows = Math.max(1, request.rows);
    const from = request.place as PlannedBatch<T>;
    const planned = this.#plan.batches[index] as PlannedBatch<T>;
    if (!alike(planned, from) || planned.finishUs >= from.finishUs) return false;
    // What is fairly the others' in one batch stays theirs.
    if (planned.rowsOf(flow) + rows > Math.max(1, flow.quantum)) return false;
    if (!this.#giveWay(planned, from, rows, nowUs)) return false;
    from.remove(request, flow);
    planned.add(request, flow);
    planned.advance(request, planned.firm as T);
    this.#stepBack(planned, from, rows, nowUs);
    this.#plan.changed();
    return true;
  }

  /** Whether some in a batch, who have exactly so many rows, can step back to the other. */
  #giveWay(planned: PlannedBatch<T>, to: PlannedBatch<T>, rows: number, nowUs: number): boolean {
    const before = planned.firm === null ? planned.tail : planned.firm.previous;
    let left = rows;
    for (let other = planned.tail; other !== before && other !== null && this.#looks-- > 0; other = other.previous) {
      if (!this.#stepsBack(other, to, left, nowUs)) continue;
      left -= Math.max(1, other.rows);
      if (left === 0) return true;
    }
    return false;
  }

  /** These step back. */
  #stepBack(planned: PlannedBatch<T>, to: PlannedBatch<T>, rows: number, nowUs: number): void {
    let left = rows;
    for (let other = planned.tail; other !== null && left > 0; ) {
      const following: T | null = other.previous;
      if (this.#stepsBack(other, to, left, nowUs)) {
        const flow = other.flow as Flow<T>;
        planned.remove(other, flow);
        to.add(other, flow);
        left -= Math.max(1, other.rows);
      }
      other = following;
    }
  }

  /** Whether a request is of a heavy flow, has at most so many rows, and would be in time in the batch behind. */
  #stepsBack(other: T, to: PlannedBatch<T>, most: number, nowUs: number): boolean {
    if ((other.flow as Flow<T>).light || Math.max(1, other.rows) > most) return false;
    return this.#plan.keeps(to, other.deadlineUs, nowUs);
  }
}

/** Whether who is promised the one could leave with the other. */
function alike<T extends Traveller>(planned: PlannedBatch<T>, { queue, shapeKey }: PlannedBatch<T>): boolean {
  return planned.queue === queue && planned.shapeKey === shapeKey && !planned.alone;
}
