/** The requests of one model version that wait, and everything that the scheduler knows of that version. */

import type { SchedulerView, TargetSource } from '../core/scheduling.ts';
import { BestEffort } from './best-effort.ts';
import { Callers } from './callers.ts';
import { kneeOf } from './curve.ts';
import { DEMAND_MEMORY_US, type Flow } from './flow.ts';
import { Flows, LEAST_SHARED_ROWS } from './flows.ts';
import { Guard } from './guard.ts';
import { Journal } from './journal.ts';
import type { PlannedBatch } from './planned-batch.ts';
import { Rate } from './rate.ts';
import type { Shareable } from './shares.ts';
import { type SizingInput, sizeBatch, sizeToExplore, steadyCapacity } from './sizing.ts';
import type { Queue, QueueSpec, Traveller } from './travel.ts';
import { Trials } from './trials.ts';
import { Turnaround } from './turnaround.ts';
import type { TakesTurns } from './turns.ts';

/** Part of the time that best effort is given while requests with deadlines want all of it. */
export const BEST_EFFORT_SHARE = 0.1;

/** Batches after which the size is looked at again, whatever the curve says. */
const RESIZE_BATCHES = 16;

/** More than so much of the capacity is more than can be served, and for so many targets it may come again. */
const SATURATED = { from: 1.05, targets: 50 };

/**
 * From this part of the capacity on a flood is felt; batches are sized then as if so many times a row were the target, but never so
 * short that less than `least` of the capacity is left, or than so many times what those who take little need.
 */
const CONTENDED = { from: 0.8, times: 6, least: 0.6, needed: 1.2, most: 0.97 };

/** A rate offered that differs by this factor is worth another look at the size. */
const OTHERWISE = 1.3;

/** Batches for which an unknown size is tried. */
const EXPLORED_BATCHES = 6;

/** What is offered is seen over so many targets, microseconds within bounds; what was served over this. */
const RATE_MEMORY = { targets: 6, leastUs: 2_000, mostUs: 1_000_000 };
const SERVED_MEMORY_US = 250_000;

/** What is wanted is seen over so many of its batches at least: one request of a slow model is no flood. */
const WANTED_BATCHES = 16;

/** A row alone that takes more than this part of a batch's time is no batch to go ahead in. */
const DEAR_ALONE = 0.5;

/** How fast the rows that a request usually brings are followed. */
const USUAL_GAIN = 0.02;

/** A target where nobody states one: so many times a row alone, and at least this. */
const MEASURED_TARGET = { times: 10, leastUs: 5_000 };

/** See the head of this file. The scheduler's alone; others see a Queue. */
export class PlanQueue<T extends Traveller> implements Queue, TakesTurns {
  readonly spec: QueueSpec;
  lanes: readonly number[];
  /** Most rows that a batch may have where it runs now; 0 where requests never share one. */
  mostRows: number;
  rows = 0;
  bytes = 0;
  length = 0;
  /** Rows that a request usually brings: for those whose body nobody has read. */
  usualRows = 1;
  /** Its batches in the plan. */
  planned = 0;
  retries = 0;
  lost = false;
  /** Since when there has been somebody who waits; means nothing while there is nobody. */
  waitingSinceUs = 0;
  readonly flows: Flows<T> = new Flows<T>(this);
  /** A batch that has left and can be planned again, and by its link the others: so that an arrival makes none. The plan's. */
  vacant: PlannedBatch<T> | null = null;
  readonly bestEffort = new BestEffort<T>();
  readonly callers = new Callers(RATE_MEMORY.mostUs);
  readonly guard = new Guard();
  readonly trials = new Trials();
  readonly turnaround = new Turnaround();
  readonly journal = new Journal();
  readonly offered = new Rate(RATE_MEMORY.mostUs);
  readonly served = new Rate(SERVED_MEMORY_US);
  /** Offered while its batches ran: what bursts bring, whatever the silence between them. Rows per microsecond. */
  busyPerUs = 0;
  /** Of these the ones with deadlines. */
  comingPerUs = 0;
  /** Requests of a crowd that may stand by next: see seating.ts. */
  standing = 0;
  /** Rows with deadlines that are offered. */
  readonly wanted = new Rate(DEMAND_MEMORY_US);
  /** The part of each of its lanes' time that it wants: see lane-shares.ts, as for what follows. */
  want = 0;
  /** The part of its lanes' time that it has if it wants all of it, and as of when. */
  share = 1;
  sharedUs = Number.NEGATIVE_INFINITY;
  /** Whether it wants less than its part beside a model that wants more, or is such a one. */
  light = false;
  heavy = false;
  /** Part of the plan's time that its batches may take. */
  part = 1;
  /** Part of the time that is kept free for other models, and at least that of a batch of theirs, microseconds. */
  yielded = 0;
  keptUs = 0;
  /** What its batches in the plan take. True where the layout is. */
  plannedUs = 0;
  /** Most rows of a batch now, and the rows per microsecond served so. */
  batchRows = 1;
  capacityPerUs = 0;
  /** How much longer than its own time a batch counts in the plan, because best effort is given a share. */
  stretch = 1;
  /** What best effort's seats add to a batch when the plan was laid out. */
  seatsRatio = 0;
  /** Time that is left before each of its promised batches for a batch that best effort is owed, microseconds. */
  reservedUs = 0;
  /** The guard's ratio when the plan was laid out. */
  guardRatio = 0;
  /** Time from arrival to deadline that requests typically have, microseconds. */
  budgetUs = 0;
  /** Batches run. */
  batches = 0;
  admitted = 0;
  displaced = 0;
  refused = 0;
  impossible = 0;
  late = 0;
  /** Time its best effort had, microseconds, for fairness between models. */
  virtual = 0;
  /** Time from arrival to deadline that callers have for whom batches are sized; 0 while none has named one. */
  #callersUs = 0;
  #running = 0;
  #busyFromUs = Number.NEGATIVE_INFINITY;
  #busyRows = 0;
  #comingRows = 0;
  #sizedRevision = -1;
  #sizedOffered = 0;
  #sizedUs = 0;
  #sizedShare = 1;
  #saturatedUntilUs = Number.NEGATIVE_INFINITY;
  /** Full batches since the size was looked at; batches for which another one is tried. */
  #full = 0;
  #exploring = 0;

