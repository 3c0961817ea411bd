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
 * back either, but only as long as all batches have the same lanes: where they have not, each keeps the lane it was given.
 */

import type { Flow } from './flow.ts';
import { Line } from './line.ts';
import { BEST_EFFORT_SHARE, type PlanQueue } from './plan-queue.ts';
import { MOST_GUARD } from './sizing.ts';
import type { Batch, Traveller } from './travel.ts';

/** What is kept free behind a batch shrinks as it comes nearer: this part of the time until a lane is free a layout holds. */
const FRESH = 16;

/** A batch that is promised: who is in it leaves with it or earlier. */
export class PlannedBatch<T extends Traveller> extends Line<T> {
  readonly queue: PlanQueue<T>;
  readonly shapeKey: string;
  /** A batch of one, which nobody joins. */
  readonly alone: boolean;
  /** Whether it runs to learn how long it takes: what is known says that it will be late. */
  trial = false;
  /** The first who was promised his place; those before it only stand by. */
  firm: T | null = null;
  /** Whoever began it. */
  owner: Flow<T> | null = null;
  /** Place in the plan; -1 when it has left. */
  index = -1;
  lane = -1;
  startUs = 0;
  finishUs = 0;
  /** Time it may still be delayed without a broken promise; Infinity where its promise is broken already. */
  spareUs = 0;
  /** The least of those behind it. */
  slackAfterUs = Number.POSITIVE_INFINITY;
  readonly #rowsOf = new Map<Flow<T>, number>();
  #firstDeadlineUs = Number.POSITIVE_INFINITY;
  /** Whether the first deadline is that of somebody who has left. */
  #ghost = false;

  constructor(queue: PlanQueue<T>, shapeKey: string, alone: boolean) {
    super();
    this.queue = queue;
    this.shapeKey = shapeKey;
    this.alone = alone;
  }

  /** Rows of one flow in it. */
  rowsOf(flow: Flow<T>): number {
    return this.#rowsOf.get(flow) ?? 0;
  }

  /** A request takes its place. @param firm whether it keeps it, whoever comes */
  add(request: T, flow: Flow<T>, firm = true): void {
    if (firm && this.firm === null) this.firm = request;
    this.owner ??= flow;
    this.push(request);
    this.#count(request, flow, 1);
    if (request.deadlineUs < this.#firstDeadlineUs) this.#firstDeadlineUs = request.deadlineUs;
  }

  /** A request leaves its place. */
  remove(request: T, flow: Flow<T>): void {
    if (this.firm === request) this.firm = request.next;
    if (request.deadlineUs <= this.#firstDeadlineUs) this.#ghost = true;
    this.drop(request);
    this.#count(request, flow, -1);
  }

  #count(request: T, flow: Flow<T>, sign: 1 | -1): void {
    this.#rowsOf.set(flow, this.rowsOf(flow) + sign * Math.max(1, request.rows));
  }

  /** The first deadline of those who are in it. */
  get firstDeadlineUs(): number {
    if (this.#ghost) {
      let first = Number.POSITIVE_INFINITY;
      for (let request = this.head; request !== null; request = request.next)
        first = Math.min(first, request.deadlineUs);
      this.#firstDeadlineUs = first;
      this.#ghost = false;
    }
    return this.#firstDeadlineUs;
  }

  /** Rows of those first in line who have room together in `room`. */
  leaving(room: number): number {
    if (this.rows <= room) return this.rows;
    let rows = 0;
    for (let request = this.head; request !== null; request = request.next) {
      const more = Math.max(1, request.rows);
      if (rows + more > room) return rows;
      rows += more;
    }
    return rows;
  }

  /** Latest start at which nobody in it is late. */
  get latestStartUs(): number {
    return this.firstDeadlineUs - this.queue.spec.curve.at(this.rows);
  }
}

/** What the layout needs to know of the lanes. */
export interface LaneTimes {
  readonly running: readonly (Batch<unknown> | null)[];
  readonly up: readonly boolean[];
  /** When the running batch should end. */
  readonly endUs: Float64Array;
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
  readonly #lanes: LaneTimes;
  readonly #free: Float64Array;
  /** The same for questions that leave the layout as it is. */
  readonly #asked: Float64Array;
  /** Whether batches differ in the lanes that may take them. */
  #mixed = false;
  /** Whether something changed that the layout does not know. */
  #stale = true;
  #laidOutUs = 0;
  #validUntilUs = 0;

  constructor(lanes: LaneTimes, count: number) {
    this.#lanes = lanes;
    this.#free = new Float64Array(count);
    this.#asked = new Float64Array(count);
  }

