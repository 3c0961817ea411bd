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

/** Flows whose rows a batch that is used again goes on remembering, at most: most who send come again. */
const REMEMBERED_FLOWS = 64;

/** A batch that is promised: who is in it leaves with it or earlier. Its queue uses it again when it has left. */
export class PlannedBatch<T extends Traveller> extends Line<T> {
  readonly queue: PlanQueue<T>;
  shapeKey = '';
  /** A batch of one, which nobody joins. */
  alone = false;
  /** Whether it runs to learn how long it takes: what is known says that it will be late. */
  trial = false;
  /** The first who was promised his place; those before it only stand by. */
  firm: T | null = null;
  firstDeadlineUs = Number.POSITIVE_INFINITY;
  /** Place in the plan; -1 when it has left. */
  index = -1;
  lane = -1;
  startUs = 0;
  /** What the curve says of it. True where the layout is, as all that follows. */
  ownUs = 0;
  finishUs = 0;
  /** The answer to the last question about it. A number in an object costs nothing, one that is returned may have to be made. */
  foreseenUs = 0;
  /** Time it may still be delayed without a broken promise; Infinity where its promise is broken already. */
  spareUs = 0;
  /** The least of those behind it. */
  slackAfterUs = Number.POSITIVE_INFINITY;
  /** While nobody is in it and it waits to be used again. */
  nextVacant: PlannedBatch<T> | null = null;
  readonly #rowsOf = new Map<Flow<T>, number>();

  constructor(queue: PlanQueue<T>) {
    super();
    this.queue = queue;
  }

  /** Begins anew, with nobody in it and in no plan. */
  begin(shapeKey: string, alone: boolean): void {
    this.shapeKey = shapeKey;
    this.alone = alone;
    this.trial = false;
    this.nextVacant = null;
    this.firm = null;
    this.firstDeadlineUs = Number.POSITIVE_INFINITY;
    this.index = -1;
    this.lane = -1;
    this.startUs = 0;
    this.slackAfterUs = Number.POSITIVE_INFINITY;
    if (this.#rowsOf.size > REMEMBERED_FLOWS) this.#rowsOf.clear();
  }

  /** Rows of one flow in it. */
  rowsOf(flow: Flow<T>): number {
    return this.#rowsOf.get(flow) ?? 0;
  }

  /** A request takes its place. @param firm whether it keeps it, whoever comes */
  add(request: T, flow: Flow<T>, firm = true): void {
    if (firm && this.firm === null) this.firm = request;
    this.push(request);
    this.#count(request, flow, 1);
    if (request.deadlineUs < this.firstDeadlineUs) this.firstDeadlineUs = request.deadlineUs;
  }

  /** A request leaves its place. The first deadline stays as it was, or is found anew by `refresh`. */
  remove(request: T, flow: Flow<T>): void {
    if (this.firm === request) this.firm = request.next;
    this.drop(request);
    this.#count(request, flow, -1);
  }

  #count(request: T, flow: Flow<T>, sign: 1 | -1): void {
    this.#rowsOf.set(flow, this.rowsOf(flow) + sign * Math.max(1, request.rows));
  }

  /** Finds the first deadline among those who are left. */
  refresh(): void {
    let first = Number.POSITIVE_INFINITY;
    for (let request = this.head; request !== null; request = request.next) first = Math.min(first, request.deadlineUs);
    this.firstDeadlineUs = first;
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
    return this.firstDeadlineUs - this.ownUs;
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
  /** Whether batches differ in the lanes that may take them. */
  #mixed = false;
  /** Whether something changed that the layout does not know. */
  #stale = true;
  #laidOutUs = 0;
  #validUntilUs = 0;

  constructor(lanes: LaneTimes, count: number) {
    this.#lanes = lanes;
    this.#free = new Float64Array(count);
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
    this.#freeLanes(nowUs);
    this.#stretch();
    this.#mixed = this.#lanesDiffer();
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
    const lane = this.#firstFree(queue.lanes);
    return lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[lane] as number);
  }

