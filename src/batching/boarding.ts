/**
 * Who leaves with a batch that starts now: the promised ones first; then the room is filled with who is promised a later
 * batch and with best effort, as far as nobody becomes late by it.
 */

import type { Flow } from './flow.ts';
import { LightFirst } from './light-first.ts';
import { type Departure, joins, type Plan } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import { PlannedBatch } from './planned-batch.ts';
import type { Traveller } from './travel.ts';

/** Those who leave. Boarding has one such object and fills it anew: read it at once. */
export interface Boarded<T> {
  /** The batch's own from then on. */
  requests: T[];
  rows: number;
  /** Rows among them that nobody promised a time. */
  bestEffortRows: number;
  /** When the first of them came. */
  oldestUs: number;
}

/** Takes requests out of one plan and its queues. */
export class Boarding<T extends Traveller> {
  readonly #plan: Plan<T>;
  readonly #lightFirst: LightFirst<T>;
  readonly #boarded: Boarded<T> = { requests: [], rows: 0, bestEffortRows: 0, oldestUs: Number.POSITIVE_INFINITY };
  /** Who has boarded so far; null behind. An array that grew with each batch would be made several times. */
  readonly #aboard: (T | null)[] = [];
  #count = 0;

  constructor(plan: Plan<T>) {
    this.#plan = plan;
    this.#lightFirst = new LightFirst(plan);
  }

  /** A waiting request leaves its place, whatever becomes of it. */
  takeOut(request: T): void {
    const { place } = request;
    const rows = Math.max(1, request.rows);
    if (place instanceof PlannedBatch) {
      const planned = place as PlannedBatch<T>;
      const flow = request.flow as Flow<T>;
      flow.promisedRequests--;
      flow.promisedRows -= rows;
      planned.queue.count(request, -1);
      planned.remove(request, flow);
      if (planned.requests > 0) this.#plan.changed();
      else this.#plan.retire(planned);
      return;
    }
    const flow = place as Flow<T>;
    flow.queue.count(request, -1);
    flow.queue.bestEffort.remove(flow, request);
    if (flow.queue.bestEffort.requests === 0) this.#plan.changed();
  }

  /** A promised batch on a free lane, filled up to `limit` rows; a larger one is cut to it where that breaks no promise. */
  promised(planned: PlannedBatch<T>, lane: number, limit: number, nowUs: number): Boarded<T> {
    const { queue, shapeKey, alone } = planned;
    this.#lightFirst.ahead(planned, lane, nowUs);
    const boarded = this.#begin();
    const departure: Departure<T> = { lane, untilUs: nowUs, queue, shapeKey, rows: 0, from: planned };
    const share = this.#share(departure, planned, limit, nowUs);
    departure.from = null;
    while (planned.head !== null && boarded.rows < share) this.#board(planned.head, boarded);
    if (!alone && queue.mostRows > 0) this.#fill(departure, boarded, limit, nowUs);
    return this.#end();
  }

  /** Best effort alone, up to `room` rows (its first request always). */
  bestEffort(queue: PlanQueue<T>, room: number, nowUs: number): Boarded<T> {
    const boarded = this.#begin();
    const first = queue.bestEffort.first(nowUs) as T;
    this.#boardFreely(queue, first, boarded, nowUs);
    if (queue.mostRows > 0 && !first.alone) this.#fillFreely(queue, first.shapeKey, room, boarded, nowUs);
    return this.#end();
  }

