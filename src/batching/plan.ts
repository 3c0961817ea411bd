/**
 * The plan: batches that are promised and have not left, in the order in which they will leave, and when each will be
 * finished if the curve is right. A request with a deadline is taken only into a place where it is in time and nobody who
 * has a promise becomes late by it.
 *
 *   lanes:   [ running ....|      [ running .|
 *   plan:    b0 b1 b2 b3          the first free lane of its queue takes the first batch
 *
 * The layout is that of list scheduling: each batch starts on the lane of its queue that is free first. One batch that takes
 * `d` longer moves none behind it by more than `d`; that is what `slackAfterUs` relies on. A batch that takes less moves none
 * back either, but only as long as all batches have the same lanes: where they have not, each keeps the lane it was given. Behind each
 * batch lies what its model has between two of them.
 */

import { BEST_EFFORT_SHARE, type PlanQueue } from './plan-queue.ts';
import { PlannedBatch } from './planned-batch.ts';
import { MOST_GUARD } from './sizing.ts';
import type { Batch, Traveller } from './travel.ts';

/** What is kept free behind a batch shrinks as it comes nearer: this part of the time until a lane is free a layout holds. */
const FRESH = 16;

/** When a lane should be ready for its next batch: as far as is known, where it runs nothing. */
interface LaneEnd {
  readonly endUs: number;
}

/** What the layout needs to know of the lanes. */
export interface Lanes {
  readonly running: readonly (Batch<unknown> | null)[];
  readonly up: readonly boolean[];
  readonly records: readonly LaneEnd[];
}

/** A batch that would leave now: the lane is busy until then, and promised batches give it so many rows as far as they can. */
export interface Departure<T extends Traveller> {
  readonly lane: number;
  untilUs: number;
  readonly queue: PlanQueue<T>;
  readonly shapeKey: string;
  rows: number;
  /** The one batch that gives them; null where any may. */
  from: PlannedBatch<T> | null;
}

/** The batches that are promised. */
export class Plan<T extends Traveller> {
  readonly batches: PlannedBatch<T>[] = [];
  readonly queues: PlanQueue<T>[] = [];
  /** Time that is to be left on each lane for a batch of best effort, which is owed one; 0 where it is not. */
  readonly reservedUs: Float64Array;
  readonly #lanes: Lanes;
  readonly #free: Float64Array;
  /** The same for questions that leave the layout as it is. */
  readonly #asked: Float64Array;
  /** Queues whose best effort waits for each lane. */
  readonly #waiting: Int32Array;
  /** Whether batches differ in the lanes that may take them. */
  #mixed = false;
  /** Whether something changed that the layout does not know. */
  #stale = true;
  #laidOutUs = 0;
  #validUntilUs = 0;
  #untilUs = 0;

  constructor(lanes: Lanes, count: number) {
    this.#lanes = lanes;
    this.#free = new Float64Array(count);
    this.#asked = new Float64Array(count);
    this.reservedUs = new Float64Array(count);
    this.#waiting = new Int32Array(count);
  }

  /** The layout has to be made anew before the next question. */
  changed(): void {
    this.#stale = true;
  }

