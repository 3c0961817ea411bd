/**
 * Models that share lanes: what each of them may have of their time. Equal parts, and what one wants less the others may use. A
 * model that wants more than its part leaves in the plan the time that the others want, so that who wants less can go ahead of its
 * batches (seating.ts) and finds hardly more than one of them before him. Where a model has its lanes to itself it has all of
 * their time, and nothing here concerns it.
 */

import { DEMAND_MEMORY_US } from './flow.ts';
import { BEST_EFFORT_SHARE, type PlanQueue } from './plan-queue.ts';
import type { Traveller } from './travel.ts';

/** The parts are found anew so often. */
const EVERY_US = 5_000;

/** From so much of a lane's time on that is wanted one who wants more than his part is held back for it: less is a busy lane. */
const FLOODED = 1.05;

/** Who wants less than so much of his part goes ahead of those who want more than theirs; who is in between waits his turn. */
const LIGHT = 0.8;

/** How much more than it takes is kept free for a model that wants less than its part. What it does not take is the others'. */
const AHEAD = 3;

/** A model that offers less than a row in so much time is rare, and one that offered none for longer than this is not about. */
const RARE_US = DEMAND_MEMORY_US / 10;
const ABOUT_ROWS = 1e-3;

/** Most of a target that is kept free for a batch of another model, and for one that is rare. */
const MOST_KEPT = 0.25;
const MOST_KEPT_RARE = 0.1;

/** The parts of all models of one scheduler. */
export class LaneShares<T extends Traveller> {
  readonly #queues: readonly PlanQueue<T>[];
  readonly #lanes: number;
  #atUs = Number.NEGATIVE_INFINITY;

  /** @param queues all there are; others may join and leave later @param lanes how many there are */
  constructor(queues: readonly PlanQueue<T>[], lanes: number) {
    this.#queues = queues;
    this.#lanes = lanes;
  }