  constructor(spec: QueueSpec) {
    this.spec = spec;
    this.lanes = inOrder(spec.lanes);
    this.mostRows = spec.maxBatchRows;
    this.#resize(0);
  }

  /** Whether best effort of it waits. */
  get waits(): boolean {
    return this.bestEffort.requests > 0;
  }

  /** Time that a row takes of a full batch. */
  get rowUs(): number {
    return this.spec.curve.at(this.batchRows) / this.batchRows;
  }

  get drainUs(): number {
    return this.rows / Math.max(this.capacityPerUs, 1e-9);
  }

  /**
   * Whether who takes little is given seats in the batches of who takes much, and not batches of its own: where batches have
   * many rows, or a row alone takes nearly as long.
   */
  get seated(): boolean {
    const { batchRows } = this;
    if (batchRows >= LEAST_SHARED_ROWS) return true;
    const { curve } = this.spec;
    return batchRows > 2 && curve.at(1) > DEAR_ALONE * curve.at(batchRows);
  }

  /** Part of the time that is best effort's while some waits. */
  get bestEffortShare(): number {
    return Math.max(BEST_EFFORT_SHARE, this.flows.freeShare);
  }

  /** Rows of a batch that are best effort's while some waits. */
  get bestEffortSeats(): number {
    return this.batchRows < LEAST_SHARED_ROWS ? 0 : Math.ceil(this.batchRows * this.bestEffortShare);
  }

  /** Rows of a batch that may be promised. */
  get promisedSeats(): number {
    return this.bestEffort.requests === 0 ? this.batchRows : this.batchRows - this.bestEffortSeats;
  }

  /** Time that best effort's seats add to a batch, in times of what may be promised of it. */
  get seatsTime(): number {
    const { curve } = this.spec;
    return curve.at(this.batchRows) / curve.at(this.promisedSeats) - 1;
  }

  /** Rows that wait and do not give way to what is promised: best effort keeps its share of the queue. */
  get keptRows(): number {
    const { rows } = this.bestEffort;
    return this.rows - Math.max(0, rows - BEST_EFFORT_SHARE * this.spec.queueRows);
  }

  /** The same in bytes. */
  get keptBytes(): number {
    const { bytes } = this.bestEffort;
    return this.bytes - Math.max(0, bytes - BEST_EFFORT_SHARE * this.spec.queueBytes);
  }

  /** A request waits here (1), or no longer (-1). */
  count(request: T, sign: 1 | -1): void {
    this.length += sign;
    this.rows += sign * Math.max(1, request.rows);
    this.bytes += sign * request.bytes;
  }

  /** Somebody came with so many rows. */
  came(rows: number): void {
    this.usualRows += USUAL_GAIN * (rows - this.usualRows);
  }

  /** So many rows are offered. @param promised whether with a deadline */
  offers(rows: number, promised: boolean, nowUs: number): void {
    this.offered.add(rows, nowUs);
    this.#busyRows += rows;
    if (!promised) return;
    this.#comingRows += rows;
    this.wanted.add(rows, nowUs);
  }