  /** Makes the layout true as of now. */
  layOut(nowUs: number): void {
    if (!this.#stale && this.batches.length > 0 && nowUs <= this.#validUntilUs) return;
    if (this.#stale) this.#stretch();
    this.#stale = false;
    this.#laidOutUs = nowUs;
    this.#freeLanes(this.#free, nowUs);
    this.#validUntilUs = nowUs + (this.#untilUs - nowUs) / FRESH;
    this.#mixed = this.#lanesDiffer();
    for (const queue of this.queues) queue.plannedUs = 0;
    for (let i = 0; i < this.batches.length; i++) {
      const batch = this.batches[i] as PlannedBatch<T>;
      batch.index = i;
      this.#place(batch, nowUs);
    }
    let slack = Number.POSITIVE_INFINITY;
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const batch = this.batches[i] as PlannedBatch<T>;
      batch.slackAfterUs = slack;
      slack = Math.min(slack, batch.spareUs);
    }
  }

  /** When a batch of the queue behind all others would start. The layout must be true. */
  tailStartUs(queue: PlanQueue<T>): number {
    const lane = firstFree(queue.lanes, this.#free);
    return lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[lane] as number);
  }

  /**
   * What is kept free behind a batch that would be finished at `finishUs`: the guard (errors of batches one after the other add
   * up by their root), what best effort's seats add to the batches before it, and what it may take of the time until then in batches of
   * its own.
   * @param deadlineUs of who is to be in time: the guard is bounded by the time that he has
   */
  marginUs(queue: PlanQueue<T>, finishUs: number, ownUs: number, deadlineUs: number, nowUs: number): number {
    const untilUs = Math.max(0, finishUs - nowUs);
    // The same for every size: room that was left for who comes is not to be lost to the guard as the batch grows.
    const leftUs = Math.max(queue.budgetUs, deadlineUs - nowUs);
    const mostUs = MOST_GUARD * Math.max(0, leftUs - Math.max(ownUs, queue.spec.curve.at(queue.batchRows)));
    const guardUs = Math.min(mostUs, queue.guardRatio * Math.sqrt(untilUs * ownUs));
    const beforeUs = Math.max(0, untilUs - ownUs);
    return guardUs + queue.seatsRatio * beforeUs + Math.max(queue.reservedUs, beforeUs * (queue.stretch - 1));
  }

  /** The batch that a free lane is to take: the first of its own, else the first it may take. */
  firstFor(lane: number, nowUs: number): PlannedBatch<T> | null {
    this.layOut(nowUs);
    let first: PlannedBatch<T> | null = null;
    for (const batch of this.batches) {
      if (!batch.queue.lanes.includes(lane)) continue;
      if (!this.#mixed || batch.lane === lane) return batch;
      first ??= batch;
    }
    return first;
  }

  /** A batch of the queue with nobody in it. The caller's own until it is in the plan, or given back. */
  vacant(queue: PlanQueue<T>, shapeKey: string, alone: boolean): PlannedBatch<T> {
    const batch = queue.vacant ?? new PlannedBatch<T>(queue);
    queue.vacant = batch.nextVacant;
    batch.begin(shapeKey, alone);
    return batch;
  }

  /** Nobody is in the batch and it is in no plan: the next one that is asked for may be this one. */
  giveBack(batch: PlannedBatch<T>): void {
    batch.nextVacant = batch.queue.vacant;
    batch.queue.vacant = batch;
  }

  /**
   * When a batch of `rows` would be finished, guard included, if it stood before the one at `index`: Infinity where somebody
   * behind it would lose his time. The layout must be true, and stays as it is.
   */
  finishAheadUs(queue: PlanQueue<T>, rows: number, deadlineUs: number, index: number, nowUs: number): number {
    const free = this.#asked;
    this.#freeLanes(free, nowUs);
    for (let i = 0; i < index; i++) {
      const batch = this.batches[i] as PlannedBatch<T>;
      if (batch.lane >= 0) free[batch.lane] = batch.finishUs + batch.queue.turnaround.us;
    }
    const lane = firstFree(queue.lanes, free);
    const startUs = lane < 0 ? Number.POSITIVE_INFINITY : (free[lane] as number);
    const ownUs = queue.spec.curve.at(rows);
    const finishUs = startUs + ownUs;
    if (lane >= 0) free[lane] = finishUs + queue.turnaround.us;
    const latestUs = finishUs + (startUs > nowUs ? this.marginUs(queue, finishUs, ownUs, deadlineUs, nowUs) : 0);
    return latestUs <= deadlineUs && this.#losesTime(queue, index, nowUs) ? Number.POSITIVE_INFINITY : latestUs;
  }

  /** Whether somebody with that deadline would be in time in a batch of the layout, guard included. The layout must be true. */
  keeps({ queue, finishUs, ownUs }: PlannedBatch<T>, deadlineUs: number, nowUs: number): boolean {
    if (deadlineUs < finishUs) return false;
    return deadlineUs >= finishUs + this.marginUs(queue, finishUs, ownUs, deadlineUs, nowUs);
  }

  /** A new batch behind all others. */
  append(batch: PlannedBatch<T>): void {
    count(batch, 1);
    batch.index = this.batches.push(batch) - 1;
    this.#place(batch, this.#laidOutUs);
    this.#protect(batch);
  }

  /** A new batch before the one at `index`. The layout is not true any more. */
  insert(batch: PlannedBatch<T>, index: number): void {
    const { batches } = this;
    count(batch, 1);
    batch.ownUs = batch.queue.spec.curve.at(batch.rows);
    batches.push(batch);
    for (let i = batches.length - 1; i > index; i--) batches[i] = batches[i - 1] as PlannedBatch<T>;
    batches[index] = batch;
    this.#stale = true;
  }

  /** A batch leaves the plan. */
  remove(batch: PlannedBatch<T>): void {
    const { batches } = this;
    const index = batches.indexOf(batch);
    if (index >= 0) {
      for (let i = index + 1; i < batches.length; i++) batches[i - 1] = batches[i] as PlannedBatch<T>;
      batches.pop();
      count(batch, -1);
    }
    batch.index = -1;
    batch.lane = -1;
    this.#stale = true;
  }

  /** Everybody in a batch has left: it leaves too, and may be asked for again. */
  retire(batch: PlannedBatch<T>): void {
    this.remove(batch);
    this.giveBack(batch);
  }

  /** A batch of the layout grew by a request. */
  grew(batch: PlannedBatch<T>, nowUs: number): void {
    const beforeUs = batch.ownUs;
    batch.ownUs = batch.queue.spec.curve.at(batch.rows);
    batch.queue.plannedUs += batch.ownUs - beforeUs;
    if (batch.ownUs > beforeUs) {
      if (batch.index < this.batches.length - 1) {
        this.#stale = true;
        return;
      }
      batch.finishUs = batch.startUs + batch.ownUs;
      this.#free[batch.lane] = batch.finishUs + batch.queue.turnaround.us;
    }
    this.#measure(batch, nowUs);
    this.#protect(batch);
  }

  /** Where a batch stands that is to leave before all that may start later than it. */
  indexByUrgency(latestStartUs: number): number {
    let index = this.batches.length;
    while (index > 0 && (this.batches[index - 1] as PlannedBatch<T>).latestStartUs > latestStartUs) index--;
    return index;
  }

  /** Where a batch goes back that was promised before: ahead of all that may start as late, behind who is in more of a hurry. */
  indexOfReturn(latestStartUs: number): number {
    let index = 0;
    while (index < this.batches.length && (this.batches[index] as PlannedBatch<T>).latestStartUs < latestStartUs)
      index++;
    return index;
  }

  /** Where the first batch of the queue stands; the number of batches where it has none. */
  firstOf(queue: PlanQueue<T>): number {
    let index = 0;
    while (index < this.batches.length && this.batches[index]?.queue !== queue) index++;
    return index;
  }

  /**
   * Where a batch of a queue stands that goes ahead of those of models that want more than their part: behind its own, and with one
   * of another between, so that they take turns.
   */
  indexPast(queue: PlanQueue<T>): number {
    let index = this.batches.length;
    while (index > 0 && this.batches[index - 1]?.queue.heavy) index--;
    const before = index > 0 ? this.batches[index - 1]?.queue : null;
    const own = before === null ? this.#lanes.running.some((batch) => batch?.queue === queue) : before === queue;
    return own ? index + 1 : index;
  }

  /** Whether one of the batches may run on one of these lanes. */
  waitsFor(lanes: readonly number[]): boolean {
    for (const { queue } of this.batches) if (queue.lanes.some((lane) => lanes.includes(lane))) return true;
    return false;
  }

  /** Promises that do not hold if `departure` leaves now. */
  brokenAfter(departure: Departure<T>, nowUs: number): number {
    const free = this.#asked;
    this.#freeLanes(free, nowUs);
    free[departure.lane] = departure.untilUs + departure.queue.turnaround.us;
    const mixed = this.#lanesDiffer();
    let room = departure.rows;
    let broken = 0;
    for (const batch of this.batches) {
      let { rows } = batch;
      if (room > 0 && joins(batch, departure)) {
        const taken = batch.leaving(room);
        room -= taken;
        rows -= taken;
        if (rows === 0) continue;
      }
      const lane = this.#laneOf(batch, free, mixed);
      if (lane < 0) continue;
      const finishUs = (free[lane] as number) + batch.queue.spec.curve.at(rows);
      free[lane] = finishUs + batch.queue.turnaround.us;
      if (finishUs > batch.firstDeadlineUs) broken++;
    }
    return broken;
  }

  /** Whether a batch from `index` on would be late or have nothing to spare, behind one of the queue, with the lanes as asked. */
  #losesTime(queue: PlanQueue<T>, index: number, nowUs: number): boolean {
    const free = this.#asked;
    const first = this.batches[0]?.queue ?? queue;
    const mixed = this.#lanesDiffer() || !(queue === first || sameLanes(queue.lanes, first.lanes));
    let broken = 0;
    for (let i = index; i < this.batches.length; i++) {
      const batch = this.batches[i] as PlannedBatch<T>;
      const { firstDeadlineUs, ownUs } = batch;
      if (batch.finishUs > firstDeadlineUs) broken--;
      const lane = this.#laneOf(batch, free, mixed);
      const startUs = lane < 0 ? Number.POSITIVE_INFINITY : (free[lane] as number);
      const finishUs = startUs + ownUs;
      if (lane >= 0) free[lane] = finishUs + batch.queue.turnaround.us;
      if (finishUs > firstDeadlineUs) broken++;
      else if (startUs > nowUs) {
        const marginUs = this.marginUs(batch.queue, finishUs, ownUs, firstDeadlineUs, nowUs);
        if (firstDeadlineUs - finishUs <= marginUs) return true;
      }
    }
    return broken > 0;
  }

  /**
   * How far predictions are stretched. Best effort's share is seats in the batches of its own queue where these are large
   * enough, else it is time; either makes what is promised wait longer.
   */
  #stretch(): void {
    const waiting = this.#waiting.fill(0);
    for (const { waits, lanes } of this.queues) {
      if (waits) for (const lane of lanes) waiting[lane] = (waiting[lane] as number) + 1;
    }
    for (const queue of this.queues) {
      const seated = queue.waits && queue.bestEffortSeats > 0 ? 1 : 0;
      queue.guardRatio = queue.guard.ratio(queue.spec.curve.spread);
      queue.stretch = 1;
      queue.seatsRatio = queue.seatsTime;
      queue.reservedUs = 0;
      for (const lane of queue.lanes) {
        const many = waiting[lane] as number;
        if (many > seated) queue.stretch = 1 / (1 - BEST_EFFORT_SHARE);
        // A share of little time is no batch: once one is owed, all of it is kept free.
        if (many > 0 && this.#lanes.up[lane])
          queue.reservedUs = Math.max(queue.reservedUs, this.reservedUs[lane] as number);
      }
    }
  }

  /** When each lane is free if nothing more starts; `#untilUs` says until when that is so. */
  #freeLanes(free: Float64Array, nowUs: number): void {
    const { running, up, records } = this.#lanes;
    let untilUs = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < free.length; lane++) {
      if (up[lane] !== true) free[lane] = Number.POSITIVE_INFINITY;
      else if (running[lane] === null) {
        free[lane] = Math.max(nowUs, (records[lane] as LaneEnd).endUs);
        untilUs = Math.min(untilUs, free[lane] as number);
      } else {
        const end = (records[lane] as LaneEnd).endUs;
        // What is late already is expected to be late by as much again.
        free[lane] = end > nowUs ? end : nowUs + (nowUs - end);
        untilUs = Math.min(untilUs, Math.max(end, nowUs));
      }
    }
    this.#untilUs = untilUs;
  }

  /** Once they have differed, all keep their lanes until none is left: another order might break what was promised in this one. */
  #lanesDiffer(): boolean {
    const first = this.batches[0]?.queue;
    if (first === undefined || this.#mixed) return first !== undefined;
    for (const { queue } of this.batches) if (queue !== first && !sameLanes(queue.lanes, first.lanes)) return true;
    return false;
  }

  /** Its own where batches differ in their lanes and it has one that is up, else the first free one. */
  #laneOf({ queue, lane }: PlannedBatch<T>, free: Float64Array, mixed: boolean): number {
    const kept = mixed && lane >= 0 && this.#lanes.up[lane] === true && queue.lanes.includes(lane);
    return kept ? lane : firstFree(queue.lanes, free);
  }

  #place(batch: PlannedBatch<T>, nowUs: number): void {
    const lane = this.#laneOf(batch, this.#free, this.#mixed);
    batch.lane = lane;
    batch.startUs = lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[lane] as number);
    batch.ownUs = batch.queue.spec.curve.at(batch.rows);
    batch.queue.plannedUs += batch.ownUs;
    batch.finishUs = batch.startUs + batch.ownUs;
    if (lane >= 0) this.#free[lane] = batch.finishUs + batch.queue.turnaround.us;
    this.#measure(batch, nowUs);
  }

  /** What is certain to be late cannot be made worse; what is late only by its guard has nothing to spare. */
  #measure(batch: PlannedBatch<T>, nowUs: number): void {
    const { queue, finishUs, ownUs, firstDeadlineUs } = batch;
    if (finishUs > firstDeadlineUs) batch.spareUs = Number.POSITIVE_INFINITY;
    else {
      const marginUs = this.marginUs(queue, finishUs, ownUs, firstDeadlineUs, nowUs);
      batch.spareUs = Math.max(0, firstDeadlineUs - finishUs - marginUs);
    }
  }

  /** Those before the batch must know what it can spare. */
  #protect({ spareUs, index }: PlannedBatch<T>): void {
    for (let i = index - 1; i >= 0; i--) {
      const batch = this.batches[i] as PlannedBatch<T>;
      if (batch.slackAfterUs <= spareUs) return;
      batch.slackAfterUs = spareUs;
    }
  }
}

/** Whether rows of a promised batch may leave with the departure: nobody in it would be late by that. */
export function joins<T extends Traveller>(batch: PlannedBatch<T>, departure: Departure<T>): boolean {
  const { queue, shapeKey, untilUs, from } = departure;
  if (from !== null) return batch === from;
  return batch.queue === queue && batch.shapeKey === shapeKey && !batch.alone && batch.firstDeadlineUs >= untilUs;
}

function firstFree(lanes: readonly number[], free: Float64Array): number {
  let first = -1;
  for (const lane of lanes) if (first < 0 || (free[lane] as number) < (free[first] as number)) first = lane;
  return first;
}

/** A batch is planned (1), or no longer (-1). */
function count<T extends Traveller>({ queue, owner }: PlannedBatch<T>, sign: 1 | -1): void {
  queue.planned += sign;
  if (owner !== null) owner.planned += sign;
}

function sameLanes(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((lane) => b.includes(lane)));
}
