/** What a server does beyond its capacity, against the best that it does steadily with the same deadline. */

import { median } from '../../src/load/compare.ts';
import type { LoadFigures } from '../../src/load/figures.ts';
import { due, refusals } from '../../src/load/units.ts';
import type { Table } from './scenario.ts';
import { interval } from './statistics.ts';
import { bestSteady } from './steady.ts';

/** Loads as multiples of the capacity. */
export const OVERLOADS = [2, 5];
/** Between an overload and the next slice: what was queued is done with. */
const SETTLE_MS = 300;
/** Rejections are to take at most this part of the deadline, and never need be quicker than the second, microseconds. */
const REJECT_SHARE = 0.05;
const REJECT_US = 1_000;

/** One server under one deadline at one load, by round. */
export interface Cell {
  readonly server: string;
  readonly deadlineMs: number;
  readonly times: number;
  /** Goodput over the capacity of the same round. */
  readonly goodput: number[];
  /** Share of what was answered well that was late. */
  readonly late: number[];
  /** Median time to a refusal, microseconds; NaN where none was refused. */
  readonly rejectUs: number[];
  /** Share of what was due that got no whole answer. */
  readonly lost: number[];
  /** Slices in which the generator was the limit. */
  voids: number;
}

/** One server under one deadline. */
export interface Subject {
  readonly server: string;
  readonly deadlineMs: number;
  /** A slice at so many requests per second. */
  readonly slice: (rate: number) => Promise<LoadFigures>;
}

/** A subject with what is known of it. */
export interface Contestant extends Subject {
  /** The offered rate of its best steady goodput. */
  readonly rate: number;
  readonly cells: readonly Cell[];
  /** First capacity slice of a round over the last. */
  readonly aa: number[];
  readonly capacity: number[];
}

/** Finds the capacity. @param guess about where it lies, requests per second */
export async function enter(subject: Subject, guess: number): Promise<Contestant> {
  const { rate } = await bestSteady(guess, subject.slice);
  const { server, deadlineMs } = subject;
  const cells = OVERLOADS.map((times) => {
    return { server, deadlineMs, times, goodput: [], late: [], rejectUs: [], lost: [], voids: 0 };
  });
  return { ...subject, rate, cells, aa: [], capacity: [] };
}

/** A round: capacity, the overloads, capacity. */
export async function playRound(contestant: Contestant): Promise<void> {
  const { slice, rate, cells } = contestant;
  const first = await slice(rate);
  const found: LoadFigures[] = [];
  for (const { times } of cells) {
    found.push(await slice(times * rate));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
  const last = await slice(rate);
  const capacity = (first.goodput + last.goodput) / 2;
  contestant.capacity.push(capacity);
  contestant.aa.push(first.goodput / last.goodput);
  for (const [i, figures] of found.entries()) take(cells[i] as Cell, figures, capacity);
}

function take(cell: Cell, figures: LoadFigures, capacity: number): void {
  const { goodput, ok, late, generator } = figures;
  cell.goodput.push(goodput / capacity);
  cell.late.push(ok + late === 0 ? 0 : late / (ok + late));
  cell.rejectUs.push(medianRefusalUs(figures));
  cell.lost.push((due(figures) - ok - late - refusals(figures)) / due(figures));
  if (generator.void !== '') cell.voids++;
}

/** The most frequent refusal's; they are alike. */
function medianRefusalUs({ refused }: LoadFigures): number {
  return refused[0]?.timeToRefuse.p50 ?? Number.NaN;
}

/** Whether rejections came soon enough. */
export function isSoon(rejectUs: number, deadlineMs: number): boolean {
  return Number.isNaN(rejectUs) || rejectUs <= Math.max(REJECT_SHARE * deadlineMs * 1000, REJECT_US);
}

/** All cells as a table. */
export function cellTable(title: string, contestants: readonly Contestant[], notes: readonly string[]): Table {
  const cells = contestants.flatMap((one) => one.cells.map((cell) => ({ cell, capacity: median(one.capacity) })));
  return {
    title,
    columns: ['Server', 'Deadline', 'Load', 'Capacity /s', 'Goodput', 'Late', 'Reject', 'Lost', 'Void'],
    rows: cells.map(({ cell, capacity }) => rowOf(cell, capacity)),
    notes,
    data: contestants.map(({ slice: _, ...rest }) => rest),
  };
}

function rowOf({ server, deadlineMs, times, goodput, late, rejectUs, lost, voids }: Cell, capacity: number): string[] {
  const [low, high] = interval(goodput);
  const reject = median(rejectUs.filter((us) => !Number.isNaN(us)));
  return [
    server,
    `${deadlineMs} ms`,
    `${times}x`,
    capacity.toFixed(0),
    `${median(goodput).toFixed(3)} (${low.toFixed(3)}..${high.toFixed(3)})`,
    `${(100 * median(late)).toFixed(2)} %`,
    Number.isNaN(reject) ? '-' : `${(reject / 1000).toFixed(2)} ms`,
    `${(100 * median(lost)).toFixed(2)} %`,
    `${voids} of ${goodput.length}`,
  ];
}
