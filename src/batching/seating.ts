/**
 * Admission by promise: finds a place in the plan for a request with a deadline, in time for it, for who travels with it and
 * for who comes behind; or finds that there is none.
 *
 * Three places are tried: in a promised batch with room, in a new one behind all, in a new one ahead of what can wait. Who is in
 * time only if nobody else comes stands by, and is no promise: he gives way to who comes.
 */

import type { Flow } from './flow.ts';
import type { Plan, PlannedBatch } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { Traveller } from './travel.ts';

/** Most batches promised at once: bounds what an arrival costs. */
const MOST_PLANNED = 256;

/** Who stands by loses his place only to somebody with so much more time, as a share of what is usual: others are refused at once. */
const NEWER = 0.01;

/** Gives out places in one plan. */
export class Seating<T extends Traveller> {
  readonly #plan: Plan<T>;
  readonly #dismiss: (request: T) => void;
  /** When the request last asked about would have been finished at best, guard included; Infinity where nobody can say. */
  predictedUs = Number.POSITIVE_INFINITY;

  /** @param dismiss takes out a request that stood by */
  constructor(plan: Plan<T>, dismiss: (request: T) => void) {
    this.#plan = plan;
    this.#dismiss = dismiss;
  }

  /** Gives the request its place. False where there is none in time, and then nobody has lost what he was promised. */
  seat(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): boolean {
    this.#plan.layOut(nowUs);
    this.predictedUs = Number.POSITIVE_INFINITY;
    if (queue.mostRows > 0 && this.#join(queue, flow, request, nowUs)) return true;
    if (this.#begin(queue, flow, request, nowUs)) return true;
    if (this.#clear(queue, flow, request, nowUs) && this.#begin(queue, flow, request, nowUs)) return true;
    return this.#standBy(queue, flow, request, nowUs);
  }

  /** Whether those of others who stand by have lost their places to a request that can have its own there. */
  #clear(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): boolean {
    const last = this.#plan.batches.at(-1);
    if (last === undefined || last.firm !== null) return false;
    if (last.queue === queue && last.shapeKey === request.shapeKey) return false;
    if (!queue.lanes.includes(last.lane)) return false;
    const planned = this.#plan.vacant(queue, request.shapeKey, false);
    planned.startUs = last.startUs;
    const inTime = this.#inTime(planned, Math.max(1, request.rows), request, flow, nowUs);
    this.#plan.giveBack(planned);
    if (!inTime) return false;
    while (last.requests > 0) this.#evict(last, nowUs);
    return true;
  }

  /** In a new batch. */
  #begin(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): boolean {
    if (this.#plan.batches.length >= MOST_PLANNED) return false;
    const planned = this.#plan.vacant(queue, request.shapeKey, false);
    planned.add(request, flow);
    // Whoever takes less than his share need not stand behind those who take more.
    const seated =
      flow.light && !queue.seated && this.#plan.batches.length > 0
        ? this.#ahead(planned, flow, nowUs) || this.#behind(planned, flow, nowUs)
        : this.#behind(planned, flow, nowUs) || this.#ahead(planned, flow, nowUs);
    if (seated) return true;
    planned.remove(request, flow);
    this.#plan.giveBack(planned);
    return false;
  }

  /**
   * Where a request is in time only if nobody comes any more to make its batch longer, it stands by: it keeps its place until
   * somebody comes with whom the batch can become larger. So the last of a burst are served, in smaller batches.
   */
  #standBy(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): boolean {
    if (queue.mostRows === 0) return false;
    const rows = Math.max(1, request.rows);
    for (;;) {
      const first = this.#firstProvisional(queue, request.shapeKey);
      if (first !== null && this.#joinStandBy(first, flow, request, rows, nowUs)) return true;
      if (first === null) return this.#openStandBy(queue, flow, request, rows, nowUs);
      if (request.deadlineUs - first.firstDeadlineUs < NEWER * queue.budgetUs) return false;
      this.#evict(first, nowUs);
    }
  }

  #firstProvisional(queue: PlanQueue<T>, shapeKey: string): PlannedBatch<T> | null {
    const last = this.#plan.batches.at(-1);
    if (last === undefined || last.firm !== null) return null;
    return last.queue === queue && last.shapeKey === shapeKey ? last : null;
  }

  #joinStandBy(planned: PlannedBatch<T>, flow: Flow<T>, request: T, rows: number, nowUs: number): boolean {
    const { queue } = planned;
    if (planned.rows + rows > queue.promisedSeats) return false;
    const delayUs = queue.spec.curve.at(planned.rows + rows) - planned.ownUs;
    if (delayUs > planned.spareUs || !this.#holdsAlone(planned, rows, request, nowUs)) return false;
    planned.add(request, flow, false);
    this.#plan.grew(planned, nowUs);
    return true;
  }

  #openStandBy(queue: PlanQueue<T>, flow: Flow<T>, request: T, rows: number, nowUs: number): boolean {
    if (this.#plan.batches.length >= MOST_PLANNED) return false;
    const planned = this.#plan.vacant(queue, request.shapeKey, false);
    this.#plan.putBehind(planned);
    const inTime = this.#holdsAlone(planned, rows, request, nowUs);
    if (inTime) {
      planned.add(request, flow, false);
      this.#plan.append(planned);
    } else this.#plan.giveBack(planned);
    return inTime;
  }

  #holdsAlone(planned: PlannedBatch<T>, rows: number, request: T, nowUs: number): boolean {
    this.#plan.foresee(planned, planned.rows + rows, nowUs);
    return planned.foreseenUs <= request.deadlineUs;
  }

