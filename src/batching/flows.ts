/**
 * Who is served fairly beside whom: a flow is what one tenant sends in one class. Classes have shares of the instances'
 * time, tenants share their class equally, and what one leaves the others may use.
 *
 * Requests with deadlines are promised a batch when they arrive (plan.ts); here stands how many rows of one batch a flow may
 * take while others are about (`quantum`, found by shares.ts). Whose best effort is next is best-effort.ts.
 */

import type { WaitingFlow } from '../core/scheduling.ts';
import { CLASS_WEIGHTS, Flow } from './flow.ts';
import type { PlanQueue } from './plan-queue.ts';
import { type Shareable, shareOut } from './shares.ts';
import type { Traveller } from './travel.ts';

/** From this size on shares are seats in a batch; below it they are whole batches. */
export const LEAST_SHARED_ROWS = 10;

/** Part of the queue that is kept free for flows that have less than their share of it. */
const KEPT_FREE = 0.25;

/** Flows kept per queue; whoever comes after shares the nameless tenant's. Stops a flood of names from taking memory. */
const MOST_FLOWS = 1024;

/** A flow that offered less than a row in so many batches is not about. */
const RARE_BATCHES = 50;

/** The class of who names none. */
const USUAL_CLASS = 2;

/** The flows of one queue. */
export class Flows<T extends Traveller> {
  readonly #queue: PlanQueue<T>;
  readonly #flows = new Set<Flow<T>>();
  /** The same by class and tenant. */
  readonly #named: ReadonlyArray<Map<string, Flow<T>>> = CLASS_WEIGHTS.map(() => new Map());
  #last: Flow<T> | null = null;
  /** Those about that take less than their share. */
  #light: readonly Flow<T>[] = [];
  /** Flows that were about when the shares were found. */
  #present = 1;
  /** Whether there is a flow that the shares do not know yet. */
  fresh = false;
  /** Whether somebody who takes less than his share is about beside somebody who takes more. */
  contended = false;
  /** The part of the capacity that must be left so that everybody who takes less than his share still does. */
  needed = 0;
  /** Rows promised to those that are compared with each other, since the shares were found. */
  taken = 0;
  /** What is due to tenants who send best effort only, as part of the time: at most their share, and no more than they offer. */
  freeShare = 0;

  constructor(queue: PlanQueue<T>) {
    this.#queue = queue;
  }

  /** Rows are offered, whether they are taken or not. */
  offer(flow: Flow<T>, rows: number, promised: boolean, nowUs: number): void {
    if (promised) flow.promisedUs = nowUs;
    if (flow.sinceUs === Number.POSITIVE_INFINITY) {
      flow.sinceUs = nowUs;
      this.fresh = true;
    }
    flow.offered.add(rows, nowUs);
  }

  /** Rows are promised to a flow; below 0 where it does not get them after all. */
  promise(flow: Flow<T>, rows: number): void {
    if (flow.catchUpUs === 0) return;
    flow.taken += rows;
    this.taken += rows;
  }

  /**
   * Whether `rows` more of a flow that has its share of the queue already would leave no room for others. Its own best effort
   * gives way to what is promised.
   * @param queued rows that wait in all @param mostRows of them that may
   */
  crowds(flow: Flow<T>, rows: number, promised: boolean, queued: number, mostRows: number): boolean {
    const giving = promised ? flow.rows : 0;
    return this.overfills(queued - giving + rows, flow.rows - giving + flow.promisedRows + rows, mostRows);
  }

  /** Whether a flow that has `own` of `all` has more than its share of the `most` there may be, and the rest is for others. */
  overfills(all: number, own: number, most: number): boolean {
    return this.#present > 1 && all > most * (1 - KEPT_FREE) && own > most / this.#present;
  }

  /** Rows of those below their share that are promised a batch and wait. */
  get lightRows(): number {
    let rows = 0;
    for (const flow of this.#light) rows += flow.promisedRows;
    return rows;
  }

  /** Whether there is more than one. */
  get several(): boolean {
    return this.#flows.size > 1;
  }

  /** The flow of a request. */
  of({ tenant, priority, arrivalUs }: T): Flow<T> {
    const last = this.#last;
    if (last !== null && last.priority === priority && last.tenant === tenant) return last;
    const level = Math.min(CLASS_WEIGHTS.length, Math.max(1, Math.floor(priority) || USUAL_CLASS));
    this.#last = this.#named[level - 1]?.get(tenant) ?? this.#make(tenant, level);
    this.#last.cameUs = arrivalUs;
    return this.#last;
  }

  /** The flow of a tenant whose class nobody knows yet: the one that came last, else that of the usual class. */
  atDoor(tenant: string): Flow<T> {
    if (this.#last?.tenant === tenant) return this.#last;
    let latest: Flow<T> | null = null;
    for (const named of this.#named) {
      const flow = named.get(tenant);
      if (flow !== undefined && (latest === null || flow.cameUs > latest.cameUs)) latest = flow;
    }
    return latest ?? this.#make(tenant, USUAL_CLASS);
  }

  /** The flow of a tenant in one class; null where nothing came of it, whatever the door took for that. */
  known(tenant: string, level: number): Flow<T> | null {
    const last = this.#last;
    if (last !== null && last.priority === level && last.tenant === tenant) return last;
    const flow = this.#named[level - 1]?.get(tenant);
    return flow === undefined || flow.cameUs === Number.NEGATIVE_INFINITY ? null : flow;
  }

  /** Shares for the next batches. */
  refresh(batches: Shareable, nowUs: number): void {
    this.fresh = false;
    const about = this.#flows.size < 2 ? [] : this.#about(nowUs, batches.everyUs);
    this.#present = Math.max(1, about.length);
    for (const flow of about) {
      flow.surplus += flow.taken - flow.part * this.taken;
      flow.taken = 0;
    }
    this.taken = 0;
    const { light, needed, freeShare } = shareOut(about, batches, nowUs);
    this.#light = light;
    this.needed = needed;
    this.freeShare = freeShare;
    this.contended = light.length > 0 && light.length < about.length;
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
}
