/**
 * Who leaves with a batch that starts now: the promised ones first; then the room is filled with who is promised a later
 * batch and with best effort, as far as nobody becomes late by it.
 */

import type { Flow } from './flows.ts';
import { type Departure, type Plan, PlannedBatch } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { Traveller } from './travel.ts';

/** Those who leave. */
export interface Boarded<T> {
  readonly requests: T[];
  rows: number;
  /** Rows among them that nobody promised a time. */
  bestEffortRows: number;
}

/** Takes requests out of one plan and its queues. */
export class Boarding<T extends Traveller> {
  readonly #plan: Plan<T>;

  constructor(plan: Plan<T>) {
    this.#plan = plan;
  }

  /** A waiting request leaves its place, whatever becomes of it. */
  takeOut(request: T): void {
    const { place } = request;
    const rows = Math.max(1, request.rows);
    if (place instanceof PlannedBatch) {
      const planned = place as PlannedBatch<T>;
      const flow = planned.queue.flows.of(request);
      flow.promisedRequests--;
      flow.promisedRows -= rows;
      planned.queue.count(request, -1);
      planned.remove(request);
      if (planned.requests === 0) this.#plan.remove(planned);
      else this.#plan.changed();
      return;
    }
    const flow = place as Flow<T>;
    flow.queue.count(request, -1);
    flow.queue.flows.remove(flow, request);
    if (flow.queue.flows.requests === 0) this.#plan.changed();
  }

  /**
   * A promised batch on a free lane, filled up to `limit` rows (its first request always).
   */
  promised(planned: PlannedBatch<T>, lane: number, limit: number, nowUs: number): Boarded<T> {
    const { queue, shapeKey, alone } = planned;
    const boarded: Boarded<T> = { requests: [], rows: 0, bestEffortRows: 0 };
    do this.#board(planned.head as T, boarded);
    while (planned.head !== null && boarded.rows + Math.max(1, planned.head.rows) <= limit);
    if (planned.requests > 0) planned.refresh();
    if (alone || queue.mostRows === 0 || boarded.rows >= limit) return boarded;
    const departure = { lane, untilUs: 0, queue, shapeKey, rows: 0 };
    const extra = this.#extra(departure, boarded, limit, nowUs);
    if (extra > 0) this.#fill(departure, boarded, boarded.rows + extra, nowUs);
    return boarded;
  }

  /** Best effort alone, up to `room` rows (its first request always). */
  bestEffort(queue: PlanQueue<T>, room: number, nowUs: number): Boarded<T> {
    const boarded: Boarded<T> = { requests: [], rows: 0, bestEffortRows: 0 };
    const first = queue.flows.first() as T;
    this.#boardFreely(queue, first, boarded, nowUs);
    if (queue.mostRows > 0) this.#fillFreely(queue, first.shapeKey, room, boarded, nowUs);
    return boarded;
  }

  /** How many rows more may leave, up to `room`: in time for who leaves, and without breaking a promise. */
  #extra(departure: Departure<T>, boarded: Boarded<T>, room: number, nowUs: number): number {
    const { queue, shapeKey } = departure;
    let waiting = queue.flows.rows;
    for (const planned of this.#plan.batches) {
      if (planned.queue === queue && planned.shapeKey === shapeKey && !planned.alone) waiting += planned.rows;
    }
    let extra = Math.min(room - boarded.rows, waiting);
    if (extra <= 0) return 0;
    let deadlineUs = Number.POSITIVE_INFINITY;
    for (const request of boarded.requests) deadlineUs = Math.min(deadlineUs, request.deadlineUs);
    departure.untilUs = nowUs + queue.spec.curve.at(boarded.rows);
    const broken = this.#plan.brokenAfter(departure, nowUs);
    for (; extra > 0; extra >>= 1) {
      departure.rows = extra;
      departure.untilUs = nowUs + queue.spec.curve.at(boarded.rows + extra);
      if (departure.untilUs <= deadlineUs && this.#plan.brokenAfter(departure, nowUs) <= broken) return extra;
    }
    return 0;
  }

  /** Best effort's seats first, then who is promised a later batch, then best effort again. */
  #fill(departure: Departure<T>, boarded: Boarded<T>, room: number, nowUs: number): void {
    const { queue, shapeKey } = departure;
    this.#fillFreely(queue, shapeKey, Math.min(room, boarded.rows + queue.bestEffortSeats), boarded, nowUs);
    const untilUs = nowUs + queue.spec.curve.at(room);
    const { batches } = this.#plan;
    for (let i = 0; i < batches.length && boarded.rows < room; ) {
      const planned = batches[i] as PlannedBatch<T>;
      const joins = planned.queue === queue && planned.shapeKey === shapeKey && !planned.alone;
      if (joins && planned.firstDeadlineUs >= untilUs) this.#boardMore(planned, room, boarded);
      // A batch that has left stands here no longer.
      if (batches[i] === planned) i++;
    }
    this.#fillFreely(queue, shapeKey, room, boarded, nowUs);
  }

  #boardMore(planned: PlannedBatch<T>, room: number, boarded: Boarded<T>): void {
    while (planned.head !== null && boarded.rows + Math.max(1, planned.head.rows) <= room) {
      this.#board(planned.head, boarded);
    }
    if (planned.requests > 0) planned.refresh();
  }

  #fillFreely(queue: PlanQueue<T>, shapeKey: string, room: number, boarded: Boarded<T>, nowUs: number): void {
    if (queue.flows.requests === 0) return;
    queue.flows.rewind();
    while (boarded.rows < room) {
      const request = queue.flows.companion(shapeKey, room - boarded.rows);
      if (request === null) return;
      this.#boardFreely(queue, request, boarded, nowUs);
    }
  }

  #boardFreely(queue: PlanQueue<T>, request: T, boarded: Boarded<T>, nowUs: number): void {
    const rows = Math.max(1, request.rows);
    const flow = request.place as Flow<T>;
    this.#board(request, boarded);
    queue.flows.charge(flow, rows, nowUs);
    boarded.bestEffortRows += rows;
  }

  #board(request: T, boarded: Boarded<T>): void {
    this.takeOut(request);
    request.state = 'RUNNING';
    boarded.requests.push(request);
    boarded.rows += Math.max(1, request.rows);
  }
}
