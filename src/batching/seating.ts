/**
 * Admission by promise: finds a place in the plan for a request with a deadline, in time for it, for who travels with it and
 * for who comes behind; or finds that there is none. A place is found first and taken then: who asks at the door is told the
 * same as who comes in, and nobody loses his place to somebody who gets none.
 *
 * Three places are looked for: in a promised batch with room, in a new one behind all, in a new one ahead of what can wait. Who
 * is in time only if nobody else comes stands by, and is no promise: he gives way to who comes.
 */

import type { Flow } from './flow.ts';
import type { Plan } from './plan.ts';
import type { PlanQueue } from './plan-queue.ts';
import type { PlannedBatch } from './planned-batch.ts';
import type { RefusalKind, Traveller } from './travel.ts';

/**
 * Most batches of one queue in the plan, shared among the queues that have some, and the least that each may have: bounds what an
 * arrival costs.
 */
const MOST_PLANNED = 256;
const LEAST_PLANNED = 16;

/** Who stands by loses his place to another who does only where that has so much more time, as a share of what is usual. */
const NEWER = 0.01;

/** Where a crowd is expected, so many times the seats of a batch stand by in it, one after the other. */
const STANDING = 2;

/** What is looked for. One object, filled anew by every question. */
class Wish<T extends Traveller> {
  queue!: PlanQueue<T>;
  flow!: Flow<T>;
  /** Null where it is not known yet: any may do. */
  shapeKey: string | null = null;
  rows = 1;
  deadlineUs = 0;
  nowUs = 0;
  /** When the place that is looked at would start. Here, since a number that is handed on is made anew. */
  startUs = 0;
}

/** Gives out places in one plan. */
export class Seating<T extends Traveller> {
  readonly #plan: Plan<T>;
  readonly #dismiss: (request: T) => void;
  readonly #wish = new Wish<T>();
  /** The place found: the batch to join, or null and where a new one is to stand. */
  #planned: PlannedBatch<T> | null = null;
  #index = 0;
  #firm = true;
  /** Who loses his place to it: the first so many of a batch in which they stand by. */
  #evicted = 0;
  #evictedFrom: PlannedBatch<T> | null = null;
  /** Part of the crowd that may stand by, where who was asked about is one of it and it was not his turn; else 0. */
  #crowd = 0;
  /**
   * When the request last asked about would have been finished at best, guard included, of the places in which that is too late;
   * Infinity where only others stand in its way.
   */
  predictedUs = Number.POSITIVE_INFINITY;

  /** @param dismiss takes out a request that stood by */
  constructor(plan: Plan<T>, dismiss: (request: T) => void) {
    this.#plan = plan;
    this.#dismiss = dismiss;
  }

  /** Gives the request its place: null, or why there is none, and then nobody has lost his. */
  seat(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): RefusalKind | null {
    const wish = this.#wish;
    wish.shapeKey = request.shapeKey;
    wish.rows = Math.max(1, request.rows);
    wish.deadlineUs = request.deadlineUs;
    const kind = this.#find(queue, flow, nowUs);
    if (kind === null) this.#take(queue, flow, request, nowUs);
    else this.passOver(queue);
    return kind;
  }

  /** Whoever was asked about last is refused: of a crowd one of so many is next to stand by. */
  passOver(queue: PlanQueue<T>): void {
    queue.standing += this.#crowd;
  }

  /** Why a request of whatever shape would get no place; null where it would get one. Changes nothing. */
  foresee(queue: PlanQueue<T>, flow: Flow<T>, rows: number, deadlineUs: number, nowUs: number): RefusalKind | null {
    const wish = this.#wish;
    wish.shapeKey = null;
    wish.rows = rows;
    wish.deadlineUs = deadlineUs;
    return this.#find(queue, flow, nowUs);
  }

