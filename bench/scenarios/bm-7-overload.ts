/** BM-7: BM-5's model without a target, deadlines in the header, beyond its capacity. */

import { join } from 'node:path';
import { median } from '../../src/load/compare.ts';
import { MLP1MS_WIDTH, mlp1msBinary } from '../http/loads.ts';
import { modelFile, writeMlp1ms } from '../http/models.ts';
import { enterRivals } from '../peers/overload.ts';
import { batchTimes, lightAt } from '../runner/light.ts';
import { withDeadline } from '../runner/open-generator.ts';
import { type OpenBench, openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import { type Cell, type Contestant, cellTable, enter, isSoon, playRound } from '../runner/overload-cells.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { interval } from '../runner/statistics.ts';

const DEADLINES_MS = [10, 50, 200];
const SIZES = [8, 16, 24, 32, 48, 64, 128];
/** Of one request: five times the capacity of single rows is more than one core can send. */
const ROWS = 8;
/** Least goodput over capacity, and most late of what was served. */
const [GOODPUT, LATE] = [0.9, 0.02];

/** The figure is the worst cell's goodput over capacity. */
export const deadlinesKept: Scenario = {
  what: 'mlp1ms, deadlines 10, 50, 200 ms, 2x and 5x the capacity: goodput / capacity, the worst',
  target: '>= 0.90, late <= 2 %, rejected soon',
  scale: 'slices',
  sliceS: 2,
  write: (models) => writeMlp1ms(join(models, 'mlp1ms')),
  run: measure,
};

function measure(effort: Effort, models: string): Promise<Outcome> {
  const folder = join(models, 'mlp1ms');
  return withGenerator(effort, async (bench) => {
    const raw = { model: modelFile(folder, 'mlp1ms'), input: 'input', dims: [MLP1MS_WIDTH], sizes: SIZES };
    const light = lightAt(await batchTimes(raw, bench.layout, effort.sliceS), Number.POSITIVE_INFINITY);
    const ours = await measureOurs(effort, bench, folder, light / ROWS);
    const rivals = effort.peers.length === 0 ? [] : await enterRivals(effort, bench, folder, light, DEADLINES_MS);
    return outcomeOf(effort, ours, rivals);
  });
}

async function measureOurs(effort: Effort, bench: OpenBench, folder: string, guess: number): Promise<Contestant[]> {
  const load = mlp1msBinary(ROWS);
  const server = await openServer(bench, folder, load);
  try {
    const contestants: Contestant[] = [];
    for (const deadlineMs of DEADLINES_MS) {
      const slice = sliceOf(bench, server.url, withDeadline(load, deadlineMs), { deadlineMs, most: 5 * guess }, effort);
      await slice(guess / 2, WARM_S);
      contestants.push(await enter({ server: 'penstock', deadlineMs, slice }, guess));
    }
    for (let round = 1; round <= effort.rounds; round++) {
      for (const contestant of contestants) await playRound(contestant);
      process.stderr.write(`round ${round}: ${contestants.flatMap(({ cells }) => cells.map(latest)).join(', ')}\n`);
    }
    return contestants;
  } finally {
    await server.stop();
  }
}

function latest({ deadlineMs, times, goodput }: Cell): string {
  return `${deadlineMs} ms ${times}x ${goodput.at(-1)?.toFixed(3)}`;
}

function outcomeOf(effort: Effort, ours: readonly Contestant[], rivals: readonly Contestant[]): Outcome {
  const cells = ours.flatMap((one) => one.cells);
  const worst = cells.toSorted((a, b) => median(a.goodput) - median(b.goodput))[0] as Cell;
  const missed = cells.filter((cell) => !held(cell)).length;
  const title = `mlp1ms, ${ROWS} rows a request, ${effort.layout}, slices of ${effort.sliceS} s, ${effort.rounds} rounds`;
  const notes = [
    'goodput is over the best steady goodput with the same deadline, measured before and after in the same round',
    'late is the share of what was served; reject the median time to a refusal; lost got no whole answer',
    ...(rivals.length === 0 ? [] : ['rivals are asked for single rows; their deadline is judged where it is sent']),
  ];
  return {
    figure: median(worst.goodput),
    interval: interval(worst.goodput),
    aa: median(ours.flatMap(({ aa }) => aa)),
    detail: {
      cells: cells.length,
      missed,
      latePercent: 100 * Math.max(...cells.map(({ late }) => median(late))),
      voids: cells.reduce((sum, { voids }) => sum + voids, 0),
    },
    tables: [cellTable(title, [...ours, ...rivals], notes)],
  };
}

function held({ goodput, late, rejectUs, deadlineMs }: Cell): boolean {
  const reject = median(rejectUs.filter((us) => !Number.isNaN(us)));
  return median(goodput) >= GOODPUT && median(late) <= LATE && isSoon(reject, deadlineMs);
}