  /** The first who stands by in a batch loses his place. */
  #evict(planned: PlannedBatch<T>, nowUs: number): void {
    this.#dismiss(planned.head as T);
    if (planned.requests > 0) planned.refresh();
    this.#plan.layOut(nowUs);
  }

  /** In a batch in which others stand by, who lose their places as far as it needs that. */
  #displace(planned: PlannedBatch<T>, request: T, rows: number, flow: Flow<T>, nowUs: number): boolean {
    const seats = planned.queue.promisedSeats;
    if (!this.#inTime(planned, rows, request, flow, nowUs)) return false;
    while (planned.head !== planned.firm) {
      this.#evict(planned, nowUs);
      if (planned.requests === 0) return false;
      if (planned.rows + rows <= seats && this.#fits(planned, request, rows, flow, nowUs)) return true;
    }
    return false;
  }

  /** Whether no request of the queue with that deadline could have a place, whoever sends it. Changes nothing. */
  hopeless(queue: PlanQueue<T>, rows: number, deadlineUs: number, nowUs: number): boolean {
    const plan = this.#plan;
    plan.layOut(nowUs);
    if (queue.flows.several || plan.batches.length === 0) return false;
    const { curve } = queue.spec;
    const tail = plan.batches[plan.batches.length - 1] as PlannedBatch<T>;
    if (deadlineUs - curve.at(rows) < tail.latestStartUs) return false;
    for (let i = plan.batches.length - 1; i >= 0; i--) {
      const planned = plan.batches[i] as PlannedBatch<T>;
      if (planned.queue === queue && !planned.alone && planned.rows + rows <= queue.promisedSeats) return false;
    }
    this.predictedUs = plan.tailStartUs(queue) + curve.at(rows);
    return this.predictedUs > deadlineUs;
  }

  /** In the first promised batch that has room for it, in time for everybody. */
  #join(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): boolean {
    const { batches } = this.#plan;
    const rows = Math.max(1, request.rows);
    const seats = queue.promisedSeats;
    const quantum = queue.seated ? Math.max(1, flow.quantum) : Number.POSITIVE_INFINITY;
    for (let i = 0; i < batches.length; i++) {
      const planned = batches[i] as PlannedBatch<T>;
      if (planned.queue !== queue || planned.alone || planned.shapeKey !== request.shapeKey) continue;
      if (quantum < Number.POSITIVE_INFINITY && planned.rowsOf(flow) + rows > quantum) continue;
      if (planned.rows + rows <= seats && this.#fits(planned, request, rows, flow, nowUs)) return true;
      if (planned.head !== planned.firm && this.#displace(planned, request, rows, flow, nowUs)) return true;
    }
    return false;
  }

  #fits(planned: PlannedBatch<T>, request: T, rows: number, flow: Flow<T>, nowUs: number): boolean {
    const delayUs = planned.queue.spec.curve.at(planned.rows + rows) - planned.ownUs;
    if (delayUs > planned.spareUs || delayUs > planned.slackAfterUs) return false;
    if (!this.#inTime(planned, rows, request, flow, nowUs)) return false;
    planned.add(request, flow);
    this.#plan.grew(planned, nowUs);
    return true;
  }

  #behind(planned: PlannedBatch<T>, flow: Flow<T>, nowUs: number): boolean {
    this.#plan.putBehind(planned);
    if (!this.#inTime(planned, 0, planned.head as T, flow, nowUs)) return false;
    this.#plan.append(planned);
    return true;
  }

  /** Before what may start later than it; for a flow that takes less than its share, before all of its queue. */
  #ahead(planned: PlannedBatch<T>, flow: Flow<T>, nowUs: number): boolean {
    const plan = this.#plan;
    const urgent = plan.indexByUrgency(planned);
    const index = flow.light ? Math.min(urgent, plan.firstOf(planned.queue)) : urgent;
    if (index === plan.batches.length) return false;
    const before = plan.broken();
    plan.insert(planned, index);
    plan.layOut(nowUs);
    if (this.#holds(planned, nowUs) && plan.broken() <= before) return true;
    plan.remove(planned);
    plan.layOut(nowUs);
    return false;
  }

  /** Whether an inserted batch and those behind it keep their promises, guard included. */
  #holds(planned: PlannedBatch<T>, nowUs: number): boolean {
    const { batches } = this.#plan;
    if (planned.finishUs > planned.firstDeadlineUs) return false;
    for (let i = planned.index; i < batches.length; i++) {
      const behind = batches[i] as PlannedBatch<T>;
      if (behind.spareUs <= 0 && behind.startUs > nowUs) return false;
    }
    return true;
  }

  /**
   * Whether with `rows` more the batch ends in time for the request: with those who are expected to come until it starts,
   * with what is kept free, and with the time that is kept free for other flows.
   */
  #inTime(planned: PlannedBatch<T>, rows: number, request: T, flow: Flow<T>, nowUs: number): boolean {
    const { queue, startUs } = planned;
    const now = planned.rows + rows;
    const coming = queue.busyPerUs * Math.max(0, startUs - nowUs);
    const then = Math.max(now, Math.min(queue.batchRows, Math.floor(now + coming)));
    let latestUs = startUs;
    // On a free lane nothing is uncertain but the batch itself, and refusing would help nobody.
    if (startUs > nowUs) {
      this.#plan.foresee(planned, then, nowUs);
      latestUs = planned.foreseenUs;
      if (flow.yielded > 0) latestUs += ((startUs - nowUs) * flow.yielded) / (1 - flow.yielded);
    } else latestUs += queue.spec.curve.at(then);
    if (latestUs < this.predictedUs) this.predictedUs = latestUs;
    return latestUs <= request.deadlineUs;
  }
}