  /** Finds out when the batch would start behind all others. The layout must be true. */
  putBehind(batch: PlannedBatch<T>): void {
    const lane = this.#firstFree(batch.queue.lanes);
    batch.startUs = lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[lane] as number);
  }

  /**
   * Finds out when the batch would be finished with so many rows: `foreseenUs`. What is kept free behind it is included: the
   * guard (errors of batches one after the other add up by their root), and what best effort may take of the time until then.
   */
  foresee(batch: PlannedBatch<T>, rows: number, nowUs: number): void {
    const { queue } = batch;
    const ownUs = queue.spec.curve.at(rows);
    const finishUs = batch.startUs + ownUs;
    const untilUs = Math.max(0, finishUs - nowUs);
    // The same for every size: room that was left for who comes is not to be lost to the guard as the batch grows.
    const leftUs = batch.requests > 0 ? Math.max(queue.budgetUs, batch.firstDeadlineUs - nowUs) : queue.budgetUs;
    const mostUs = MOST_GUARD * Math.max(0, leftUs - Math.max(ownUs, queue.spec.curve.at(queue.batchRows)));
    const guardUs = Math.min(mostUs, queue.guardRatio * Math.sqrt(untilUs * ownUs));
    batch.foreseenUs = finishUs + (guardUs + untilUs * (queue.stretch - 1));
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

  /** A new batch behind all others. */
  append(batch: PlannedBatch<T>): void {
    batch.index = this.batches.push(batch) - 1;
    this.#place(batch, this.#laidOutUs);
    this.#protect(batch);
  }

  /** A new batch before the one at `index`. The layout is not true any more. */
  insert(batch: PlannedBatch<T>, index: number): void {
    const { batches } = this;
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
    if (batch.ownUs > beforeUs) {
      if (batch.index < this.batches.length - 1) {
        this.#stale = true;
        return;
      }
      batch.finishUs = batch.startUs + batch.ownUs;
      this.#free[batch.lane] = batch.finishUs;
    }
    this.#measure(batch, nowUs);
    this.#protect(batch);
  }

  /** Where a batch stands that is to leave before all that may start later than it. */
  indexByUrgency(batch: PlannedBatch<T>): number {
    batch.ownUs = batch.queue.spec.curve.at(batch.rows);
    const { latestStartUs } = batch;
    let index = this.batches.length;
    while (index > 0 && (this.batches[index - 1] as PlannedBatch<T>).latestStartUs > latestStartUs) index--;
    return index;
  }

  /** Where the first batch of the queue stands; the number of batches where it has none. */
  firstOf(queue: PlanQueue<T>): number {
    let index = 0;
    while (index < this.batches.length && this.batches[index]?.queue !== queue) index++;
    return index;
  }

  /** Promises that do not hold, as the layout is. */
  broken(): number {
    let count = 0;
    for (const batch of this.batches) if (batch.finishUs > batch.firstDeadlineUs) count++;
    return count;
  }

  /** The same if `departure` left now. */
  brokenAfter(departure: Departure<T>, nowUs: number): number {
    this.#stale = true;
    this.#freeLanes(nowUs);
    this.#free[departure.lane] = departure.untilUs;
    this.#mixed = this.#lanesDiffer();
    let room = departure.rows;
    let count = 0;
    for (const batch of this.batches) {
      let { rows } = batch;
      if (room > 0 && joins(batch, departure)) {
        const taken = batch.leaving(room);
        room -= taken;
        rows -= taken;
        if (rows === 0) continue;
      }
      const lane = this.#laneOf(batch);
      if (lane < 0) continue;
      const finishUs = (this.#free[lane] as number) + batch.queue.spec.curve.at(rows);
      this.#free[lane] = finishUs;
      if (finishUs > batch.firstDeadlineUs) count++;
    }
    return count;
  }

  /**
   * How far predictions are stretched. Best effort's share is seats in the batches of its own queue where these are large
   * enough, else it is time.
   */
  #stretch(): void {
    let waiting = 0;
    for (const { bestEffort } of this.queues) if (bestEffort.requests > 0) waiting++;
    for (const queue of this.queues) {
      const seated = queue.bestEffort.requests > 0 && queue.bestEffortSeats > 0 ? 1 : 0;
      queue.guardRatio = queue.guard.ratio(queue.spec.curve.spread);
      queue.stretch = waiting > seated ? 1 / (1 - BEST_EFFORT_SHARE) : 1;
    }
  }

  #freeLanes(nowUs: number): void {
    const { running, up, endUs } = this.#lanes;
    let validUntilUs = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < this.#free.length; lane++) {
      if (up[lane] !== true) this.#free[lane] = Number.POSITIVE_INFINITY;
      else if (running[lane] === null) {
        this.#free[lane] = nowUs;
        validUntilUs = Math.min(validUntilUs, nowUs);
      } else {
        const end = endUs[lane] as number;
        // What is late already is expected to be late by as much again.
        this.#free[lane] = end > nowUs ? end : nowUs + (nowUs - end);
        validUntilUs = Math.min(validUntilUs, Math.max(end, nowUs));
      }
    }
    this.#validUntilUs = validUntilUs;
  }

  #firstFree(lanes: readonly number[]): number {
    let first = -1;
    for (const lane of lanes) {
      if (first < 0 || (this.#free[lane] as number) < (this.#free[first] as number)) first = lane;
    }
    return first;
  }

  /** Once they have differed, all keep their lanes until none is left: another order might break what was promised in this one. */
  #lanesDiffer(): boolean {
    const first = this.batches[0]?.queue;
    if (first === undefined || this.#mixed) return first !== undefined;
    for (const { queue } of this.batches) if (queue !== first && !sameLanes(queue.lanes, first.lanes)) return true;
    return false;
  }

  /** Its own where batches differ in their lanes and it has one that is up, else the first free one. */
  #laneOf({ queue, lane }: PlannedBatch<T>): number {
    const kept = this.#mixed && lane >= 0 && this.#lanes.up[lane] === true && queue.lanes.includes(lane);
    return kept ? lane : this.#firstFree(queue.lanes);
  }

  #place(batch: PlannedBatch<T>, nowUs: number): void {
    const lane = this.#laneOf(batch);
    batch.lane = lane;
    batch.startUs = lane < 0 ? Number.POSITIVE_INFINITY : (this.#free[lane] as number);
    batch.ownUs = batch.queue.spec.curve.at(batch.rows);
    batch.finishUs = batch.startUs + batch.ownUs;
    if (lane >= 0) this.#free[lane] = batch.finishUs;
    this.#measure(batch, nowUs);
  }

  /** What is certain to be late cannot be made worse; what is late only by its guard has nothing to spare. */
  #measure(batch: PlannedBatch<T>, nowUs: number): void {
    this.foresee(batch, batch.rows, nowUs);
    if (batch.finishUs > batch.firstDeadlineUs) batch.spareUs = Number.POSITIVE_INFINITY;
    else batch.spareUs = Math.max(0, batch.firstDeadlineUs - batch.foreseenUs);
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

function sameLanes(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((lane) => b.includes(lane)));
}
