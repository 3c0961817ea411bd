/** A batch of the plan: who is in it, and what the layout knows of it. */

import type { Flow } from './flow.ts';
import { Line } from './line.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { Traveller } from './travel.ts';

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
  /** Whoever began it. */
  owner: Flow<T> | null = null;
  /** Place in the plan; -1 when it has left. */
  index = -1;
  lane = -1;
  startUs = 0;
  /** What the curve says of it. True where the layout is, as all that follows. */
  ownUs = 0;
  finishUs = 0;
  /** Time it may still be delayed without a broken promise; Infinity where its promise is broken already. */
  spareUs = 0;
  /** The least of those behind it. */
  slackAfterUs = Number.POSITIVE_INFINITY;
  /** While nobody is in it and it waits to be used again. */
  nextVacant: PlannedBatch<T> | null = null;
  readonly #rowsOf = new Map<Flow<T>, number>();
  #firstDeadlineUs = Number.POSITIVE_INFINITY;
  /** Whether the first deadline is that of somebody who has left. */
  #ghost = false;

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
    this.owner = null;
    this.#firstDeadlineUs = Number.POSITIVE_INFINITY;
    this.#ghost = false;
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

  /** A request of it takes the place before another one, who was promised his as well. */
  advance(request: T, before: T): void {
    this.drop(request);
    this.insert(request, before);
    if (this.firm === before) this.firm = request;
  }

  #count(request: T, flow: Flow<T>, sign: 1 | -1): void {
    this.#rowsOf.set(flow, this.rowsOf(flow) + sign * Math.max(1, request.rows));
  }

  /** The first deadline of those who are in it. */
  get firstDeadlineUs(): number {
    if (this.#ghost) {
      let first = Number.POSITIVE_INFINITY;
      for (let request = this.head; request !== null; request = request.next) {
        first = Math.min(first, request.deadlineUs);
      }
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
    return this.firstDeadlineUs - this.ownUs;
  }
}
