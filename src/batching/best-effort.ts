/**
 * Best effort that waits, and whose turn it is: classes by weight (turns.ts), tenants of a class by deficit round robin. Rows are
 * the measure of compute, since all of a queue's rows run on one model.
 */

import { CLASS_WEIGHTS, type Flow } from './flow.ts';
import type { Traveller } from './travel.ts';
import { type TakesTurns, Turns } from './turns.ts';

/**
 * A class that has waited so long for anything at all is next, whatever it had before: it is slowed and never starved. So is a request
 * that others have passed for so long because it does not fit where they do.
 */
export const AGEING_US = 1_000_000;

/** Rows that a class may be ahead of the others: what it fills that they cannot use, for want of their shape, is no debt. */
const MOST_AHEAD_ROWS = 64;

/** Rows that a tenant may take before it is the next one's turn. */
const TURN_ROWS = 4;

/** The tenants of one class that wait without deadlines, in turn. */
class Round<T extends Traveller> implements TakesTurns {
  readonly weight: number;
  readonly flows: Flow<T>[] = [];
  at = 0;
  virtual = 0;
  /** Since when it has waited for anything at all. */
  sinceUs = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  get waits(): boolean {
    return this.flows.length > 0;
  }
}

/** The best effort of one queue. */
export class BestEffort<T extends Traveller> {
  readonly #rounds = CLASS_WEIGHTS.map((weight) => new Round<T>(weight));
  readonly #turns = new Turns(this.#rounds);
  rows = 0;
  bytes = 0;
  requests = 0;
  /** Who was passed over first of those who wait, and when. */
  #passed: T | null = null;
  #passedUs = 0;

  /** A request arrives, or comes back from a batch that failed: then it is the first of its flow again. */
  push(flow: Flow<T>, request: T): void {
    if (request.alone && flow.head !== null) flow.insert(request, flow.head);
    else flow.push(request);
    this.#count(request, 1);
    if (flow.turn < 0) this.#enter(flow);
  }

  /** A request leaves, wherever it stands in its flow. */
  remove(flow: Flow<T>, request: T): void {
    if (flow.cursor === request) flow.cursor = request.next;
    if (this.#passed === request) this.#passed = null;
    flow.drop(request);
    this.#count(request, -1);
    if (flow.requests === 0) this.#leave(flow);
  }

  /** Who has been passed over for too long: no seats that others take are his, and he is next. Null where nobody has. */
  overdue(nowUs: number): T | null {
    return nowUs - this.#passedUs >= AGEING_US ? this.#passed : null;
  }

  /** Who opens a batch: the oldest request in the class that is due. Null where nothing waits. */
  first(nowUs: number): T | null {
    const overdue = this.overdue(nowUs);
    if (overdue !== null) return overdue;
    const due = this.#due(0, nowUs);
    return due === null ? null : (this.#turn(due).head as T);
  }

  /** The newest request of the flow of which most waits: the first to give way. Null where nothing waits. */
  last(): T | null {
    let most: Flow<T> | null = null;
    for (const { flows } of this.#rounds) {
      for (const flow of flows) if (most === null || flow.rows > most.rows) most = flow;
    }
    return most === null ? null : most.tail;
  }

  /** Begins the search for companions anew. */
  rewind(): void {
    for (const { flows } of this.#rounds) for (const flow of flows) flow.cursor = flow.head;
  }

  /**
   * The next companion for a batch of `shapeKey` with room for `room` rows, by deficit round robin; null where there is none.
   * It stays where it is: the caller removes it.
   */
  companion(shapeKey: string, room: number, nowUs: number): T | null {
    let passed = 0;
    for (let due = this.#due(passed, nowUs); due !== null; due = this.#due(passed, nowUs)) {
      for (let tried = 0; tried < due.flows.length; tried++) {
        const flow = this.#turn(due);
        const found = this.#candidate(flow, shapeKey, room, nowUs);
        if (found !== null) return found;
        this.#pass(due, flow);
      }
      const other = this.#indebted(due, shapeKey, room, nowUs);
      if (other !== null) return other;
      passed |= 1 << this.#rounds.indexOf(due);
    }
    return null;
  }

  /** Rows of a flow were taken for a batch: its turn and its class are charged. Before the request is removed. */
  charge(flow: Flow<T>, rows: number, nowUs: number): void {
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    this.#turns.charge(round, rows / round.weight, MOST_AHEAD_ROWS / round.weight);
    round.sinceUs = nowUs;
    flow.deficit -= rows;
    if (flow.deficit <= 0) this.#pass(round, flow);
  }

  #count(request: T, sign: 1 | -1): void {
    this.requests += sign;
    this.rows += sign * Math.max(1, request.rows);
    this.bytes += sign * request.bytes;
  }

  #enter(flow: Flow<T>): void {
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    if (!round.waits) {
      this.#turns.enter(round);
      round.sinceUs = (flow.head as T).arrivalUs;
    }
    flow.turn = round.flows.length;
    flow.cursor = flow.head;
    round.flows.push(flow);
  }

  #leave(flow: Flow<T>): void {
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    const { flows, at } = round;
    for (let i = flow.turn + 1; i < flows.length; i++) {
      const behind = flows[i] as Flow<T>;
      behind.turn = i - 1;
      flows[i - 1] = behind;
    }
    flows.pop();
    if (flow.turn < at) round.at--;
    if (round.at >= flows.length) round.at = 0;
    flow.turn = -1;
    flow.cursor = null;
    // What he took beyond his turn while others waited he owes when he comes back: else few large requests would get more than many.
    flow.deficit = flows.length === 0 ? 0 : Math.min(0, flow.deficit);
  }

