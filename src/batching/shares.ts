/** What the flows of a queue may have of its next batches: a share each, and what those that want less leave to the others. */

import { CLASS_WEIGHTS, DEMAND_MEMORY_US, type Flow } from './flow.ts';
import type { Traveller } from './travel.ts';

/** Most of the time that is kept free for others: what is left is enough to go on with. */
const MOST_YIELDED = 0.8;

/** How much more than it offered is kept free for a flow below its share. */
const RESERVE = 1.5;

/** The same in time for batches of its own ahead of others. It costs these nothing but a longer plan: time not taken is theirs. */
const AHEAD = 3;

/** The batches that are shared. */
export interface Shareable {
  /** Most rows of one. */
  readonly rows: number;
  /** Time of a batch of so many rows. */
  us(rows: number): number;
  /** Between the starts of two. */
  readonly everyUs: number;
  /** Rows per microsecond in batches of the size that serves the most. */
  readonly mostPerUs: number;
  /** Time that requests typically have. */
  readonly budgetUs: number;
  /** Whether who takes little has seats in them, and not batches of its own. */
  readonly seated: boolean;
}

/** What came of it beside what the flows themselves are told. */
export interface Shared<T extends Traveller> {
  /** Those that take less than their share. */
  readonly light: readonly Flow<T>[];
  /** The part of the capacity that must be left so that everybody who takes less than his share still does. */
  readonly needed: number;
  /** What is due to tenants who send best effort only, as part of the time: at most their share, and no more than they offer. */
  readonly freeShare: number;
}

/** A flow that has a claim to some rows of every batch. */
interface Claim<T extends Traveller> {
  readonly flow: Flow<T>;
  /** What it offers, rows per microsecond. */
  readonly perUs: number;
  /** Rows that are fairly its. */
  readonly fair: number;
  /** Of them those that it will want. */
  readonly due: number;
}

/** Tells every flow what it may take. @param flows all that want something */
export function shareOut<T extends Traveller>(flows: readonly Flow<T>[], batches: Shareable, nowUs: number): Shared<T> {
  const claims = claimsOf(flows, batches, nowUs);
  const needed = findLight(claims, batches);
  giveOut(claims, batches);
  balance(claims, batches);
  const free = dueToFree(claims, nowUs) / batches.rows;
  return { light: flows.filter(({ light }) => light), needed, freeShare: Math.min(MOST_YIELDED, free) };
}

/** Classes by weight, equal parts within one. */
function claimsOf<T extends Traveller>(flows: readonly Flow<T>[], batches: Shareable, nowUs: number): Claim<T>[] {
  const sharing = CLASS_WEIGHTS.map((_, i) => flows.filter(({ priority }) => priority === i + 1).length);
  const weights = CLASS_WEIGHTS.reduce((sum, weight, i) => sum + ((sharing[i] as number) > 0 ? weight : 0), 0);
  return flows.map((flow) => {
    const i = flow.priority - 1;
    const fair = (batches.rows * (CLASS_WEIGHTS[i] as number)) / weights / (sharing[i] as number);
    const perUs = flow.offered.at(nowUs);
    // What somebody new will want nobody knows: it is given its share until that has shown.
    const isNew = nowUs - flow.sinceUs < DEMAND_MEMORY_US;
    const wanted = RESERVE * perUs * batches.everyUs + Math.min(1, batches.rows / 8);
    return { flow, perUs, fair, due: isNew ? fair : Math.min(fair, wanted) };
  });
}

/** Who takes less than his share of the most that can be served. @returns the largest part of a share that one of them takes */
function findLight<T extends Traveller>(claims: readonly Claim<T>[], { rows, mostPerUs }: Shareable): number {
  let needed = 0;
  for (const { flow, perUs, fair } of claims) {
    // In batches of the size that serves the most: what is short now for the sake of the light is not to make them heavy.
    const taken = (perUs * rows) / (mostPerUs * fair);
    flow.light = claims.length > 1 && taken < 1;
    flow.due = Math.min(1, 1 / taken);
    if (flow.light) needed = Math.max(needed, taken);
  }
  return needed;
}

/** Seats, and the time that the others leave to those who take little. */
function giveOut<T extends Traveller>(claims: readonly Claim<T>[], batches: Shareable): void {
  const { rows, us, seated } = batches;
  const alone = claims.length < 2;
  const reserved = claims.reduce((sum, { due }) => sum + due, 0);
  const ahead = timeAhead(claims, batches);
  // Where no seats are kept, all who take much keep the same time free: whoever kept less would take all of what is left.
  let least = rows;
  for (const { flow, fair, due } of claims) if (!flow.light) least = Math.min(least, rows - fair, reserved - due);
  for (const { flow, fair, due } of claims) {
    const others = Math.min(rows - fair, reserved - due);
    flow.quantum = alone ? Number.POSITIVE_INFINITY : rows - others;
    const seats = seated ? addedTime(rows, others, us) : least / rows;
    flow.yielded = alone || flow.light ? 0 : Math.min(MOST_YIELDED, Math.max(ahead, seats));
  }
}

/** Which of those that take more than their share have had more of what is left to them than the others, where none has seats. */
function balance<T extends Traveller>(claims: readonly Claim<T>[], batches: Shareable): void {
  const { rows, everyUs, budgetUs, seated } = batches;
  let heavy = 0;
  let fairs = 0;
  let surplus = 0;
  for (const { flow, fair } of claims) {
    if (flow.light) continue;
    heavy++;
    fairs += fair;
    surplus += flow.surplus;
  }
  for (const { flow, fair } of claims) {
    const balanced = !flow.light && heavy > 1 && !seated;
    flow.part = balanced ? fair / fairs : 0;
    flow.catchUpUs = balanced ? everyUs / rows / flow.part : 0;
    // What is longer ago than a target is forgiven.
    const most = balanced ? budgetUs / flow.catchUpUs : 0;
    flow.surplus = Math.max(-most, Math.min(most, flow.surplus - flow.part * surplus));
  }
}

/** Where batches are of few rows, who goes ahead goes in a batch of his own: part of the time that takes. */
function timeAhead<T extends Traveller>(claims: readonly Claim<T>[], { rows, us, everyUs, seated }: Shareable): number {
  if (seated) return 0;
  const aloneUs = AHEAD * us(1) * (everyUs / us(rows));
  let time = 0;
  for (const { flow, perUs, fair } of claims) if (flow.light) time += Math.min(fair / rows, perUs * aloneUs);
  return time;
}

/** Part of the time of a batch that `others` of its rows add to it. */
function addedTime(rows: number, others: number, us: (rows: number) => number): number {
  return 1 - us(Math.max(1, Math.floor(rows - others))) / us(rows);
}

/** Rows due to tenants without deadlines. */
function dueToFree<T extends Traveller>(claims: readonly Claim<T>[], nowUs: number): number {
  const promised = claims.filter(({ flow }) => nowUs - flow.promisedUs < DEMAND_MEMORY_US);
  const tenants = new Set(promised.map(({ flow }) => flow.tenant));
  return claims.reduce((sum, { flow, due }) => sum + (tenants.has(flow.tenant) ? 0 : due), 0);
}
