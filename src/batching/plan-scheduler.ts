/**
 * The scheduler: predictive admission over a plan of batches, natural batching, learned sizes. A deterministic state machine
 * without I/O and without a clock: every call is one event.
 *
 * Rules: work-conserving, no batching delay. A free lane takes what is planned first; where several are free they share it.
 * Whoever has a deadline is promised a batch when he arrives, stands by, or is refused at once. What is promised is not broken by
 * later arrivals; who stands by is in time only if nobody else comes, and that is no promise: he is refused as soon as somebody
 * comes who needs his place. Best effort fills the batches and has a share of its own. A batch never mixes shape keys, never
 * exceeds its size (a larger request runs alone), and a request is never split.
 */

import type { SchedulerView } from '../core/scheduling.ts';
import { type Boarded, Boarding } from './boarding.ts';
import { Debt } from './debt.ts';
import { Door } from './door.ts';
import type { Flow } from './flow.ts';
import type { BatchReason } from './journal.ts';
import { LaneRecord } from './lane-record.ts';
import { LaneShares } from './lane-shares.ts';
import { Lateness } from './lateness.ts';
import { Plan } from './plan.ts';
import { PlanQueue } from './plan-queue.ts';
import type { PlannedBatch } from './planned-batch.ts';
import { Refusals } from './refusals.ts';
import { Seating } from './seating.ts';
import type { Batch, QueueSpec, Refusal, Scheduler, Traveller } from './travel.ts';

/** Up to so many times the size that pays everybody travels along: the few left behind would be a batch that does not pay. */
const REMAINDER = 1.5;

/** What runs. */
interface RunningBatch<T extends Traveller> extends Batch<T, PlanQueue<T>> {
  /** Rows in it that nobody promised a time. */
  readonly bestEffortRows: number;
  /** Whether it is a trial, or runs again because another batch failed. */
  readonly alone: boolean;
}

/** See the head of this file. */
export class PlanScheduler<T extends Traveller> implements Scheduler<T, PlanQueue<T>> {
  readonly lanes: (RunningBatch<T> | null)[];
  readonly up: boolean[];
  readonly #records: readonly LaneRecord<T>[];
  readonly #plan: Plan<T>;
  readonly #seating: Seating<T>;
  readonly #boarding: Boarding<T>;
  readonly #lateness: Lateness<T>;
  readonly #refusals: Refusals<T>;
  readonly #door: Door<T>;
  /** Who stood by and lost his place to somebody else, until the next batch is asked for: linked, first and last. */
  #displaced: T | null = null;
  #lastDisplaced: T | null = null;
  readonly #debt: Debt<T>;
  readonly #shares: LaneShares<T>;

  /** @param lanes how many there are; all of them free and up */
  constructor(lanes: number) {
    this.lanes = new Array(lanes).fill(null);
    this.up = new Array(lanes).fill(true);
    this.#records = Array.from({ length: lanes }, () => new LaneRecord<T>());
    this.#plan = new Plan({ running: this.lanes, up: this.up, records: this.#records }, lanes);
    this.#debt = new Debt(this.#plan, lanes);
    this.#shares = new LaneShares(this.#plan.queues, lanes);
    this.#seating = new Seating(this.#plan, (request) => this.#dismiss(request));
    this.#boarding = new Boarding(this.#plan);
    this.#lateness = new Lateness(this.#plan, (request) => this.cancel(request));
    this.#refusals = new Refusals(this.#plan, this.#seating, this.lanes, this.up);
    this.#door = new Door(this.#seating, this.#refusals);
  }

  open(spec: QueueSpec): PlanQueue<T> {
    const queue = new PlanQueue<T>(spec);
    this.#plan.queues.push(queue);
    this.#shares.changed();
    this.#plan.changed();
    return queue;
  }

  close(queue: PlanQueue<T>): void {
    if (queue.length > 0) throw new Error('a queue with waiting requests cannot be removed');
    const index = this.#plan.queues.indexOf(queue);
    if (index >= 0) this.#plan.queues.splice(index, 1);
    this.#shares.changed();
  }

