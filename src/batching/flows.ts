/**
 * Who is served fairly beside whom: a flow is what one tenant sends in one class. Classes have shares of the instances'
 * time, tenants share their class equally, and what one leaves the others may use.
 *
 * Best effort waits here, a list per flow, and is taken by deficit round robin: rows are the measure of compute, since all of
 * a queue's rows run on one model. Requests with deadlines are promised a batch when they arrive (plan.ts); here stands how
 * many rows of one batch a flow may take while others are about (`quantum`).
 */

import type { WaitingFlow } from '../core/scheduling.ts';
import type { PlanQueue } from './plan-queue.ts';
import { Rate } from './rate.ts';
import type { Traveller } from './travel.ts';

/** Shares of the classes 1, 2 and 3 while all of them wait. */
const CLASS_WEIGHTS: readonly number[] = [6, 3, 1];

/** A class whose head has waited so long is weighed like the first: it is slowed and never starved. */
const AGEING_US = 1_000_000;

/** Rows that a tenant may take before it is the next one's turn. */
const TURN_ROWS = 4;

/** From this size on shares are seats in a batch; below it they are whole batches. */
export const LEAST_SHARED_ROWS = 10;

/** Part of the queue that is kept free for flows that have less than their share of it. */
const KEPT_FREE = 0.125;

/** Most of the time that is kept free for others: what is left is enough to go on with. */
const MOST_YIELDED = 0.8;

/** Flows kept per queue; whoever comes after shares the nameless tenant's. Stops a flood of names from taking memory. */
const MOST_FLOWS = 1024;

/** What was offered longer ago does not count as demand. */
const DEMAND_MEMORY_US = 300_000;

/** A flow that offered less than a row in so many batches is not about. */
const RARE_BATCHES = 50;

/** How much more than it offered is kept free for a flow below its share. */
const RESERVE = 1.5;

/** One tenant in one class. */
export class Flow<T extends Traveller> {
  readonly queue: PlanQueue<T>;
  readonly tenant: string;
  readonly priority: number;
  readonly offered = new Rate(DEMAND_MEMORY_US);
  /** When it first offered something. */
  sinceUs = Number.POSITIVE_INFINITY;
  /** Best effort that waits, oldest first. */
  head: T | null = null;
  tail: T | null = null;
  requests = 0;
  rows = 0;
  deficit = 0;
  /** Position in the class's round while something waits, else -1. */
  turn = -1;
  /** Where the search for the next companion goes on. */
  cursor: T | null = null;
  /** With deadlines and waiting. */
  promisedRequests = 0;
  promisedRows = 0;
  /** Most rows of one batch while others are about; Infinity where it is alone. */
  quantum = Number.POSITIVE_INFINITY;
  /** Part of the time that is kept free for others, 0 to below 1. */
  yielded = 0;
  /** Whether it offers less than its share, so that it may go ahead of those who offer more. */
  light = false;

  constructor(queue: PlanQueue<T>, tenant: string, priority: number) {
    this.queue = queue;
    this.tenant = tenant;
    this.priority = priority;
  }
}

/** The tenants of one class that wait without deadlines, in turn. */
interface Round<T extends Traveller> {
  readonly flows: Flow<T>[];
  at: number;
  /** Rows served, divided by the weight. */
  virtual: number;
}

/** The flows of one queue. */
export class Flows<T extends Traveller> {
  readonly #queue: PlanQueue<T>;
  readonly #flows = new Set<Flow<T>>();
  /** The same by class and tenant. */
  readonly #named: ReadonlyArray<Map<string, Flow<T>>> = CLASS_WEIGHTS.map(() => new Map());
  readonly #rounds: Round<T>[] = CLASS_WEIGHTS.map(() => ({ flows: [], at: 0, virtual: 0 }));
  #last: Flow<T> | null = null;
  /** Flows that were about when the shares were found. */
  #present = 1;
  /** Best effort that waits. */
  rows = 0;
  requests = 0;
  /** Whether there is a flow that the shares do not know yet. */
  fresh = false;
  /** Whether somebody who takes less than his share is about beside somebody who takes more. */
  contended = false;

  constructor(queue: PlanQueue<T>) {
    this.#queue = queue;
  }

  /** Rows are offered, whether they are taken or not. */
  offer(flow: Flow<T>, rows: number, nowUs: number): void {
    if (flow.sinceUs === Number.POSITIVE_INFINITY) {
      flow.sinceUs = nowUs;
      this.fresh = true;
    }
    flow.offered.add(rows, nowUs);
  }