  /**
   * Of the classes in which something waits, the one that has waited too long, else the one that had the least for its weight.
   * @param passed those left out, as bits
   */
  #due(passed: number, nowUs: number): Round<T> | null {
    let due: Round<T> | null = null;
    let oldest: Round<T> | null = null;
    for (let i = 0; i < this.#rounds.length; i++) {
      const round = this.#rounds[i] as Round<T>;
      if (!round.waits || (passed >> i) & 1) continue;
      if (due === null || round.virtual < due.virtual) due = round;
      if (oldest === null || round.sinceUs < oldest.sinceUs) oldest = round;
    }
    return oldest !== null && nowUs - oldest.sinceUs >= AGEING_US ? oldest : due;
  }

  /** Whose turn it is in a class, with rows to spend: who took more than a turn's waits until others have had as much. */
  #turn(round: Round<T>): Flow<T> {
    const { flows } = round;
    for (let tried = 0; tried < flows.length; tried++) {
      const flow = flows[round.at] as Flow<T>;
      if (flow.deficit <= 0) flow.deficit += TURN_ROWS;
      if (flow.deficit > 0) return flow;
      this.#pass(round, flow);
    }
    // All have: as many turns pass at once as whoever owes least needs.
    let least = flows[round.at] as Flow<T>;
    for (const flow of flows) if (flow.deficit > least.deficit) least = flow;
    const turns = Math.floor(-least.deficit / TURN_ROWS) + 1;
    for (const flow of flows) flow.deficit += turns * TURN_ROWS;
    round.at = least.turn;
    return least;
  }

  #pass(round: Round<T>, flow: Flow<T>): void {
    if (round.flows[round.at] === flow) round.at = (round.at + 1) % round.flows.length;
  }

  /** A companion of those who have had more than their turns, for room that nobody else wants. */
  #indebted({ flows }: Round<T>, shapeKey: string, room: number, nowUs: number): T | null {
    for (const flow of flows) {
      const found = this.#candidate(flow, shapeKey, room, nowUs);
      if (found !== null) return found;
    }
    return null;
  }

  /** From where the last search ended: who fits stays next in line, who does not is passed over for this batch. */
  #candidate(flow: Flow<T>, shapeKey: string, room: number, nowUs: number): T | null {
    for (let request = flow.cursor; request !== null; request = request.next) {
      flow.cursor = request;
      const suits = request.shapeKey === shapeKey && !request.alone;
      if (suits && Math.max(1, request.rows) <= room) return request;
      if (this.#passed === null) {
        this.#passed = request;
        // Who has to run again had his turn before.
        this.#passedUs = request.alone ? Number.NEGATIVE_INFINITY : nowUs;
      }
      // Nobody behind it may overtake it only because it is large.
      if (suits) return null;
    }
    flow.cursor = null;
    return null;
  }
}