  /** Queues or their lanes are others from now on. */
  changed(): void {
    this.#atUs = Number.NEGATIVE_INFINITY;
    for (const queue of this.#queues) queue.sharedUs = Number.NEGATIVE_INFINITY;
  }

  /** Finds the parts as of now where they are old, and the share of a queue of which a batch has ended. */
  refresh(queue: PlanQueue<T>, nowUs: number): void {
    if (nowUs - this.#atUs >= EVERY_US) {
      this.#atUs = nowUs;
      for (const queue of this.#queues) begin(queue, nowUs);
      if (this.#queues.length > 1) for (let lane = 0; lane < this.#lanes; lane++) this.#shareOut(lane, nowUs);
    }
    if (nowUs - queue.sharedUs < EVERY_US) return;
    queue.sharedUs = nowUs;
    queue.share = this.#queues.length < 2 ? 1 : this.#mean(queue, ({ want }) => want, shareBeside);
  }

  /** The part of its lanes' time that a queue has if it wants all of it: the others have what they want, up to equal parts. */
  shareOf(queue: PlanQueue<T>, nowUs: number): number {
    return this.#mean(queue, (other) => wantOf(other, nowUs), shareBeside);
  }

  /** The part that the others leave as they go on. */
  leftFor(queue: PlanQueue<T>, nowUs: number): number {
    return this.#mean(queue, (other) => wantOf(other, nowUs), leftBeside);
  }

  /** Of what its lanes have for a queue, given what the others want of each. */
  #mean(queue: PlanQueue<T>, want: (other: PlanQueue<T>) => number, of: (others: number[]) => number): number {
    const { lanes } = queue;
    if (lanes.length === 0) return 1;
    let sum = 0;
    for (const lane of lanes) {
      const others: number[] = [];
      for (const other of this.#queues) if (other !== queue && other.lanes.includes(lane)) others.push(want(other));
      sum += of(others);
    }
    return sum / lanes.length;
  }

  /** Whether more is wanted of the lane than there is, and by more than one. */
  #isFlooded(lane: number): boolean {
    let wanted = 0;
    let queues = 0;
    for (const { want, lanes } of this.#queues) {
      if (!lanes.includes(lane)) continue;
      queues++;
      wanted += want;
    }
    return queues > 1 && wanted > FLOODED;
  }

  /** Who of those on the lane wants more than his part, what is kept free for the rest, and what is left of the plan for him. */
  #shareOut(lane: number, nowUs: number): void {
    if (!this.#isFlooded(lane)) return;
    const sharing = this.#queues.filter(({ lanes }) => lanes.includes(lane));
    const level = levelOf(
      sharing.map(({ want }) => want),
      FLOODED,
    );
    const heavy = sharing.filter(({ want }) => want > level);
    if (heavy.length === 0) return;
    const others = sharing.filter(({ want }) => want <= level);
    const batchUs = Math.max(...heavy.map(({ spec, batchRows }) => spec.curve.at(batchRows)));
    const needed = others.map((queue) => AHEAD * takenBeside(queue, batchUs, nowUs));
    const part = levelOf([...needed, ...heavy.map(() => Number.POSITIVE_INFINITY)], 1);
    const yielded = needed.reduce((sum, need) => sum + Math.min(part, need), 0);
    for (const queue of others) if (queue.want < LIGHT * level) queue.light = true;
    for (const queue of heavy) {
      queue.heavy = true;
      queue.part -= (1 - part) / queue.lanes.length;
      queue.yielded = Math.max(queue.yielded, yielded);
      for (const other of others) queue.keptUs = Math.max(queue.keptUs, keptFor(other, queue.budgetUs, batchUs, nowUs));
    }
  }
}

/** Before the lanes are looked at: what a queue wants, and that it has all it wants. */
function begin<T extends Traveller>(queue: PlanQueue<T>, nowUs: number): void {
  queue.want = wantOf(queue, nowUs);
  queue.light = false;
  queue.heavy = false;
  queue.part = 1;
  queue.yielded = 0;
  queue.keptUs = 0;
}

/** Rows of a queue that come to each of its lanes between two batches of another that take `batchUs`, and wait for the next. */
function comingRows<T extends Traveller>(
  { wanted, lanes, spec }: PlanQueue<T>,
  batchUs: number,
  nowUs: number,
): number {
  return Math.max(1, Math.ceil((wanted.at(nowUs) / lanes.length) * (batchUs + spec.curve.at(1))));
}

/** Part of the time of each of its lanes that a queue takes where its batches and those of another take turns. */
function takenBeside<T extends Traveller>(queue: PlanQueue<T>, batchUs: number, nowUs: number): number {
  const { curve } = queue.spec;
  const ownUs = curve.at(comingRows(queue, batchUs, nowUs));
  return Math.min((queue.wanted.at(nowUs) / queue.lanes.length) * curve.at(1), ownUs / (batchUs + ownUs));
}

/** Time that is kept free for its next batch by a queue whose target is `budgetUs`. */
function keptFor<T extends Traveller>(queue: PlanQueue<T>, budgetUs: number, batchUs: number, nowUs: number): number {
  const perUs = queue.wanted.at(nowUs);
  if (perUs * DEMAND_MEMORY_US < ABOUT_ROWS) return 0;
  const ownUs = queue.spec.curve.at(comingRows(queue, batchUs, nowUs));
  const mostUs = budgetUs * (perUs * RARE_US < 1 ? MOST_KEPT_RARE : MOST_KEPT);
  return Math.min(AHEAD * ownUs, mostUs);
}

/** The part of each of its lanes' time that a queue wants. Best effort takes what is left, and has a share where nothing is. */
function wantOf<T extends Traveller>({ wanted, offered, lanes, rowUs }: PlanQueue<T>, nowUs: number): number {
  const promised = wanted.at(nowUs) * rowUs;
  const free = Math.max(0, offered.at(nowUs) * rowUs - promised) / lanes.length;
  return promised / lanes.length + Math.min(BEST_EFFORT_SHARE, free);
}

function shareBeside(others: number[]): number {
  return levelOf([...others, Number.POSITIVE_INFINITY], 1);
}

function leftBeside(others: number[]): number {
  return Math.max(0, 1 - others.reduce((sum, want) => sum + want, 0));
}

/** How much each may have of a whole so that all of it is given: who wants less than an equal part leaves the rest to the others. */
function levelOf(wants: readonly number[], whole: number): number {
  const ascending = [...wants].sort((a, b) => a - b);
  let left = whole;
  for (const [i, want] of ascending.entries()) {
    const equal = left / (ascending.length - i);
    if (want > equal) return equal;
    left -= want;
  }
  return Number.POSITIVE_INFINITY;
}