  /** The layout has to be made anew before the next question. */
  changed(): void {
    this.#stale = true;
  }

  /** Makes the layout true as of now. */
  layOut(nowUs: number): void {
    if (!this.#stale && this.batches.length > 0 && nowUs <= this.#validUntilUs) return;
    this.#stale = false;
    this.#laidOutUs = nowUs;
    this.#validUntilUs = nowUs + (this.#freeLanes(this.#free, nowUs) - nowUs) / FRESH;
    this.#stretch();
    this.#mixed = this.#lanesDiffer();
    for (let i = 0; i < this.batches.length; i++) {
      const batch = this.batches[i] as PlannedBatch<T>;
      batch.index = i;
      this.#place(batch);
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
    return this.#free[firstFree(queue.lanes, this.#free)] ?? Number.POSITIVE_INFINITY;
  }

  /**
   * What is kept free behind a batch that would be finished at `finishUs`: the guard (errors of batches one after the other add
   * up by their root), and what best effort may take of the time until then.
   */
  marginUs(queue: PlanQueue<T>, finishUs: number, ownUs: number, nowUs: number): number {
    const untilUs = Math.max(0, finishUs - nowUs);
    const ratio = queue.guard.ratio(queue.spec.curve.spread);
    const mostUs = MOST_GUARD * Math.max(0, queue.budgetUs - ownUs);
    return Math.min(mostUs, ratio * Math.sqrt(untilUs * ownUs)) + untilUs * (queue.stretch - 1);
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

  /**
   * When a batch of `rows` would be finished, guard included, if it stood before the one at `index`: Infinity where somebody behind
   * it would lose his time. The layout must be true, and stays as it is.
   */
  finishAheadUs(queue: PlanQueue<T>, rows: number, deadlineUs: number, index: number, nowUs: number): number {
    const free = this.#asked;
    this.#freeLanes(free, nowUs);
    for (let i = 0; i < index; i++) {
      const { lane, finishUs } = this.batches[i] as PlannedBatch<T>;
      if (lane >= 0) free[lane] = finishUs;
    }
    const lane = firstFree(queue.lanes, free);
    const startUs = lane < 0 ? Number.POSITIVE_INFINITY : (free[lane] as number);
    const ownUs = queue.spec.curve.at(rows);
    free[lane] = startUs + ownUs;
    const latestUs = startUs + ownUs + (startUs > nowUs ? this.marginUs(queue, startUs + ownUs, ownUs, nowUs) : 0);
    return latestUs <= deadlineUs && this.#losesTime(queue, index, nowUs) ? Number.POSITIVE_INFINITY : latestUs;
  }

  /** A new batch behind all others. */
  append(batch: PlannedBatch<T>): void {
    count(batch, 1);
    batch.index = this.batches.push(batch) - 1;
    this.#place(batch);
    this.#protect(batch.spareUs, batch.index);
  }

  /** A new batch before the one at `index`. The layout is not true any more. */
  insert(batch: PlannedBatch<T>, index: number): void {
    count(batch, 1);
    this.batches.splice(index, 0, batch);
    this.#stale = true;
  }

  /** A batch leaves the plan. */
  remove(batch: PlannedBatch<T>): void {
    const index = this.batches.indexOf(batch);
    if (index >= 0) {
      this.batches.splice(index, 1);
      count(batch, -1);
    }
    batch.index = -1;
    batch.lane = -1;
    this.#stale = true;
  }

  /** A batch of the layout grew by a request and ends `delayUs` later. */
  grew(batch: PlannedBatch<T>, delayUs: number, nowUs: number): void {
    if (delayUs > 0) {
      if (batch.index < this.batches.length - 1) {
        this.#stale = true;
        return;
      }
      batch.finishUs += delayUs;
      this.#free[batch.lane] = batch.finishUs;
    }
    this.#measure(batch, nowUs);
    this.#protect(batch.spareUs, batch.index);
  }

  /** Where a batch stands that is to leave before all that may start later than it. */
  indexByUrgency(latestStartUs: number): number {
    let index = this.batches.length;
    while (index > 0 && (this.batches[index - 1] as PlannedBatch<T>).latestStartUs > latestStartUs) index--;
    return index;
  }

  /** Promises that do not hold if `departure` leaves now. */
  brokenAfter(departure: Departure<T>, nowUs: number): number {
    const free = this.#asked;
    this.#freeLanes(free, nowUs);
    free[departure.lane] = departure.untilUs;
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
      free[lane] = finishUs;
      if (finishUs > batch.firstDeadlineUs) broken++;
    }
    return broken;
  }

  /** Whether a batch from `index` on would be late or have nothing to spare, behind one of the queue and with the lanes free as asked. */
  #losesTime(queue: PlanQueue<T>, index: number, nowUs: number): boolean {
    const free = this.#asked;
    const first = this.batches[0]?.queue ?? queue;
    const mixed = this.#lanesDiffer() || !(queue === first || sameLanes(queue.lanes, first.lanes));
    let broken = 0;
    for (let i = index; i < this.batches.length; i++) {
      const batch = this.batches[i] as PlannedBatch<T>;
      const { rows, firstDeadlineUs } = batch;
      if (batch.finishUs > firstDeadlineUs) broken--;
      const lane = this.#laneOf(batch, free, mixed);
      const startUs = lane < 0 ? Number.POSITIVE_INFINITY : (free[lane] as number);
      const ownUs = batch.queue.spec.curve.at(rows);
      const finishUs = startUs + ownUs;
      if (lane >= 0) free[lane] = finishUs;
      if (finishUs > firstDeadlineUs) broken++;
      else if (startUs > nowUs && firstDeadlineUs - finishUs <= this.marginUs(batch.queue, finishUs, ownUs, nowUs))
        return true;
    }
    return broken > 0;
  }

  /** Best effort's share is seats in the batches of its own queue where these are large enough, else it is time. */
  #stretch(): void {
    let waiting = 0;
    for (const { bestEffort } of this.queues) if (bestEffort.requests > 0) waiting++;
    for (const queue of this.queues) {
      const seated = queue.bestEffort.requests > 0 && queue.bestEffortSeats > 0 ? 1 : 0;
      queue.stretch = waiting > seated ? 1 / (1 - BEST_EFFORT_SHARE) : 1;
    }
  }