  setLanes(queue: PlanQueue<T>, lanes: readonly number[], mostRows: number, nowUs: number): void {
    queue.setLanes(lanes, mostRows, nowUs);
    this.#shares.changed();
    this.#plan.changed();
  }

  setUp(lane: number, up: boolean): void {
    this.up[lane] = up;
    this.#record(lane).interrupted();
    this.#plan.changed();
  }

  foresee(
    queue: PlanQueue<T>,
    tenant: string,
    rows: number,
    bytes: number,
    deadlineUs: number,
    nowUs: number,
  ): Refusal | null {
    return this.#door.foresee(queue, tenant, rows, bytes, deadlineUs, nowUs);
  }

  arrive(queue: PlanQueue<T>, request: T, nowUs: number): Refusal | null {
    const refusals = this.#refusals;
    const { deadlineUs } = request;
    refusals.deadlineUs = deadlineUs;
    const rows = Math.max(1, request.rows);
    const promised = deadlineUs !== Number.POSITIVE_INFINITY;
    const flow = queue.flows.of(request);
    request.flow = flow;
    queue.came(rows);
    queue.offers(rows, promised, nowUs);
    queue.flows.offer(flow, rows, promised, nowUs);
    const refusal = refusals.bounded(queue, rows, request.bytes, nowUs);
    if (refusal !== null) return refusal;
    if (queue.flows.crowds(flow, rows, promised, queue.rows, queue.spec.queueRows)) {
      return refusals.refuse(queue, 'queueRows', nowUs, 'tenantRows');
    }
    if (queue.length === 0) queue.waitingSinceUs = nowUs;
    if (!promised) this.#waitFreely(queue, flow, request);
    else {
      queue.callers.learn(request, flow, nowUs);
      if (refusals.aloneUs > deadlineUs) this.#seatAlone(queue, flow, request, 0).trial = true;
      else {
        const kind = this.#seating.seat(queue, flow, request, nowUs);
        if (kind !== null) return refusals.unseated(queue, kind, nowUs);
      }
      flow.promisedRequests++;
      flow.promisedRows += rows;
      queue.flows.promise(flow, rows);
    }
    if (queue.length === 0 && queue.turnaround.us > 0) this.#expectBatch(queue, request.arrivalUs, nowUs);
    request.state = 'WAITING';
    queue.count(request, 1);
    queue.admitted++;
    if (promised) this.#giveWay(queue, flow);
    return null;
  }

  retryAlone(queue: PlanQueue<T>, request: T): void {
    request.alone = true;
    request.state = 'WAITING';
    queue.retries++;
    // Its flow may have been forgotten while nothing of it waited.
    const flow = queue.flows.of(request);
    request.flow = flow;
    if (request.deadlineUs === Number.POSITIVE_INFINITY) this.#waitFreely(queue, flow, request);
    else {
      flow.promisedRequests++;
      flow.promisedRows += Math.max(1, request.rows);
      const latestStartUs = request.deadlineUs - queue.spec.curve.at(Math.max(1, request.rows));
      this.#seatAlone(queue, flow, request, this.#plan.indexOfReturn(latestStartUs));
    }
    queue.count(request, 1);
  }