  /**
   * Whether `rows` more of a flow that has its share of the queue already would leave no room for others.
   * @param queued rows that wait in all @param mostRows of them that may
   */
  crowds(flow: Flow<T>, rows: number, queued: number, mostRows: number): boolean {
    if (this.#present < 2 || queued + rows <= mostRows * (1 - KEPT_FREE)) return false;
    return flow.rows + flow.promisedRows + rows > mostRows / this.#present;
  }

  /** Whether there is more than one. */
  get several(): boolean {
    return this.#flows.size > 1;
  }

  /** The flow of a request. */
  of({ tenant, priority }: T): Flow<T> {
    const last = this.#last;
    if (last !== null && last.priority === priority && last.tenant === tenant) return last;
    const level = Math.min(CLASS_WEIGHTS.length, Math.max(1, Math.floor(priority) || 2));
    this.#last = this.#named[level - 1]?.get(tenant) ?? this.#make(tenant, level);
    return this.#last;
  }

  /** Best effort arrives. */
  push(flow: Flow<T>, request: T): void {
    request.place = flow;
    request.previous = flow.tail;
    request.next = null;
    if (flow.tail === null) flow.head = request;
    else flow.tail.next = request;
    flow.tail = request;
    this.#count(flow, request, 1);
    if (flow.turn < 0) this.#enter(flow);
  }

  /** Best effort leaves, wherever it stands in its flow. */
  remove(flow: Flow<T>, request: T): void {
    if (flow.cursor === request) flow.cursor = request.next;
    if (request.previous === null) flow.head = request.next;
    else request.previous.next = request.next;
    if (request.next === null) flow.tail = request.previous;
    else request.next.previous = request.previous;
    request.place = null;
    request.previous = null;
    request.next = null;
    this.#count(flow, request, -1);
    if (flow.requests === 0) this.#leave(flow);
  }

  /** The oldest best-effort request in the class that is due, null where nothing waits: it opens a batch. */
  first(): T | null {
    const due = this.#due(0);
    return due === null ? null : (this.#turn(due).head as T);
  }

  /** Begins the search for companions anew. */
  rewind(): void {
    for (const { flows } of this.#rounds) for (const flow of flows) flow.cursor = flow.head;
  }

  /**
   * The next companion for a batch of `shapeKey` with room for `room` rows, by deficit round robin; null where there is none.
   * It stays where it is: the caller removes it.
   */
  companion(shapeKey: string, room: number): T | null {
    let passed = 0;
    for (let due = this.#due(passed); due !== null; due = this.#due(passed)) {
      for (let tried = 0; tried < due.flows.length; tried++) {
        const flow = this.#turn(due);
        const found = candidate(flow, shapeKey, room);
        if (found !== null) return found;
        this.#pass(due, flow);
      }
      passed |= 1 << this.#rounds.indexOf(due);
    }
    return null;
  }

  /** Rows of a flow were taken for a batch: its turn and its class are charged. Before the request is removed. */
  charge(flow: Flow<T>, rows: number, nowUs: number): void {
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    const ageUs = flow.head === null ? 0 : Math.max(0, nowUs - flow.head.arrivalUs);
    const weight = CLASS_WEIGHTS[flow.priority - 1] as number;
    const most = CLASS_WEIGHTS[0] as number;
    round.virtual += rows / Math.min(most, weight * (1 + ((most / weight - 1) * ageUs) / AGEING_US));
    flow.deficit -= rows;
    if (flow.deficit <= 0) this.#pass(round, flow);
  }

  /**
   * Shares for the next batches: what a flow may take, and what it leaves to those who take less than their share.
   * @param us time of a batch of so many rows @param everyUs between the starts of two batches
   */
  refresh(nowUs: number, capRows: number, us: (rows: number) => number, everyUs: number): void {
    this.fresh = false;
    if (this.#flows.size < 2) return;
    const about = this.#about(nowUs, everyUs);
    this.#present = about.length;
    const tenants = CLASS_WEIGHTS.map((_, i) => about.filter(({ priority }) => priority === i + 1).length);
    const weights = CLASS_WEIGHTS.reduce((sum, weight, i) => sum + ((tenants[i] as number) > 0 ? weight : 0), 0);
    const fairOf = ({ priority }: Flow<T>) =>
      (capRows * (CLASS_WEIGHTS[priority - 1] as number)) / weights / (tenants[priority - 1] as number);
    // What somebody new will want nobody knows: it is given its share until that has shown.
    const wantedBy = (flow: Flow<T>) =>
      nowUs - flow.sinceUs < DEMAND_MEMORY_US
        ? capRows
        : RESERVE * flow.offered.at(nowUs) * everyUs + Math.min(1, capRows / 8);
    let reserved = 0;
    for (const flow of about) reserved += Math.min(fairOf(flow), wantedBy(flow));
    for (const flow of about) {
      const fair = fairOf(flow);
      const others = Math.min(capRows - fair, reserved - Math.min(fair, wantedBy(flow)));
      const alone = about.length < 2;
      flow.light = !alone && flow.offered.at(nowUs) * everyUs < fair;
      flow.quantum = alone ? Number.POSITIVE_INFINITY : capRows - others;
      flow.yielded = alone || flow.light ? 0 : Math.min(MOST_YIELDED, yieldedTime(capRows, others, us));
    }
    this.contended = about.some(({ light }) => light) && about.some(({ light }) => !light);
  }

  /** Flows that send something now and then, or have something waiting. */
  #about(nowUs: number, everyUs: number): Flow<T>[] {
    const about: Flow<T>[] = [];
    for (const flow of this.#flows.values()) {
      const rare = flow.offered.at(nowUs) * everyUs * RARE_BATCHES < 1;
      if (!rare || flow.promisedRequests > 0 || flow.requests > 0) about.push(flow);
    }
    return about;
  }

  /** What waits, for people. */
  waiting(nowUs: number, oldestPromisedUs: (flow: Flow<T>) => number): WaitingFlow[] {
    const found: WaitingFlow[] = [];
    for (const flow of this.#flows.values()) {
      const requests = flow.requests + flow.promisedRequests;
      if (requests === 0) continue;
      const oldest = Math.min(flow.head?.arrivalUs ?? nowUs, oldestPromisedUs(flow));
      const { tenant, priority } = flow;
      found.push({ priority, tenant, requests, rows: flow.rows + flow.promisedRows, oldestUs: nowUs - oldest });
    }
    return found;
  }

  /** Every flow. */
  all(): IterableIterator<Flow<T>> {
    return this.#flows.values();
  }

  #make(tenant: string, level: number): Flow<T> {
    if (this.#flows.size >= MOST_FLOWS) this.#forget();
    const name = this.#flows.size >= MOST_FLOWS ? '' : tenant;
    const named = this.#named[level - 1] as Map<string, Flow<T>>;
    const flow = named.get(name) ?? new Flow<T>(this.#queue, name, level);
    named.set(name, flow);
    this.#flows.add(flow);
    return flow;
  }

  /** Flows with nothing waiting make room for others. */
  #forget(): void {
    this.#last = null;
    for (const flow of this.#flows) {
      if (flow.requests > 0 || flow.promisedRequests > 0 || flow.tenant === '') continue;
      this.#flows.delete(flow);
      this.#named[flow.priority - 1]?.delete(flow.tenant);
    }
  }

  #count(flow: Flow<T>, request: T, sign: number): void {
    const rows = sign * Math.max(1, request.rows);
    flow.requests += sign;
    flow.rows += rows;
    this.requests += sign;
    this.rows += rows;
  }

  #enter(flow: Flow<T>): void {
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    if (round.flows.length === 0) {
      const busy = this.#rounds.filter(({ flows }) => flows.length > 0);
      if (busy.length > 0) round.virtual = Math.max(round.virtual, Math.min(...busy.map(({ virtual }) => virtual)));
    }
    flow.turn = round.flows.length;
    flow.deficit = 0;
    flow.cursor = flow.head;
    round.flows.push(flow);
  }

  #leave(flow: Flow<T>): void {
    const { flows, at } = this.#rounds[flow.priority - 1] as Round<T>;
    const round = this.#rounds[flow.priority - 1] as Round<T>;
    flows.splice(flow.turn, 1);
    for (let i = flow.turn; i < flows.length; i++) (flows[i] as Flow<T>).turn = i;
    if (flow.turn < at) round.at--;
    if (round.at >= flows.length) round.at = 0;
    flow.turn = -1;
    flow.cursor = null;
  }