  /** When each lane is free if nothing more starts. @returns until when that is so */
  #freeLanes(free: Float64Array, nowUs: number): number {
    const { running, up, endUs } = this.#lanes;
    let validUntilUs = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < free.length; lane++) {
      if (up[lane] !== true) free[lane] = Number.POSITIVE_INFINITY;
      else if (running[lane] === null) {
        free[lane] = nowUs;
        validUntilUs = nowUs;
      } else {
        const end = endUs[lane] as number;
        // What is late already is expected to be late by as much again.
        free[lane] = end > nowUs ? end : nowUs + (nowUs - end);
        validUntilUs = Math.min(validUntilUs, end > nowUs ? end : nowUs);
      }
    }
    return validUntilUs;
  }

  /** Once they have differed, all keep their lanes until none is left: another order might break what was promised in this one. */
  #lanesDiffer(): boolean {
    const first = this.batches[0]?.queue;
    if (this.#mixed) return first !== undefined;
    return this.batches.some(({ queue }) => queue !== first && !sameLanes(queue.lanes, (first as PlanQueue<T>).lanes));
  }

  /** Its own where batches differ in their lanes and it has one that is up, else the first free one. */
  #laneOf({ queue, lane }: PlannedBatch<T>, free: Float64Array, mixed: boolean): number {
    const kept = mixed && lane >= 0 && this.#lanes.up[lane] === true && queue.lanes.includes(lane);
    return kept ? lane : firstFree(queue.lanes, free);
  }

  #place(batch: PlannedBatch<T>): void {
    const { queue } = batch;
    batch.lane = this.#laneOf(batch, this.#free, this.#mixed);
    batch.startUs = batch.lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[batch.lane] as number);
    batch.finishUs = batch.startUs + queue.spec.curve.at(batch.rows);
    if (batch.lane >= 0) this.#free[batch.lane] = batch.finishUs;
    this.#measure(batch, this.#laidOutUs);
  }

  /** What is certain to be late cannot be made worse; what is late only by its guard has nothing to spare. */
  #measure(batch: PlannedBatch<T>, nowUs: number): void {
    const { queue, finishUs, firstDeadlineUs } = batch;
    const spare = firstDeadlineUs - finishUs - this.marginUs(queue, finishUs, queue.spec.curve.at(batch.rows), nowUs);
    if (finishUs > firstDeadlineUs) batch.spareUs = Number.POSITIVE_INFINITY;
    else batch.spareUs = Math.max(0, spare);
  }

  /** Those before the batch must know what it can spare. */
  #protect(spareUs: number, before: number): void {
    for (let i = before - 1; i >= 0; i--) {
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