  /** Among those to whom no time is promised. */
  #waitFreely(queue: PlanQueue<T>, flow: Flow<T>, request: T): void {
    if (!queue.waits) {
      this.#debt.enter(queue);
      this.#plan.changed();
    }
    queue.bestEffort.push(flow, request);
  }

  /** In a batch of its own, before the one at `index`. */
  #seatAlone(queue: PlanQueue<T>, flow: Flow<T>, request: T, index: number): PlannedBatch<T> {
    const planned = this.#plan.vacant(queue, request.shapeKey, true);
    planned.add(request, flow);
    this.#plan.insert(planned, index);
    return planned;
  }

  cancel(request: T): void {
    if (request.state === 'WAITING') {
      const flow = request.flow as Flow<T>;
      if (request.deadlineUs !== Number.POSITIVE_INFINITY) flow.queue.flows.promise(flow, -Math.max(1, request.rows));
      this.#boarding.takeOut(request);
    }
    request.state = 'ENDED';
  }

  next(nowUs: number, expired: T[], displaced = expired): RunningBatch<T> | null {
    this.#tellDisplaced(displaced);
    for (let lane = 0; lane < this.lanes.length; lane++) {
      if (this.lanes[lane] !== null || !this.up[lane]) continue;
      const batch = this.#nextOn(lane, nowUs, expired);
      if (batch !== null) return batch;
    }
    return null;
  }

  finish(batch: Batch<T, PlanQueue<T>>, nowUs: number, ran: boolean): void {
    const running = this.lanes[batch.lane];
    if (running !== batch) throw new Error(`lane ${batch.lane} does not run this batch`);
    this.lanes[batch.lane] = null;
    this.#record(batch.lane).ended(batch, nowUs, ran);
    this.#plan.changed();
    const { queue, rows } = batch;
    queue.ended(nowUs);
    this.#debt.settle(running, running.bestEffortRows, nowUs);
    if (!ran) return;
    const tookUs = nowUs - batch.startedUs;
    const expectedUs = queue.spec.curve.at(rows);
    queue.spec.curve.observe(rows, tookUs);
    this.#shares.refresh(queue, nowUs);
    queue.served.add(this.#lateness.judge(batch, running.alone, nowUs), nowUs);
    queue.ran(rows, tookUs, expectedUs, nowUs);
  }

  sweep(nowUs: number, expired: T[]): void {
    for (const planned of [...this.#plan.batches]) {
      for (let request = planned.head; request !== null; ) {
        const following: T | null = request.next;
        if (request.deadlineUs <= nowUs) this.#lateness.end(planned.queue, request, expired);
        request = following;
      }
    }
    for (const batch of this.lanes) {
      if (batch === null) continue;
      for (const request of batch.requests) {
        if (request.state === 'RUNNING' && request.deadlineUs <= nowUs)
          this.#lateness.end(batch.queue, request, expired);
      }
    }
  }

  clear(queue: PlanQueue<T>, ended: T[]): void {
    const take = (request: T): void => {
      this.cancel(request);
      ended.push(request);
    };
    for (const planned of this.#plan.batches.filter((batch) => batch.queue === queue)) {
      while (planned.head !== null) take(planned.head);
    }
    for (const flow of queue.flows.all()) while (flow.head !== null) take(flow.head);
  }

  view(queue: PlanQueue<T>, nowUs: number): SchedulerView {
    const oldest = this.#oldestPromised(queue);
    const share = this.#shares.shareOf(queue, nowUs);
    const left = this.#shares.leftFor(queue, nowUs);
    return queue.view(nowUs, (flow) => oldest.get(flow) ?? Number.POSITIVE_INFINITY, share, left);
  }

  /** Who comes to free lanes is taken, whatever they wait for; others after him know when his batch is to be expected. */
  #expectBatch(queue: PlanQueue<T>, arrivalUs: number, nowUs: number): void {
    const startUs = nowUs + queue.turnaround.begin(nowUs - arrivalUs);
    for (const lane of queue.lanes) {
      if (this.lanes[lane] === null) this.#record(lane).expect(startUs);
    }
    this.#plan.changed();
  }

  /** Best effort that waits gives way to somebody who was promised a place, the newest first. */
  #giveWay(queue: PlanQueue<T>, flow: Flow<T>): void {
    const { spec, bestEffort } = queue;
    while (bestEffort.requests > 0 && (queue.rows > this.#refusals.mostRows(queue) || queue.bytes > spec.queueBytes)) {
      this.#dismiss(flow.tail ?? (bestEffort.last() as T));
    }
  }

  /** Who has waited for a place that somebody else has now is refused. */
  #dismiss(request: T): void {
    const { queue } = request.place as PlannedBatch<T> | Flow<T>;
    this.cancel(request);
    queue.displaced++;
    if (this.#lastDisplaced === null) this.#displaced = request;
    else this.#lastDisplaced.next = request;
    this.#lastDisplaced = request;
  }

  #tellDisplaced(displaced: T[]): void {
    for (let request = this.#displaced; request !== null; ) {
      const following: T | null = request.next;
      request.next = null;
      displaced.push(request);
      request = following;
    }
    this.#displaced = null;
    this.#lastDisplaced = null;
  }

  #nextOn(lane: number, nowUs: number, expired: T[]): RunningBatch<T> | null {
    for (;;) {
      const planned = this.#plan.firstFor(lane, nowUs);
      const free = this.#debt.creditor(lane);
      const limit = free === null ? 0 : this.#limit(free);
      const room = free === null || planned === null ? limit : this.#debt.due(free, lane, limit, nowUs);
      if (free !== null && room > 0) {
        const boarded = this.#boarding.bestEffort(free, room, nowUs);
        return this.#start(free, lane, boarded, nowUs, boarded.requests[0]?.alone ? 'alone' : null);
      }
      if (planned === null) return null;
      if (!this.#lateness.drop(planned, nowUs, expired)) {
        // A wait that nobody outlasted is learned from all the same: else it would be promised for ever.
        this.#record(lane).waited(planned.queue, nowUs);
        continue;
      }
      const most = planned.alone ? planned.rows : this.#limit(planned.queue);
      const boarded = this.#boarding.promised(planned, lane, most, nowUs);
      const why = planned.trial ? 'trial' : planned.alone ? 'alone' : null;
      return this.#start(planned.queue, lane, boarded, nowUs, why);
    }
  }

  #start(
    queue: PlanQueue<T>,
    lane: number,
    { requests, rows, bestEffortRows, oldestUs }: Boarded<T>,
    nowUs: number,
    why: BatchReason | null,
  ): RunningBatch<T> {
    const alone = why !== null;
    const batch: RunningBatch<T> = { queue, lane, requests, rows, startedUs: nowUs, bestEffortRows, alone };
    this.lanes[lane] = batch;
    const free = this.#record(lane).started(batch);
    queue.started(nowUs);
    this.#plan.changed();
    const reason = why ?? this.#reason(queue, rows);
    queue.journal.batch(nowUs, rows, nowUs - oldestUs, free, lane, queue.length, reason);
    return batch;
  }

  #record(lane: number): LaneRecord<T> {
    return this.#records[lane] as LaneRecord<T>;
  }

  /** Rows of a batch now: the size that pays, a share where several lanes are free, or all where little would be left behind. */
  #limit(queue: PlanQueue<T>): number {
    const { batchRows, rows, mostRows } = queue;
    const share = Math.max(1, Math.ceil(rows / Math.max(1, this.#refusals.freeLanes(queue))));
    return share <= Math.max(batchRows, Math.min(REMAINDER * batchRows, mostRows)) ? share : batchRows;
  }

  #reason(queue: PlanQueue<T>, rows: number): BatchReason {
    if (queue.length === 0) return 'all';
    if (rows >= queue.batchRows) return 'full';
    return this.#refusals.freeLanes(queue) > 0 ? 'share' : 'deadline';
  }

  /** Arrival of each flow's oldest promised request. */
  #oldestPromised(queue: PlanQueue<T>): Map<unknown, number> {
    const oldest = new Map<unknown, number>();
    for (const planned of this.#plan.batches) {
      if (planned.queue !== queue) continue;
      for (let request = planned.head; request !== null; request = request.next) {
        const { flow, arrivalUs } = request;
        oldest.set(flow, Math.min(oldest.get(flow) ?? arrivalUs, arrivalUs));
      }
    }
    return oldest;
  }
}
