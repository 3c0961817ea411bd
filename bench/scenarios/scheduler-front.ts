/**
 * The gateway's scheduler on the front thread, on virtual time: one thread that reads, refuses, runs batches and answers. A round
 * plays the models that were met on a real server and others drawn at random from the seed, each at every load.
 */

import { median } from '../../src/load/compare.ts';
import type { Effort, Outcome, Scenario, Table } from '../runner/scenario.ts';
import { interval } from '../runner/statistics.ts';
import { drawFront, FRONT_LOADS, MET } from '../scheduler/front-cells.ts';
import { FRONT_CONTESTANTS, type FrontResult, frontContest } from '../scheduler/front-contest.ts';
import { OURS } from '../scheduler/own.ts';
import { attained, lateOf, rejectOf } from '../scheduler/verdict.ts';

/** Worlds drawn for each round. */
const DRAWN = 4;
/** Worlds of a round have seeds that begin here. */
const ROUND_SEEDS = 1_000;
const TARGET = { least: 0.8, late: 0.02, reject: 0.05 };
/** Where refusing everybody would take more of the thread, little is left to judge by. */
const MOST_REFUSING = 0.8;
/** Rows of the table of bad cells. */
const SHOWN = 15;

/** Goodput of what is attainable, of the cells of a round together. */
export const schedulerFront: Scenario = {
  what: 'goodput of what one thread attains that reads, runs and answers, on virtual time',
  target: 'goodput >= 0.80 in every cell; late <= 2 %; reject <= 5 % of the deadline',
  scale: 'grid',
  withoutWrk: true,
  write: async () => {},
  run: async (effort) => outcomeOf(play(effort), effort),
};

function play({ rounds, seed }: Effort): FrontResult[][] {
  return Array.from({ length: rounds }, (_, round) => {
    const first = (seed + round) * ROUND_SEEDS;
    const drawn = Array.from({ length: DRAWN }, (_, i) => drawFront(first + MET.length + i));
    const results = [...MET, ...drawn].flatMap((setting, i) =>
      FRONT_LOADS.map((load) => frontContest(setting, load, first + i)),
    );
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    return results;
  });
}

function isJudged({ refusing, attainable }: FrontResult): boolean {
  return refusing <= MOST_REFUSING && attainable > 0;
}

function outcomeOf(rounds: readonly FrontResult[][], { seed }: Effort): Outcome {
  const all = rounds.flat();
  const judged = all.filter(isJudged);
  const figures = rounds.map((results) => goodput(results.filter(isJudged), OURS));
  const least = Math.min(...judged.map((result) => attained(result, OURS)));
  const late = lateOf(judged, OURS);
  const reject = rejectOf(judged, OURS);
  const faults = [
    least < TARGET.least ? `${percent(least)} of what is attainable in one cell` : '',
    late > TARGET.late ? `${percent(late)} late` : '',
    reject > TARGET.reject ? `${percent(reject)} of the deadline until a rejection` : '',
  ];
  return {
    figure: median(figures),
    interval: interval(figures),
    aa: Number.NaN,
    detail: {
      seed,
      cells: all.length,
      judged: judged.length,
      least,
      below: judged.filter((result) => attained(result, OURS) < TARGET.least).length,
      latePercent: 100 * late,
      lateCells: judged.filter((result) => lateOf([result], OURS) > TARGET.late).length,
      rejectPercent: 100 * reject,
    },
    fault: faults.filter((fault) => fault !== '').join('; '),
    tables: [
      ...MET.map((setting) =>
        loadsTable(
          setting.name,
          all.filter((result) => result.setting === setting),
        ),
      ),
      loadsTable(
        'drawn at random',
        judged.filter(({ setting }) => !MET.includes(setting)),
      ),
      worstTable(judged.filter(isBad)),
    ],
  };
}

function isBad(result: FrontResult): boolean {
  return attained(result, OURS) < TARGET.least || lateOf([result], OURS) > TARGET.late;
}

/** Everybody, load by load. */
function loadsTable(title: string, results: readonly FrontResult[]): Table {
  const found = [...Map.groupBy(results, ({ load }) => load)].map(([load, part]) => ({
    load,
    cells: part.length,
    offeredPerS: mean(part.map(({ offeredPerS }) => offeredPerS)),
    attainablePerS: mean(part.map(({ attainablePerS }) => attainablePerS)),
    least: Math.min(...part.filter(({ attainable }) => attainable > 0).map((result) => attained(result, OURS))),
    everybody: FRONT_CONTESTANTS.map((name) => ({
      name,
      goodput: goodput(part, name),
      late: lateOf(part, name),
      reject: rejectOf(part, name),
    })),
  }));
  const others = FRONT_CONTESTANTS.slice(1);
  return {
    title,
    columns: ['load', 'cells', 'offered/s', 'attainable/s', 'ours', 'least', 'late', 'time to reject', ...others],
    rows: found.map(({ load, cells, offeredPerS, attainablePerS, least, everybody: [own, ...rivals] }) => [
      String(load),
      String(cells),
      offeredPerS.toFixed(0),
      attainablePerS.toFixed(0),
      share(own?.goodput ?? Number.NaN),
      share(least),
      percent(own?.late ?? Number.NaN),
      percent(own?.reject ?? Number.NaN),
      ...rivals.map(({ goodput, late, reject }) => `${share(goodput)}, ${percent(late)}, ${percent(reject)}`),
    ]),
    notes: [
      'goodput: of what is attainable; late: of what was served or promised; time to reject: of the target; rivals: all three',
      `${MOST_REFUSING} of the thread and more to refuse everybody: played, not judged`,
    ],
    data: found,
  };
}

function worstTable(found: readonly FrontResult[]): Table {
  const worst = found.toSorted((a, b) => badness(b) - badness(a)).slice(0, SHOWN);
  return {
    title: `Cells with less than 80 % of what is attainable, or more than 2 % late: ${found.length}`,
    columns: [
      'world',
      'batch of 1 and most, us',
      'most',
      'sigma',
      'road us',
      'target ms',
      'load',
      'attained',
      'late',
      'seed',
    ],
    rows: worst.map((result) => {
      const { curve, road, targetUs, name } = result.setting;
      return [
        name,
        `${curve.at(1).toFixed(0)}, ${curve.at(curve.mostRows).toFixed(0)}`,
        String(curve.mostRows),
        curve.weather.sigma.toFixed(2),
        [road.readUs, road.refuseUs, road.answerUs].map((us) => us.toFixed(0)).join(' '),
        (targetUs / 1_000).toFixed(1),
        String(result.load),
        attained(result, OURS).toFixed(3),
        percent(lateOf([result], OURS)),
        String(Math.floor(result.seed / ROUND_SEEDS)),
      ];
    }),
    notes: [
      '`--seed S --rounds 1` plays the round of a seed S again; road: to read, to refuse and to answer a request',
    ],
    data: found,
  };
}

function badness(result: FrontResult): number {
  return Math.max(lateOf([result], OURS) / TARGET.late, (1 - attained(result, OURS)) / (1 - TARGET.least));
}

function goodput(results: readonly FrontResult[], name: string): number {
  return mean(results.filter(({ attainable }) => attainable > 0).map((result) => attained(result, name)));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function share(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : '-';
}

function percent(share: number): string {
  return Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)} %`;
}