  /** A place for the wish, of which the rest is known. */
  #find(queue: PlanQueue<T>, flow: Flow<T>, nowUs: number): RefusalKind | null {
    this.#plan.layOut(nowUs);
    this.predictedUs = Number.POSITIVE_INFINITY;
    this.#crowd = 0;
    const wish = this.#wish;
    wish.queue = queue;
    wish.flow = flow;
    wish.nowUs = nowUs;
    // Whoever takes less than his share need not stand behind those who take more: where batches have no seats kept for him he goes
    // ahead of all but the next.
    const hurried = flow.light && !queue.seated && this.#plan.batches.length > 0;
    if (queue.mostRows > 0 && this.#findSeat(wish, hurried ? 1 : this.#plan.batches.length)) return null;
    const bounded = this.#isFull(wish);
    const full = bounded || (queue.heavy && this.#hasItsPart(wish));
    if (queue.light && !full && this.#findPast(wish)) return null;
    if (hurried && !full && this.#findAhead(wish)) return null;
    if (hurried && queue.mostRows > 0 && this.#findSeat(wish, this.#plan.batches.length)) return null;
    if (!full && (this.#findBehind(wish) || this.#findAhead(wish) || this.#findCleared(wish))) return null;
    if (queue.mostRows > 0 && this.#findStandBy(wish, full)) return null;
    return bounded ? 'queueRows' : 'busy';
  }

  #take(queue: PlanQueue<T>, flow: Flow<T>, request: T, nowUs: number): void {
    const plan = this.#plan;
    if (!this.#firm) queue.standing = Math.max(0, queue.standing - 1);
    let planned = this.#planned;
    if (planned === null) {
      // It is to have the lane that was looked at: where others keep theirs, any other would be taken from them. So who gives way to
      // it goes before it is laid out, and it is laid out before anybody else can go.
      if (this.#evicted > 0) {
        this.#evict();
        plan.layOut(nowUs);
      }
      planned = plan.vacant(queue, request.shapeKey, false);
      planned.add(request, flow, this.#firm);
      if (this.#index < 0) plan.append(planned);
      else {
        plan.insert(planned, this.#index);
        plan.layOut(nowUs);
      }
    } else {
      planned.add(request, flow, this.#firm);
      plan.grew(planned, nowUs);
    }
    // The newcomer is in first: a batch of which everybody gives way to him stays where it is.
    this.#evict();
  }

  /** Who loses his place to the newcomer is dismissed. */
  #evict(): void {
    const from = this.#evictedFrom;
    for (; from !== null && this.#evicted > 0; this.#evicted--) this.#dismiss(from.head as T);
  }

  #found(planned: PlannedBatch<T> | null, index: number, firm: boolean): true {
    this.#planned = planned;
    this.#index = index;
    this.#firm = firm;
    this.#evicted = 0;
    this.#evictedFrom = null;
    return true;
  }

  /** The place found costs others theirs. */
  #foundAtCost(planned: PlannedBatch<T> | null, firm: boolean, from: PlannedBatch<T>, evicted: number): true {
    this.#found(planned, -1, firm);
    this.#evicted = evicted;
    this.#evictedFrom = from;
    return true;
  }

  /** In the first promised batch that has room for it, in time for everybody. @param most of those that it suits are looked at */
  #findSeat(wish: Wish<T>, most: number): boolean {
    const { queue, flow, rows } = wish;
    const { batches } = this.#plan;
    const seats = queue.promisedSeats;
    const shared = queue.seated || (flow.catchUpUs > 0 && flow.aheadUs > 0);
    const quantum = shared ? Math.max(1, flow.quantum) : Number.POSITIVE_INFINITY;
    let looked = 0;
    for (let i = 0; i < batches.length && looked < most; i++) {
      const planned = batches[i] as PlannedBatch<T>;
      if (!suits(planned, wish)) continue;
      looked++;
      if (planned.rowsOf(flow) + rows > quantum) continue;
      if (planned.rows + rows <= seats && this.#fits(planned, wish)) return this.#found(planned, -1, true);
      const evicted = planned.head === planned.firm ? 0 : this.#giveWay(planned, wish, true);
      if (evicted > 0) return this.#foundAtCost(planned, true, planned, evicted);
    }
    return false;
  }

  #fits(planned: PlannedBatch<T>, wish: Wish<T>): boolean {
    const { curve } = wish.queue.spec;
    const delayUs = curve.at(planned.rows + wish.rows) - curve.at(planned.rows);
    if (delayUs > planned.spareUs || delayUs > planned.slackAfterUs) return false;
    wish.startUs = planned.startUs;
    return this.#inTime(planned.rows, wish);
  }

  #findBehind(wish: Wish<T>): boolean {
    wish.startUs = this.#plan.tailStartUs(wish.queue);
    return this.#inTime(0, wish) && this.#found(null, -1, true);
  }

  /** Before what may start later than it; for a flow that takes less than its share, as far ahead in its queue as there is time. */
  #findAhead(wish: Wish<T>): boolean {
    const { queue, flow, rows, deadlineUs } = wish;
    const plan = this.#plan;
    const index = plan.indexByUrgency(deadlineUs - queue.spec.curve.at(rows));
    const first = plan.firstOf(queue);
    if (!flow.light || first >= index) return this.#goesAhead(wish, index);
    for (let ahead = plan.batches.length - first; ahead > 0; ahead >>= 1) {
      if (this.#goesAhead(wish, plan.batches.length - ahead)) return true;
    }
    return false;
  }

  /** As far ahead of those of models that want more than their part as there is time: see lane-shares.ts. */
  #findPast(wish: Wish<T>): boolean {
    const { length } = this.#plan.batches;
    const first = this.#plan.indexPast(wish.queue);
    for (let behind = 0; first + behind < length; behind = Math.max(1, 2 * behind)) {
      if (this.#goesAhead(wish, first + behind)) return true;
    }
    return false;
  }

  /** Before the batch that stands there. */
  #goesAhead({ queue, rows, deadlineUs, nowUs }: Wish<T>, index: number): boolean {
    if (index >= this.#plan.batches.length) return false;
    let latestUs = this.#plan.finishAheadUs(queue, rows, deadlineUs, index, nowUs);
    if (queue.heavy) latestUs += keptFree(queue, latestUs - queue.spec.curve.at(rows) - nowUs);
    if (latestUs <= deadlineUs) return this.#found(null, index, true);
    this.predictedUs = Math.min(this.predictedUs, latestUs);
    return false;
  }

  /** Instead of those of others who stand by. */
  #findCleared(wish: Wish<T>): boolean {
    const last = this.#plan.batches.at(-1);
    if (last === undefined || last.firm !== null) return false;
    // Whose shape is not known yet may be of another one.
    if (wish.shapeKey !== null && suits(last, wish)) return false;
    if (!wish.queue.lanes.includes(last.lane) || !yields(last, last.requests, Number.POSITIVE_INFINITY, wish))
      return false;
    wish.startUs = last.startUs;
    return this.#inTime(0, wish) && this.#foundAtCost(null, true, last, last.requests);
  }

  /**
   * Where a request is in time only if nobody comes any more to make its batch longer, it stands by: it keeps its place until
   * somebody comes with whom the batch can become larger. So the last of a burst are served, in smaller batches.
   */
  #findStandBy(wish: Wish<T>, full: boolean): boolean {
    const { queue, rows, deadlineUs } = wish;
    const last = this.#plan.batches.at(-1);
    const joins = last !== undefined && last.firm === null && suits(last, wish);
    if (!joins && full) return false;
    // Seats that are kept for others are not taken by standing by in them.
    if (joins && queue.seated && last.rowsOf(wish.flow) + rows > Math.max(1, wish.flow.quantum)) return false;
    wish.startUs = joins ? last.startUs : this.#plan.tailStartUs(queue);
    if (this.#isCrowded(wish)) return false;
    if (!joins) return this.#endUs(wish, rows) <= deadlineUs && this.#found(null, -1, false);
    const { curve } = queue.spec;
    const delayUs = curve.at(last.rows + rows) - curve.at(last.rows);
    const holds = this.#endUs(wish, last.rows + rows) <= deadlineUs;
    if (holds && last.rows + rows <= queue.promisedSeats && delayUs <= last.spareUs)
      return this.#found(last, -1, false);
    const evicted = this.#giveWay(last, wish, false);
    return evicted > 0 && this.#foundAtCost(last, false, last, evicted);
  }

  /**
   * Whether so many are expected until the batch starts, all of them with more time, that who stands by in it will hardly keep
   * his place. Of them only a few times as many are let in as the batch has seats: when nobody comes any more after all, it is full.
   */
  #isCrowded({ queue, nowUs, startUs }: Wish<T>): boolean {
    const share = (STANDING * queue.promisedSeats) / (queue.comingPerUs * (startUs - nowUs));
    if (!(share < 1) || queue.standing >= 1) return false;
    this.#crowd = share;
    return true;
  }

  /**
   * How many of those who stand by in the batch, the first of them, have to leave it so that there is a place in time; 0 where that
   * does not help. Who is in time together with the newcomer stays.
   */
  #giveWay(planned: PlannedBatch<T>, wish: Wish<T>, firm: boolean): number {
    let staying = 0;
    let left = 0;
    let leftDeadlineUs = Number.POSITIVE_INFINITY;
    let promised = planned.firm !== null;
    if (!promised && !this.#holds(planned, 0, leftDeadlineUs, wish, firm)) return 0;
    for (let request = planned.tail; request !== null; request = request.previous) {
      left += Math.max(1, request.rows);
      leftDeadlineUs = Math.min(leftDeadlineUs, request.deadlineUs);
      if (!this.#holds(planned, left, leftDeadlineUs, wish, firm)) {
        if (promised) return 0;
        break;
      }
      staying++;
      if (request === planned.firm) promised = false;
    }
    const evicted = planned.requests - staying;
    const olderUs = firm ? Number.POSITIVE_INFINITY : wish.deadlineUs - NEWER * wish.queue.budgetUs;
    return yields(planned, evicted, olderUs, wish) ? evicted : 0;
  }

  /** Whether the batch is in time for the newcomer, for `left` rows that stay in it, and for who comes behind. */
  #holds(planned: PlannedBatch<T>, left: number, leftDeadlineUs: number, wish: Wish<T>, firm: boolean): boolean {
    const { queue, rows, deadlineUs } = wish;
    const { curve } = queue.spec;
    wish.startUs = planned.startUs;
    if (left > 0 && left + rows > queue.promisedSeats) return false;
    const delayUs = curve.at(left + rows) - curve.at(planned.rows);
    if (delayUs > planned.slackAfterUs) return false;
    const endUs = this.#endUs(wish, left + rows);
    return endUs <= leftDeadlineUs && (firm ? this.#inTime(left, wish) : endUs <= deadlineUs);
  }

  /** When a batch of so many rows that starts then would be finished, guard included. */
  #endUs({ queue, deadlineUs, nowUs, startUs }: Wish<T>, rows: number): number {
    const ownUs = queue.spec.curve.at(rows);
    const marginUs = this.#plan.marginUs(queue, startUs + ownUs, ownUs, deadlineUs, nowUs);
    return startUs + ownUs + marginUs + keptFree(queue, startUs - nowUs);
  }

  /**
   * Whether the batches that the queue has in the plan and one more for the newcomer are more than its part of his time. Who takes
   * less than his share of it is not to be kept out by who takes more.
   */
  #hasItsPart({ queue, flow, rows, deadlineUs, nowUs }: Wish<T>): boolean {
    const { plannedUs, lanes, part, mostRows, batchRows } = queue;
    if (plannedUs === 0 || part === 1 || flow.light) return false;
    const fullUs = queue.spec.curve.at(mostRows > 0 ? Math.max(rows, batchRows) : rows);
    const latestUs = nowUs + (plannedUs + fullUs) / (lanes.length * part * (1 - flow.yielded));
    if (latestUs <= deadlineUs) return false;
    this.predictedUs = Math.min(this.predictedUs, latestUs);
    return true;
  }

  /** Whether the queue, or the flow beside others, has as many batches in the plan as it may. One that starts now is never too many. */
  #isFull({ queue, flow, nowUs }: Wish<T>): boolean {
    if (queue.planned < LEAST_PLANNED / 2) return false;
    let queues = 0;
    for (const { planned } of this.#plan.queues) if (planned > 0) queues++;
    const most = Math.max(LEAST_PLANNED, Math.floor(MOST_PLANNED / queues));
    const full = queue.planned >= most || queue.flows.overfills(queue.planned + 1, flow.planned + 1, most);
    return full && this.#plan.tailStartUs(queue) > nowUs;
  }

  /**
   * Whether the newcomer's batch of `rows` without him ends in time for him: with those who are expected to come until it starts,
   * with what is kept free, and with the time that is kept free for other flows.
   */
  #inTime(rows: number, { queue, flow, rows: more, deadlineUs, nowUs, startUs }: Wish<T>): boolean {
    const { curve } = queue.spec;
    const now = rows + more;
    const coming = queue.comingPerUs * Math.max(0, startUs - nowUs);
    const ownUs = curve.at(Math.max(now, Math.min(queue.batchRows, Math.floor(now + coming))));
    let latestUs = startUs + ownUs;
    // On a free lane nothing is uncertain but the batch itself, and refusing would help nobody.
    if (startUs > nowUs) {
      latestUs += this.#plan.marginUs(queue, latestUs, ownUs, deadlineUs, nowUs);
      if (flow.catchUpUs > 0) latestUs += flow.waitUs(deadlineUs - latestUs);
      if (flow.yielded > 0) latestUs += ((startUs - nowUs) * flow.yielded) / (1 - flow.yielded);
      if (queue.heavy) latestUs += keptFree(queue, startUs - nowUs);
    }
    if (latestUs <= deadlineUs) return true;
    if (latestUs < this.predictedUs) this.predictedUs = latestUs;
    return false;
  }
}

/** Time of the next `untilUs` that is kept free for other models. */
function keptFree<T extends Traveller>({ heavy, keptUs, yielded }: PlanQueue<T>, untilUs: number): number {
  if (!heavy || !(untilUs > 0)) return 0;
  return yielded > 0 ? Math.max(keptUs, (untilUs * yielded) / (1 - yielded)) : keptUs;
}

/** Whether the request could travel in the batch. */
function suits<T extends Traveller>({ queue, alone, shapeKey }: PlannedBatch<T>, wish: Wish<T>): boolean {
  return queue === wish.queue && !alone && (wish.shapeKey === null || wish.shapeKey === shapeKey);
}

/**
 * Whether the first so many of the batch, all with deadlines up to then, may lose their places to the newcomer: shares of time are
 * not to be got round by that.
 */
function yields<T extends Traveller>(
  planned: PlannedBatch<T>,
  count: number,
  untilUs: number,
  { flow }: Wish<T>,
): boolean {
  let request = planned.head;
  for (let i = 0; i < count && request !== null; i++, request = request.next) {
    if (request.deadlineUs > untilUs || !precedes(flow, request.flow as Flow<T>)) return false;
  }
  return true;
}

/** A lighter flow comes before others; among equals who had less of its part, or where nobody is compared a better class or the same. */
function precedes<T extends Traveller>(flow: Flow<T>, other: Flow<T>): boolean {
  if (flow === other) return true;
  if (flow.light !== other.light) return flow.light;
  return flow.catchUpUs > 0 ? flow.aheadUs < other.aheadUs : flow.priority <= other.priority;
}
