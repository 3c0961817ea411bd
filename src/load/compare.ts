/** Two reports against each other: ratios at each load that both have, with an interval where runs were repeated. */

import type { LoadFigures } from './figures.ts';
import { Random } from './random.ts';
import type { Report } from './report.ts';
import { table } from './text.ts';
import { connectionsName, loadName, plain } from './units.ts';

/** Resamples behind an interval, the share of them inside, and the seed: the same files give the same intervals. */
const RESAMPLES = 2000;
const INSIDE = 0.95;
const SEED = 1;
/** With fewer runs on a side, servers that are equal are told apart too often. */
const FEWEST_RUNS = 5;

/** What is compared, and whether more of it is better. */
const FIGURES: readonly Figure[] = [
  { name: 'p50', better: 'less', of: (run) => run.latency.p50 },
  { name: 'p99', better: 'less', of: (run) => run.latency.p99 },
  { name: 'achieved', better: 'more', of: (run) => run.achieved },
  { name: 'goodput', better: 'more', of: (run) => run.goodput },
  { name: "generator's CPU per request", better: 'less', of: (run) => run.generator.cpuUsPerRequest },
];

interface Figure {
  readonly name: string;
  readonly better: 'more' | 'less';
  readonly of: (run: LoadFigures) => number;
}

/** One figure at one load: the median of B's runs by that of A's. */
export interface Ratio {
  readonly figure: string;
  readonly better: 'more' | 'less';
  /** null where A's is 0. */
  readonly ratio: number | null;
  /** 95 % of resampled ratios lie in it; null with fewer than five runs on one side. */
  readonly interval: readonly [number, number] | null;
}

/** What there is to say about one load. */
export interface LoadComparison {
  readonly load: string;
  /** Good runs of each. */
  readonly runs: readonly [a: number, b: number];
  /** Empty where one side has no good run. */
  readonly ratios: readonly Ratio[];
}

/** Two reports compared. */
export interface Comparison {
  readonly loads: readonly LoadComparison[];
  /** B's capacity by A's; null where one has none. */
  readonly capacity: number | null;
  /** What makes the comparison doubtful. */
  readonly doubts: readonly string[];
}

/** B by A, load by load in the order of A's runs. Void runs are left out. */
export function compareReports(a: Report, b: Report): Comparison {
  const [byA, byB] = [byLoad(a), byLoad(b)];
  const names = new Set([...byA.keys(), ...byB.keys()]);
  const loads = [...names].map((load): LoadComparison => {
    const [runsA, runsB] = [byA.get(load) ?? [], byB.get(load) ?? []];
    const both = runsA.length > 0 && runsB.length > 0;
    const ratios = both ? FIGURES.map((figure) => ratioOf(figure, runsA, runsB)) : [];
    return { load, runs: [runsA.length, runsB.length], ratios };
  });
  const capacity = a.capacity === null || b.capacity === null ? null : b.capacity.rate / a.capacity.rate;
  return { loads, capacity, doubts: doubtsOf(a, b) };
}

function byLoad({ runs, kind, capacity }: Report): Map<string, LoadFigures[]> {
  const groups = new Map<string, LoadFigures[]>();
  for (const run of runs) {
    // The rates of an overload hang on what its search found: what two of them share is the multiple.
    const times =
      kind === 'overload' && capacity !== null && run.loop.kind === 'open' ? run.loop.rate / capacity.rate : 0;
    const load = times > 0 ? `${plain(times)} x capacity` : loadName(run.loop);
    const name = `${load}, ${connectionsName(run)}`;
    const group = groups.get(name) ?? [];
    groups.set(name, group);
    if (run.generator.void === '') group.push(run);
  }
  return groups;
}

function ratioOf({ name, better, of }: Figure, runsA: readonly LoadFigures[], runsB: readonly LoadFigures[]): Ratio {
  const [a, b] = [runsA.map(of), runsB.map(of)];
  const below = median(a);
  const ratio = below === 0 ? null : median(b) / below;
  const known = ratio !== null && Math.min(a.length, b.length) >= FEWEST_RUNS;
  return { figure: name, better, ratio, interval: known ? bootstrap(a, b) : null };
}

/** Runs are drawn anew from those of each side; a resample with 0 below says nothing and is passed over. */
function bootstrap(a: readonly number[], b: readonly number[]): readonly [number, number] | null {
  const random = new Random(SEED);
  const draw = (from: readonly number[]) =>
    median(from.map(() => from[Math.floor(random.uniform() * from.length)] as number));
  const ratios = Array.from({ length: RESAMPLES }, () => draw(b) / draw(a))
    .filter(Number.isFinite)
    .sort((x, y) => x - y);
  if (ratios.length < RESAMPLES / 2) return null;
  const at = (quantile: number) => ratios[Math.round(quantile * (ratios.length - 1))] as number;
  return [at((1 - INSIDE) / 2), at((1 + INSIDE) / 2)];
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function doubtsOf(a: Report, b: Report): string[] {
  const doubts: string[] = [];
  const same = (x: unknown, y: unknown) => JSON.stringify(x) === JSON.stringify(y);
  if (!same(a.machine, b.machine))
    doubts.push('they were made on different machines, or by different versions of Node');
  if (a.model !== b.model) doubts.push('they are of different models');
  if (!same(deadlines(a), deadlines(b))) doubts.push('they have different deadlines');
  for (const [name, report] of [
    ['A', a],
    ['B', b],
  ] as const) {
    // biome-ignore format: pairs
    const bad = report.runs.filter((run) => run.generator.void !== '').length;
    if (bad > 0) doubts.push(`${bad} of ${report.runs.length} runs of ${name} are void and left out`);
    if (!report.complete) doubts.push(`${name} is incomplete`);
  }
  return doubts;
}

function deadlines({ runs }: Report): readonly (number | null)[] {
  return [...new Set(runs.map((run) => run.deadlineMs))].sort();
}

/** A comparison for a terminal. */
export function comparisonText({ loads, capacity, doubts }: Comparison): string {
  const lines = ['B / A: over 1 is more in B, under 1 less', ...doubts.map((doubt) => `note: ${doubt}`)];
  if (capacity !== null) lines.push('', `capacity  ${capacity.toFixed(3)}  no interval: one search each`);
  for (const load of loads) lines.push('', ...loadLines(load));
  if (loads.length === 0) lines.push('neither has a run');
  return `${lines.join('\n')}\n`;
}

function loadLines({ load, runs: [a, b], ratios }: LoadComparison): string[] {
  if (ratios.length === 0) return [`${load}: ${a > 0 ? 'only in A' : b > 0 ? 'only in B' : 'no good run'}`];
  const rows = ratios.map(({ figure, better, ratio, interval }) => [
    `  ${figure}`,
    ratio === null ? '-' : ratio.toFixed(3),
    interval === null ? missing(a, b) : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`,
    interval === null ? '' : verdict(interval, better),
  ]);
  return [`${load} (runs: ${a} and ${b})`, ...table(rows)];
}

function missing(a: number, b: number): string {
  if (a === 1 && b === 1) return 'no interval: one run each';
  return Math.min(a, b) < FEWEST_RUNS ? `no interval: fewer than ${FEWEST_RUNS} runs each` : 'no interval: A is 0';
}

function verdict([low, high]: readonly [number, number], better: 'more' | 'less'): string {
  if (low <= 1 && high >= 1) return 'no difference shown';
  return low > 1 === (better === 'more') ? 'B is better' : 'A is better';
}
