/** One cell of scheduler-sim again, by its seed: what every contestant made of it. */

import type { Outcome, Scenario, Table } from '../runner/scenario.ts';
import { cellOf } from '../scheduler/cells.ts';
import { contest, type Result } from '../scheduler/contest.ts';
import { OURS, ours } from '../scheduler/own.ts';
import { duels } from '../scheduler/verdict.ts';

/** Ours over the best rival. */
export const schedulerCell: Scenario = {
  what: 'one cell of scheduler-sim, by its seed: goodput of ours over the best rival',
  target: '-',
  scale: 'grid',
  withoutWrk: true,
  write: async () => {},
  run: async ({ seed }) => outcomeOf(contest(cellOf(seed), { [OURS]: ours })),
};

function outcomeOf(result: Result): Outcome {
  const [duel] = duels([result], OURS);
  if (duel === undefined) throw new Error('a cell without contestants');
  const { lanes, mostRows, targetUs, sigma, shift, capacity, ceiling } = result;
  return {
    figure: duel.ratio,
    interval: [duel.ratio, duel.ratio],
    aa: Number.NaN,
    detail: { lanes, mostRows, targetMs: targetUs / 1_000, sigma, shift, capacity, ceiling, attained: duel.attained },
    tables: [everybody(result)],
  };
}

/** Shares of what was offered, but for lateness and batches. */
function everybody(result: Result): Table {
  const { cell, scores, curve, swept, attainable, targetUs } = result;
  const found = Object.entries(scores).sort(([, a], [, b]) => b.good - a.good);
  return {
    title: `${curve}, load ${cell.load}, ${cell.arrivals}, ${cell.tightness}`,
    columns: [
      '',
      'of attainable',
      'good',
      'late',
      'refused',
      'dropped',
      'sojourn / target',
      'rejected after / target',
      'batches',
    ],
    rows: found.map(([name, score]) => [
      name,
      (score.good / attainable).toFixed(3),
      ...[score.good, score.late, score.refused, score.dropped].map((count) => (count / score.offered).toFixed(3)),
      (score.sojournUs / targetUs).toFixed(3),
      (score.rejectUs / targetUs).toFixed(3),
      String(score.batches),
    ]),
    notes: [`swept: ${describe(swept)}`],
    data: result,
  };
}

function describe({ maxBatch, delayUs, queueSize, timeoutUs }: Result['swept']): string {
  return `batch ${maxBatch}, delay ${delayUs.toFixed(0)} us, queue ${queueSize}, timeout ${timeoutUs.toFixed(0)} us`;
}