  /** One of its batches starts. Where it was waited for when the one before it ended, what came meanwhile counts. */
  started(nowUs: number): void {
    if (this.#running++ > 0 || this.waitingSinceUs < this.#busyFromUs) return;
    this.#busyFromUs = nowUs;
    this.#busyRows = 0;
    this.#comingRows = 0;
  }

  /** One of its batches ended. */
  ended(nowUs: number): void {
    this.#running--;
    // Whoever is put back now waits from now on.
    if (this.length === 0) this.waitingSinceUs = nowUs;
    const us = nowUs - this.#busyFromUs;
    if (!(us > 0)) return;
    const share = 1 - Math.exp(-us / this.offered.memoryUs);
    this.busyPerUs += share * (this.#busyRows / us - this.busyPerUs);
    this.comingPerUs += share * (this.#comingRows / us - this.comingPerUs);
    this.#busyFromUs = nowUs;
    this.#busyRows = 0;
    this.#comingRows = 0;
  }

  /** The latency target, and whose it is. */
  target(): readonly [number, TargetSource] {
    const { sloUs, curve } = this.spec;
    // What callers name is never longer than what is stated: a deadline is the earlier of the two.
    if (this.#callersUs > 0 && (sloUs === 0 || this.#callersUs < sloUs)) return [this.#callersUs, 'callers'];
    if (sloUs > 0) return [sloUs, 'slo'];
    return [Math.max(MEASURED_TARGET.leastUs, MEASURED_TARGET.times * curve.at(1)), 'measured'];
  }

  /**
   * A batch of `rows` ran: what was derived from the curve is derived anew where it is time to.
   * @param expectedUs time that it should have taken
   */
  ran(rows: number, tookUs: number, expectedUs: number, nowUs: number): void {
    this.batches++;
    this.trials.ran(rows, tookUs, tookUs / expectedUs);
    if (rows >= this.batchRows) this.#full++;
    const explored = this.#exploring > 0 && --this.#exploring === 0;
    const due = this.batches % RESIZE_BATCHES === 0;
    // Whoever brings a new name with every request is not to have the size looked at with every batch.
    const joined = this.flows.fresh && nowUs - this.#sizedUs >= this.budgetUs;
    const changed =
      joined || this.#sharesOtherwise || this.spec.curve.revision !== this.#sizedRevision || this.#offersOtherwise();
    if (!due && !explored && (this.#exploring > 0 || !changed)) return;
    this.#resize(nowUs);
    if (due) this.#explore(nowUs);
    this.flows.refresh(this.#shareable(nowUs), nowUs);
  }

  /** Its batches as flows share them. */
  #shareable(nowUs: number): Shareable {
    const { batchRows: rows, seated } = this;
    const us = (n: number) => this.spec.curve.at(n);
    // Nobody is compared with anybody where there is one flow.
    const mostPerUs = this.flows.several ? steadyCapacity(this.#sizing(nowUs, Number.POSITIVE_INFINITY)) : 0;
    const everyUs = us(rows) / (Math.max(1, this.lanes.length) * this.share);
    return { rows, us, everyUs, mostPerUs, budgetUs: this.budgetUs, seated };
  }

  /** Its lanes are others from now on. */
  setLanes(lanes: readonly number[], mostRows: number, nowUs: number): void {
    this.lanes = inOrder(lanes);
    this.mostRows = mostRows;
    this.#resize(nowUs);
  }

  /**
   * A picture of it.
   * @param oldestUs arrival of a flow's oldest promised request
   * @param share part of its lanes' time that it has if it wants all of it @param left what others leave of it as they go on
   */
  view(nowUs: number, oldestUs: (flow: Flow<T>) => number, share: number, left: number): SchedulerView {
    const { spec, guard } = this;
    const [targetUs, targetSource] = this.target();
    const offeredPerUs = this.offered.at(nowUs);
    const wholePerUs = this.capacityPerUs / this.#sizedShare;
    return {
      targetUs,
      targetSource,
      curve: spec.curve.points(),
      shifts: spec.curve.shifts,
      kneeRows: kneeOf(spec.curve, Math.max(1, this.mostRows)),
      batchRows: this.batchRows,
      guard: guard.ratio(spec.curve.spread),
      guardSaturated: guard.saturated,
      offeredRowsPerS: offeredPerUs * 1e6,
      servedRowsPerS: this.served.at(nowUs) * 1e6,
      capacityRowsPerS: wholePerUs * share * 1e6,
      headroomRowsPerS: Math.max(0, wholePerUs * left - offeredPerUs) * 1e6,
      lanes: [...this.lanes],
      queuedRequests: this.length,
      queuedRows: this.rows,
      waiting: this.flows.waiting(nowUs, oldestUs),
      admitted: this.admitted,
      displaced: this.displaced,
      refused: this.refused,
      impossible: this.impossible,
      late: this.late,
      decisions: this.journal.decisions(),
    };
  }

  /** Whether so much more or less is offered than when the size was found that it may be another one. */
  #offersOtherwise(): boolean {
    const offered = Math.max(this.busyPerUs, this.capacityPerUs / 2);
    const ratio = offered / Math.max(this.#sizedOffered, this.capacityPerUs / 2);
    return ratio > OTHERWISE || ratio < 1 / OTHERWISE;
  }

  /** Whether it has so much more or less of its lanes' time. */
  get #sharesOtherwise(): boolean {
    const ratio = this.share / this.#sizedShare;
    return ratio > OTHERWISE || ratio < 1 / OTHERWISE;
  }

  #resize(nowUs: number): void {
    this.#sizedRevision = this.spec.curve.revision;
    this.#sizedOffered = this.busyPerUs;
    this.#sizedUs = nowUs;
    this.#sizedShare = this.share;
    if (this.#sizedOffered > SATURATED.from * this.capacityPerUs) {
      this.#saturatedUntilUs = nowUs + SATURATED.targets * this.budgetUs;
    }
    this.#callersUs = this.callers.typicalUs(nowUs, (us) => steadyCapacity(this.#sizing(nowUs, us)));
    this.budgetUs = this.target()[0];
    this.offered.memoryUs = Math.min(
      RATE_MEMORY.mostUs,
      Math.max(RATE_MEMORY.leastUs, RATE_MEMORY.targets * this.budgetUs),
    );
    this.callers.memoryUs = this.offered.memoryUs;
    const { rows, capacityPerUs } = sizeBatch(this.#sizing(nowUs, this.#sizedFor()));
    this.capacityPerUs = capacityPerUs;
    this.#setSize(rows, nowUs);
    this.wanted.memoryUs = Math.max(DEMAND_MEMORY_US, WANTED_BATCHES * this.spec.curve.at(rows));
  }

  /** Where most batches are full, a size that nobody knows is tried for a few of them. */
  #explore(nowUs: number): void {
    const full = this.#full;
    this.#full = 0;
    if (2 * full < RESIZE_BATCHES || this.mostRows === 0) return;
    const rows = sizeToExplore(this.#sizing(nowUs, this.#sizedFor()), this.batchRows);
    if (rows === 0) return;
    this.#exploring = EXPLORED_BATCHES;
    this.#setSize(rows, nowUs);
  }

  /** Whether one flow asks for so much that another, which asks for less than its share, would feel it. */
  get #contended(): boolean {
    return this.flows.contended && this.busyPerUs > CONTENDED.from * this.capacityPerUs;
  }

  /** The time that batches are sized for: who takes little waits for a batch of who takes much, so that these are short. */
  #sizedFor(): number {
    if (!this.#contended) return this.budgetUs;
    const { curve } = this.spec;
    const { times, least, needed, most } = CONTENDED;
    const share = Math.min(most, Math.max(least, needed * this.flows.needed));
    const enoughUs = 2 * curve.at(kneeOf(curve, Math.max(1, this.mostRows), share));
    return Math.min(this.budgetUs, Math.max(times * curve.at(1), enoughUs));
  }

  #setSize(rows: number, nowUs: number): void {
    if (rows !== this.batchRows) this.journal.size(nowUs, this.batchRows, rows);
    this.batchRows = rows;
  }

  #sizing(nowUs: number, budgetUs: number): SizingInput {
    const { curve } = this.spec;
    const mostRows = Math.max(1, this.mostRows);
    // A size that turns early comers away would turn away those as well who take less than their share.
    const offeredPerUs = this.#contended ? 0 : this.busyPerUs;
    const guard = this.guard.ratio(curve.spread);
    return {
      curve,
      mostRows,
      // A lane that rests between its batches does less, and one that runs those of others.
      lanes: (Math.max(1, this.lanes.length) * this.share) / (1 + this.turnaround.ratio),
      budgetUs,
      guard,
      offeredPerUs,
      saturated: nowUs < this.#saturatedUntilUs,
    };
  }
}

/** Where several are free the first is taken: the same one in the plan as when it is asked for what the lanes are to run. */
function inOrder(lanes: readonly number[]): readonly number[] {
  return [...lanes].sort((a, b) => a - b);
}
