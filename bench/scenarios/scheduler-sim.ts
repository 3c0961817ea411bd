/**
 * The gateway's scheduler against re-implementations of others on virtual time: curves, loads, arrivals and targets drawn at
 * random from the seed. Nine rounds are the whole grid, once; a round is a ninth of its cells, drawn at random.
 */

import type { Effort, Outcome, Scenario, Table } from '../runner/scenario.ts';
import { type Cell, grid } from '../scheduler/cells.ts';
import { contest, type Result } from '../scheduler/contest.ts';
import { OURS, ours } from '../scheduler/own.ts';
import {
  type Duel,
  duels,
  isBest,
  isStationary,
  lateOf,
  ofLimit,
  rejectOf,
  type Standing,
  standingOf,
  standings,
} from '../scheduler/verdict.ts';

/** Rounds of a whole grid. */
const GRID_ROUNDS = 9;
/** Rows of the tables of bad cells. */
const SHOWN = 15;
const TARGET = { best: 0.85, least: 0.8, late: 0.02, reject: 0.05 };
/** Normal quantile of a 95 % interval. */
const Z = 1.96;

/** Share of cells where ours is best or within 3 % of the best rival. */
export const schedulerSim: Scenario = {
  what: 'cells where our scheduler is best or within 3 % of the best rival, on virtual time',
  target: '>= 0.85; goodput >= 0.80 of attainable; late <= 2 %; reject <= 5 % of the deadline',
  scale: 'grid',
  withoutWrk: true,
  write: async () => {},
  run: async (effort) => outcomeOf(play(effort), effort),
};

