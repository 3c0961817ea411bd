/** What the slices of a contest say: medians, ratios with their intervals, and whether the targets are held. */

import { median } from '../../src/load/compare.ts';
import type { Table } from '../runner/scenario.ts';
import { interval } from '../runner/statistics.ts';
import type { Meeting, Sample, Standing } from './contest.ts';

/** A quantity in which two servers are compared, as ours over theirs. */
export type Quantity = 'cpuUs' | 'perSecond';

/** A ratio of ours to a rival's: median over the rounds, and its 95 % interval. */
export interface Ratio {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What is aimed at. */
export interface Target {
  readonly of: Quantity;
  /** A rival's name, or `best`: the one with the least CPU, or the highest rate. */
  readonly against: string;
  /** The ratio at most for CPU, at least for the rate. */
  readonly limit: number;
}

/** A target and what was found. */
export interface Judged {
  readonly target: Target;
  /** Null where that rival was not measured. */
  readonly ratio: Ratio | null;
  readonly held: boolean;
  readonly line: string;
}

const MIB = 2 ** 20;
/** Characters of a fault in a table; the file has all. */
const MAX_FAULT = 300;

/** Ours over theirs in every round; ours is the mean of the slice before and the slice after. */
export function ratioOf(meetings: readonly Meeting[], of: Quantity): Ratio {
  const ratios = meetings.map(({ theirs, ours }) => (ours[0][of] + ours[1][of]) / 2 / theirs[of]);
  const [low, high] = interval(ratios);
  return { value: median(ratios), low, high };
}

/** Our first slice of a round over our last: what noise alone makes. NaN where there is none. */
export function noiseOf(standings: readonly Standing[], of: Quantity): number {
  const rounds = oursOf(standings);
  return rounds.length === 0 ? Number.NaN : median(rounds.map(([first, last]) => first[of] / last[of]));
}

/** Our slices, a pair for each round, by the rival that was there longest. */
function oursOf(standings: readonly Standing[]): readonly (readonly [Sample, Sample])[] {
  const longest = standings.toSorted((a, b) => b.meetings.length - a.meetings.length)[0];
  return (longest?.meetings ?? []).map(({ ours }) => ours);
}

/** Judges a target by the medians. */
export function judge(target: Target, standings: readonly Standing[]): Judged {
  const { of, against, limit } = target;
  const measured = standings.filter(({ meetings }) => meetings.length > 0);
  const rival = against === 'best' ? best(measured, of) : measured.find(({ name }) => name === against);
  const what = of === 'cpuUs' ? 'CPU per request' : 'requests/s';
  const aim = `${what}, ours / ${against === 'best' ? `the best rival's` : against}: target ${of === 'cpuUs' ? '<=' : '>='} ${limit}`;
  if (rival === undefined) return { target, ratio: null, held: false, line: `${aim}: not measured` };
  const ratio = ratioOf(rival.meetings, of);
  const held = of === 'cpuUs' ? ratio.value <= limit : ratio.value >= limit;
  const name = against === 'best' ? ` (${rival.name})` : '';
  const off = Math.abs(ratio.value / limit - 1) * 100;
  const verdict = held ? 'held' : `missed by ${off.toFixed(0)} %`;
  return { target, ratio, held, line: `${aim}${name}: ${shown(ratio)}, ${verdict}` };
}

function best(standings: readonly Standing[], of: Quantity): Standing | undefined {
  const value = ({ meetings }: Standing) => median(meetings.map(({ theirs }) => theirs[of]));
  const rising = standings.toSorted((a, b) => value(a) - value(b));
  return of === 'cpuUs' ? rising[0] : rising.at(-1);
}

/** A line for ours and one for each rival, and the targets below. */
export function tableOf(title: string, standings: readonly Standing[], judged: readonly Judged[]): Table {
  const ours = oursOf(standings).flat();
  const rows = [
    ...(ours.length === 0 ? [] : [['penstock', '', ...cells(ours), '1', '1']]),
    ...standings.flatMap(({ name, form, meetings }) =>
      meetings.length === 0
        ? []
        : [
            [
              name,
              form,
              ...cells(meetings.map(({ theirs }) => theirs)),
              shown(ratioOf(meetings, 'cpuUs')),
              shown(ratioOf(meetings, 'perSecond')),
            ],
          ],
    ),
  ];
  const aa = `A/A of ours: CPU ${noiseOf(standings, 'cpuUs').toFixed(3)}, rate ${noiseOf(standings, 'perSecond').toFixed(3)}`;
  const out = standings.filter(({ fault }) => fault !== '').map(({ name, fault }) => `${name} is out: ${brief(fault)}`);
  return {
    title,
    columns: ['Server', 'Form', 'CPU us', 'per s', 'p50 ms', 'p99 ms', 'MiB', 'CPU, ours / its', 'rate, ours / its'],
    rows,
    notes: [...judged.map(({ line }) => line), aa, ...out],
    data: { standings, judged },
  };
}

/** The end of what a server printed says most. */
function brief(fault: string): string {
  const line = fault.replaceAll(/\s+/g, ' ');
  return line.length <= MAX_FAULT ? line : `... ${line.slice(-MAX_FAULT)}`;
}

function cells(samples: readonly Sample[]): string[] {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
  return [
    of('cpuUs').toFixed(1),
    of('perSecond').toFixed(0),
    (of('p50Us') / 1000).toFixed(2),
    (of('p99Us') / 1000).toFixed(2),
    (of('bytes') / MIB).toFixed(0),
  ];
}

function shown({ value, low, high }: Ratio): string {
  return `${value.toFixed(3)} (${low.toFixed(3)}..${high.toFixed(3)})`;
}
