/** Several pieces of work beside each other in one process, each in turns with its own rival: a table of what the rival takes over ours. */

import { median } from '../../src/load/compare.ts';
import { alternate, mean } from './rounds.ts';
import type { Effort, Outcome, Table } from './scenario.ts';
import { interval } from './statistics.ts';

/** Runs for so many seconds. @returns microseconds of one piece */
export type Timed = (seconds: number) => Promise<number>;

/** Ours, and what it is held against. */
export interface Comparison {
  readonly what: string;
  readonly target: string;
  readonly ours: Timed;
  readonly other: Timed;
}

interface Found {
  readonly ratios: number[];
  readonly aa: number[];
  readonly ours: number[];
  readonly other: number[];
}

/** Before the first round: code is compiled, and memory is there. */
const WARM_S = 0.1;

/** Work of this process, piece by piece. */
export function timed(work: () => unknown): Timed {
  return async (seconds) => {
    const startedMs = performance.now();
    let pieces = 0;
    let nowMs = startedMs;
    while (nowMs - startedMs < seconds * 1000) {
      const pending = work();
      if (pending instanceof Promise) await pending;
      pieces++;
      nowMs = performance.now();
    }
    return ((nowMs - startedMs) * 1000) / pieces;
  };
}

/** The figure is the first comparison's: its rival's time over ours. A slice is what one comparison takes of a round. */
export async function compareAll(
  { rounds, sliceS }: Effort,
  comparisons: readonly Comparison[],
  title: string,
  notes: readonly string[],
): Promise<Outcome> {
  const all = comparisons.map((): Found => ({ ratios: [], aa: [], ours: [], other: [] }));
  for (const { ours, other } of comparisons)
    await alternate(
      () => ours(WARM_S),
      () => other(WARM_S),
    );
  for (let round = 1; round <= rounds; round++) {
    for (const [i, comparison] of comparisons.entries()) await measure(comparison, all[i], sliceS / 4);
    process.stderr.write(`round ${round}: ${all.map(({ ratios }) => ratios.at(-1)?.toFixed(3)).join(', ')}\n`);
  }
  const [first] = all;
  return {
    figure: median(first.ratios),
    interval: interval(first.ratios),
    aa: median(first.aa),
    detail: { ours: median(first.ours), other: median(first.other) },
    tables: [tableOf(title, comparisons, all, notes)],
  };
}

async function measure({ ours, other }: Comparison, found: Found, seconds: number): Promise<void> {
  const slices = await alternate(
    () => ours(seconds),
    () => other(seconds),
  );
  const [us, them] = [mean(slices.ours), mean(slices.other)];
  found.ratios.push(them / us);
  found.aa.push(slices.ours[0] / slices.ours[1]);
  found.ours.push(us);
  found.other.push(them);
}

function tableOf(
  title: string,
  comparisons: readonly Comparison[],
  all: readonly Found[],
  notes: readonly string[],
): Table {
  const rows = comparisons.map(({ what, target }, i) => {
    const { ratios, aa, ours, other } = all[i];
    const [low, high] = interval(ratios).map((value) => value.toFixed(3));
    const [us, them] = [median(ours).toFixed(1), median(other).toFixed(1)];
    return [what, target, median(ratios).toFixed(3), `${low}..${high}`, median(aa).toFixed(3), us, them];
  });
  const columns = ['Ours beside', 'Target', 'Its time / ours', 'Interval', 'A/A', 'Ours us', 'Its us'];
  return { title, columns, rows, notes, data: comparisons.map(({ what, target }, i) => ({ what, target, ...all[i] })) };
}