function play({ rounds, seed }: Effort): Result[] {
  const results: Result[] = [];
  for (let round = 0; round < rounds; round++) {
    const cells = ninth(grid(seed + Math.floor(round / GRID_ROUNDS)), round % GRID_ROUNDS);
    for (const cell of cells) results.push(contest(cell, { [OURS]: ours }));
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  return results;
}

function ninth(cells: readonly Cell[], part: number): Cell[] {
  return cells.filter((_, i) => i % GRID_ROUNDS === part);
}

function outcomeOf(results: readonly Result[], { seed }: Effort): Outcome {
  const own = duels(results, OURS);
  const steady = own.filter(({ result }) => isStationary(result));
  const all = standingOf(results, OURS);
  const least = Math.min(...steady.map(({ attained }) => attained));
  const faults = [
    all.best < TARGET.best ? `best or beside it in ${percent(all.best)} of cells` : '',
    least < TARGET.least ? `${percent(least)} of what is attainable in one` : '',
    all.lateCalm > TARGET.late ? `${percent(all.lateCalm)} late` : '',
    all.reject > TARGET.reject ? `${percent(all.reject)} of the deadline until a rejection` : '',
  ];
  return {
    figure: all.best,
    interval: wilson(all.best, results.length),
    aa: Number.NaN,
    detail: {
      seed,
      cells: results.length,
      least,
      below: steady.filter(({ attained }) => attained < TARGET.least).length,
      leastAtOnce: Math.min(...steady.map(({ attainedAtOnce }) => attainedAtOnce)),
      belowAtOnce: steady.filter(({ attainedAtOnce }) => attainedAtOnce < TARGET.least).length,
      leastOfLimit: Math.min(...steadyPoisson(results).map((result) => ofLimit(result, OURS))),
      latePercent: 100 * all.lateCalm,
      noisyPercent: 100 * all.lateNoisy,
      rejectPercent: 100 * all.reject,
      mean: all.goodput,
    },
    fault: faults.filter((fault) => fault !== '').join('; '),
    tables: [
      everybody(results),
      families(results),
      cellsTable(
        'Where ours loses by most',
        own.filter((duel) => !isBest(duel)).sort((a, b) => a.ratio - b.ratio),
      ),
      cellsTable(
        'Where ours attains least of what a smooth server would, on stationary curves',
        steady.filter(({ attained }) => attained < TARGET.least).sort((a, b) => a.attained - b.attained),
      ),
    ],
  };
}

function steadyPoisson(results: readonly Result[]): Result[] {
  return results.filter((result) => isStationary(result) && result.cell.arrivals === 'poisson');
}

function everybody(results: readonly Result[]): Table {
  const found = standings(results);
  return {
    title: 'Everybody, over all cells',
    columns: ['', 'best or beside it', 'goodput, mean', 'least', 'late, sigma <= 0.1', 'late, above', 'time to reject'],
    rows: found.map((one) => [
      one.name,
      percent(one.best),
      one.goodput.toFixed(3),
      one.least.toFixed(3),
      percent(one.lateCalm),
      percent(one.lateNoisy),
      percent(one.reject),
    ]),
    notes: [
      'goodput: over what a smooth server finishes in time that is as quick as batches of at most half the target make the lanes',
      'late: of who was served, or promised to be in time and given up before he ran; time to reject: of the target',
    ],
    data: { standings: found, results },
  };
}

/** Ours by each value of each axis. */
function families(results: readonly Result[]): Table {
  const axes: readonly (readonly [string, (result: Result) => string])[] = [
    ['curve', ({ cell }) => cell.curve],
    ['load', ({ cell }) => String(cell.load)],
    ['arrivals', ({ cell }) => cell.arrivals],
    ['target', ({ cell }) => cell.tightness],
    ['lanes', ({ lanes }) => String(lanes)],
  ];
  const found = axes.flatMap(([axis, of]) =>
    [...Map.groupBy(results, of)]
      .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
      .map(([value, part]) => ({ axis, value, cells: part.length, ...partOf(part) })),
  );
  return {
    title: 'Ours by family',
    columns: ['', '', 'cells', 'best or beside it', 'goodput, mean', 'least', 'late', 'time to reject'],
    rows: found.map(({ axis, value, cells, best, goodput, least, late, reject }) => [
      axis,
      value,
      String(cells),
      percent(best),
      goodput.toFixed(3),
      least.toFixed(3),
      percent(late),
      percent(reject),
    ]),
    notes: [],
    data: found,
  };
}

function partOf(part: readonly Result[]): Pick<Standing, 'best' | 'goodput' | 'least' | 'reject'> & { late: number } {
  const { best, goodput, least } = standingOf(part, OURS);
  return { best, goodput, least, late: lateOf(part, OURS), reject: rejectOf(part, OURS) };
}

function cellsTable(title: string, found: readonly Duel[]): Table {
  return {
    title: `${title}: ${found.length} cells`,
    columns: [
      'curve',
      'sigma',
      'lanes x rows',
      'target ms',
      'load',
      'arrivals',
      'target',
      'ours / best',
      'best',
      'attained',
      'at once',
      'late',
      'seed',
    ],
    rows: found
      .slice(0, SHOWN)
      .map(({ result, rival, ratio, attained, attainedAtOnce }) => [
        result.shift === 1 ? result.curve : `${result.curve}, x${result.shift} in the middle`,
        result.sigma.toFixed(2),
        `${result.lanes} x ${result.mostRows}`,
        (result.targetUs / 1_000).toFixed(1),
        String(result.cell.load),
        result.cell.arrivals,
        result.cell.tightness,
        ratio.toFixed(2),
        rival,
        attained.toFixed(2),
        attainedAtOnce.toFixed(2),
        percent(lateOf([result], OURS)),
        String(result.cell.seed),
      ]),
    notes: found.length > SHOWN ? [`the ${SHOWN} worst`] : [],
    data: found.map(({ result, ...of }) => ({ cell: result.cell, ...of })),
  };
}

function percent(share: number): string {
  return Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)} %`;
}

/** 95 % interval of a share of so many: Wilson's. */
function wilson(share: number, count: number): readonly [number, number] {
  const middle = (share + Z ** 2 / (2 * count)) / (1 + Z ** 2 / count);
  const half = (Z / (1 + Z ** 2 / count)) * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2));
  return [middle - half, middle + half];
}
