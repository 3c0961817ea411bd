/** A real run recorded and played again on virtual time: whether the simulation says what the server does. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { median } from '../../src/load/compare.ts';
import { mlp1msBinary } from '../http/loads.ts';
import { writeMlp1ms } from '../http/models.ts';
import { readRecord } from '../replay/record.ts';
import { type Fates, observed, replay } from '../replay/replay.ts';
import { withDeadline } from '../runner/open-generator.ts';
import { type OpenBench, openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import { measureRounds, type Round } from '../runner/rounds.ts';
import type { Effort, Scenario } from '../runner/scenario.ts';
import type { BareTraveller } from '../runner/schedulers.ts';
import { bestSteady } from '../runner/steady.ts';

const ENTRY = fileURLToPath(new URL('../http/recording-server.ts', import.meta.url));
const DEADLINE_MS = 20;
/** Below the capacity and beyond it. */
const LOADS = [0.7, 1.5];
const ROWS = 4;
/** Requests per second where the search for the capacity begins. */
const GUESS = 2_000;
/** Replays of one record; the median counts. */
const SEEDS = [1, 2, 3, 4, 5];

/** The figure is the larger error of a round, as a share. */
export const replayed: Scenario = {
  what: `mlp1ms at ${LOADS.join(' and ')} of the capacity, recorded and replayed: |predicted / observed goodput - 1|`,
  target: '<= 0.03',
  scale: 'slices',
  write: writeMlp1ms,
  run: (effort, models) =>
    withGenerator(effort, async (bench) => {
      const capacity = await capacityOf(bench, effort, models);
      return measureRounds(effort.rounds, () => oneRound(bench, effort, models, capacity));
    }),
};

async function capacityOf(bench: OpenBench, effort: Effort, models: string): Promise<number> {
  const load = withDeadline(mlp1msBinary(ROWS), DEADLINE_MS);
  const server = await openServer(bench, models, load);
  try {
    const slice = sliceOf(bench, server.url, load, { deadlineMs: DEADLINE_MS, most: 2 * GUESS }, effort);
    await slice(GUESS / 2, WARM_S);
    return (await bestSteady(GUESS, slice)).goodput;
  } finally {
    await server.stop();
  }
}

async function oneRound(bench: OpenBench, effort: Effort, models: string, capacity: number): Promise<Round> {
  const detail: Record<string, number> = { capacity };
  let worst = 0;
  for (const times of LOADS) {
    const { found, again } = await recordedRun(bench, effort, models, times * capacity);
    const error = median(again.map(({ good }) => good)) / found.good - 1;
    worst = Math.max(worst, Math.abs(error));
    detail[`error${times}`] = error;
    detail[`good${times}`] = found.good;
    detail[`late${times}`] = found.late;
    detail[`refused${times}`] = found.refused;
    detail[`refusedAgain${times}`] = median(again.map(({ refused }) => refused));
  }
  return { figure: worst, aa: Number.NaN, detail };
}

/** A server of its own: the record begins when its model is loaded. */
async function recordedRun(
  bench: OpenBench,
  effort: Effort,
  models: string,
  rate: number,
): Promise<{ found: Fates; again: Fates[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-replay-'));
  const file = join(folder, 'record.jsonl');
  const load = withDeadline(mlp1msBinary(ROWS), DEADLINE_MS);
  try {
    const server = await openServer(bench, models, load, [ENTRY, models, String(bench.layout.instances), file]);
    try {
      await sliceOf(bench, server.url, load, { deadlineMs: DEADLINE_MS, most: rate }, effort)(rate);
      const written = once(server.output, 'data');
      process.kill(server.pid, 'SIGUSR2');
      await written;
    } finally {
      await server.stop();
    }
    const record = readRecord(file);
    const again = SEEDS.map((seed) => replay(record, (lanes) => new PlanScheduler<BareTraveller>(lanes), seed));
    return { found: observed(record), again };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