  #begin(): Boarded<T> {
    this.#count = 0;
    this.#boarded.rows = 0;
    this.#boarded.bestEffortRows = 0;
    this.#boarded.oldestUs = Number.POSITIVE_INFINITY;
    return this.#boarded;
  }

  #end(): Boarded<T> {
    this.#boarded.requests = this.#aboard.slice(0, this.#count) as T[];
    this.#aboard.fill(null, 0, this.#count);
    return this.#boarded;
  }

  /** Rows of a promised batch that leave. */
  #share(departure: Departure<T>, planned: PlannedBatch<T>, limit: number, nowUs: number): number {
    const { rows, alone, head } = planned;
    if (rows <= limit || alone) return rows;
    const share = Math.max(planned.leaving(limit), Math.max(1, (head as T).rows));
    return this.#brokenBy(departure, share, nowUs) <= this.#brokenBy(departure, rows, nowUs) ? share : rows;
  }

  /** Promises that do not hold where so many rows leave. */
  #brokenBy(departure: Departure<T>, rows: number, nowUs: number): number {
    departure.rows = rows;
    departure.untilUs = nowUs + departure.queue.spec.curve.at(rows);
    return this.#plan.brokenAfter(departure, nowUs);
  }

  /**
   * Most rows that may leave in all, up to `room`, in time for who leaves and without breaking a promise.
   * @param promised whether those above what has boarded are taken from promised batches where these have some
   */
  #room(departure: Departure<T>, boarded: Boarded<T>, room: number, promised: boolean, nowUs: number): number {
    const { queue } = departure;
    let extra = Math.min(room - boarded.rows, this.#waiting(departure, promised));
    if (extra <= 0) return boarded.rows;
    let deadlineUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#count; i++) deadlineUs = Math.min(deadlineUs, (this.#aboard[i] as T).deadlineUs);
    departure.rows = 0;
    departure.untilUs = nowUs + queue.spec.curve.at(boarded.rows);
    const broken = this.#plan.brokenAfter(departure, nowUs);
    for (; extra > 0; extra >>= 1) {
      departure.rows = promised ? extra : 0;
      departure.untilUs = nowUs + queue.spec.curve.at(boarded.rows + extra);
      if (departure.untilUs <= deadlineUs && this.#plan.brokenAfter(departure, nowUs) <= broken) break;
    }
    return boarded.rows + extra;
  }

  /** Rows that wait and could leave with the others. */
  #waiting({ queue, shapeKey }: Departure<T>, promised: boolean): number {
    let { rows } = queue.bestEffort;
    if (!promised) return rows;
    for (const planned of this.#plan.batches) {
      if (planned.queue === queue && planned.shapeKey === shapeKey && !planned.alone) rows += planned.rows;
    }
    return rows;
  }

  /** Best effort's seats first, then who is promised a later batch, then best effort again. */
  #fill(departure: Departure<T>, boarded: Boarded<T>, limit: number, nowUs: number): void {
    const { queue, shapeKey } = departure;
    const seats = Math.min(limit, boarded.rows + queue.bestEffortSeats);
    const free = this.#room(departure, boarded, seats, false, nowUs);
    this.#fillFreely(queue, shapeKey, free, boarded, nowUs);
    const room = this.#room(departure, boarded, limit, true, nowUs);
    const { batches } = this.#plan;
    for (let i = 0; i < batches.length && boarded.rows < room; ) {
      const planned = batches[i] as PlannedBatch<T>;
      if (joins(planned, departure)) this.#boardMore(planned, room, boarded);
      // A batch that has left stands here no longer.
      if (batches[i] === planned) i++;
    }
    this.#fillFreely(queue, shapeKey, room, boarded, nowUs);
  }

  #boardMore(planned: PlannedBatch<T>, room: number, boarded: Boarded<T>): void {
    while (planned.head !== null && boarded.rows + Math.max(1, planned.head.rows) <= room) {
      this.#board(planned.head, boarded);
    }
  }

  #fillFreely(queue: PlanQueue<T>, shapeKey: string, room: number, boarded: Boarded<T>, nowUs: number): void {
    if (queue.bestEffort.requests === 0) return;
    queue.bestEffort.rewind();
    while (boarded.rows < room) {
      const request = queue.bestEffort.companion(shapeKey, room - boarded.rows, nowUs);
      if (request === null) return;
      this.#boardFreely(queue, request, boarded, nowUs);
    }
  }

  #boardFreely(queue: PlanQueue<T>, request: T, boarded: Boarded<T>, nowUs: number): void {
    const rows = Math.max(1, request.rows);
    queue.bestEffort.charge(request.place as Flow<T>, rows, nowUs);
    this.#board(request, boarded);
    boarded.bestEffortRows += rows;
  }

  #board(request: T, boarded: Boarded<T>): void {
    this.takeOut(request);
    request.state = 'RUNNING';
    this.#aboard[this.#count++] = request;
    boarded.rows += Math.max(1, request.rows);
    if (request.arrivalUs < boarded.oldestUs) boarded.oldestUs = request.arrivalUs;
  }
}