  /** Of the classes in which something waits, the one that had the least for its weight. @param passed those left out, as bits */
  #due(passed: number): Round<T> | null {
    let due: Round<T> | null = null;
    for (let i = 0; i < this.#rounds.length; i++) {
      const round = this.#rounds[i] as Round<T>;
      if (round.flows.length === 0 || (passed >> i) & 1) continue;
      if (due === null || round.virtual < due.virtual) due = round;
    }
    return due;
  }

  /** Whose turn it is in a class, with the rows of a turn to spend. */
  #turn(round: Round<T>): Flow<T> {
    const flow = round.flows[round.at] as Flow<T>;
    if (flow.deficit <= 0) flow.deficit += TURN_ROWS;
    return flow;
  }

  #pass(round: Round<T>, flow: Flow<T>): void {
    if (round.flows[round.at] === flow) round.at = (round.at + 1) % round.flows.length;
  }
}

/** From where the last search ended: who fits stays next in line, who does not is passed over for this batch. */
function candidate<T extends Traveller>(flow: Flow<T>, shapeKey: string, room: number): T | null {
  for (let request = flow.cursor; request !== null; request = request.next) {
    flow.cursor = request;
    if (request.shapeKey !== shapeKey) continue;
    // Nobody behind it may overtake it only because it is large.
    return Math.max(1, request.rows) <= room ? request : null;
  }
  flow.cursor = null;
  return null;
}

/** Part of the time of a batch that `others` of its rows take: rows where a batch is of few, what they add to it where it is of many. */
function yieldedTime(capRows: number, others: number, us: (rows: number) => number): number {
  if (capRows < LEAST_SHARED_ROWS) return others / capRows;
  return 1 - us(Math.max(1, Math.floor(capRows - others))) / us(capRows);
}
