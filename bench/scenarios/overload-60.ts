/** Twice and five times the capacity for a minute each: how the surplus is refused, and how soon everything is as before. */

import { SHARED_LIGHT, tenantLoad, writeShared } from '../http/tenants.ts';
import { type Flood, faultsOf, flood, refusedCodes } from '../runner/flood.ts';
import { openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import type { Effort, Outcome, Scenario, Table } from '../runner/scenario.ts';
import { bestSteady, connectionsFor } from '../runner/steady.ts';

const TARGET_MS = 100;
const LOADS = [2, 5];
const STEADY = 0.7;
const WATCHED_S = 8;
/** Of a burst, with slices of their usual length; shorter ones make a smoke test. */
const BURST_SLICES = 20;
const MOST_GROWTH_BYTES = 64 * 2 ** 20;
const MOST_RECOVERY_S = 2;

/** The figure is the longest recovery, seconds. */
export const overloadMinute: Scenario = {
  what: '2x and 5x the capacity for 20 slices each: seconds until the steady load is served as before',
  target: `<= ${MOST_RECOVERY_S}, nothing but 503 and 504`,
  scale: 'slices',
  write: (models) => writeShared(models, TARGET_MS),
  run: measure,
};

function measure(effort: Effort, models: string): Promise<Outcome> {
  return withGenerator(effort, async (bench) => {
    const load = tenantLoad('');
    const server = await openServer(bench, models, load);
    try {
      const guess = SHARED_LIGHT * bench.layout.instances;
      const slice = sliceOf(bench, server.url, load, { deadlineMs: TARGET_MS, most: guess }, effort);
      await slice(guess / 2, WARM_S);
      const { goodput: capacity } = await bestSteady(guess, slice);
      const floods: Flood[] = [];
      for (const times of LOADS) {
        const connections = connectionsFor(times * capacity, TARGET_MS);
        const burstS = BURST_SLICES * effort.sliceS;
        const base = { load, deadlineMs: TARGET_MS, capacity, steady: STEADY, watchedS: WATCHED_S, connections };
        floods.push(await flood(bench.generator, server, { ...base, times, burstS, seed: times }));
        process.stderr.write(`${times}x: recovered after ${floods.at(-1)?.recoveredS} s\n`);
      }
      return outcomeOf(floods, capacity, effort);
    } finally {
      await server.stop();
    }
  });
}

function outcomeOf(floods: readonly Flood[], capacity: number, effort: Effort): Outcome {
  const faults = floods.flatMap((found) => [
    ...faultsOf(found, MOST_GROWTH_BYTES).map((fault) => `${found.times}x: ${fault}`),
    ...((found.recoveredS ?? WATCHED_S) > MOST_RECOVERY_S ? [`${found.times}x: no recovery in time`] : []),
  ]);
  const slowest = Math.max(...floods.map(({ recoveredS }) => recoveredS ?? Number.POSITIVE_INFINITY));
  const last = floods.at(-1);
  return {
    figure: slowest,
    interval: [slowest, slowest],
    aa: Number.NaN,
    detail: {
      capacity,
      rssBeforeMiB: (floods[0]?.rssBytes.before ?? 0) / 2 ** 20,
      rssMostMiB: Math.max(...floods.map(({ rssBytes }) => rssBytes.most)) / 2 ** 20,
      rssAfterMiB: (last?.rssBytes.after ?? 0) / 2 ** 20,
    },
    fault: faults.join('; '),
    tables: [tableOf(floods, effort)],
  };
}

function tableOf(floods: readonly Flood[], { sliceS, layout }: Effort): Table {
  return {
    title: `flooded for ${BURST_SLICES * sliceS} s, ${layout}`,
    columns: ['Load', 'Good /s', 'Late', 'Refused', 'Failed', 'RSS growth', 'Recovered', 'Others, slowest answer'],
    rows: floods.map((found) => {
      const { steady, burst, rssBytes, recoveredS, asked } = found;
      const sum = (of: (figures: Flood['burst']) => number) => of(steady) + of(burst);
      const codes = Object.entries(refusedCodes(found)).map(([code, count]) => `${count} ${code}`);
      const others = Object.entries(asked).map(
        ([url, one]) => `${new URL(url).pathname} ${one.slowestMs.toFixed(0)} ms of ${one.asked}`,
      );
      return [
        `${found.times}x`,
        (burst.goodput + steady.goodput).toFixed(0),
        String(sum(({ late }) => late)),
        codes.join(', '),
        String(sum(({ errors }) => errors.connect + errors.reset + errors.timeout + errors.malformed)),
        `${((rssBytes.most - rssBytes.before) / 2 ** 20).toFixed(1)} MiB`,
        recoveredS === null ? 'no' : `${recoveredS} s`,
        others.join(', '),
      ];
    }),
    notes: [
      'the goodput is that of the burst, and that of the steady load over its whole time, the time after the burst included',
    ],
    data: floods,
  };
}
