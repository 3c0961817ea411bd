/** One tenant floods, another asks for half of what is fairly its: whether the flood is felt by the other. */

import { fileURLToPath } from 'node:url';
import { type Counters, readCounters } from '../../src/load/counters.ts';
import type { LoadFigures } from '../../src/load/figures.ts';
import { due } from '../../src/load/units.ts';
import { SHARED, SHARED_LIGHT, tenantLoad, writeShared } from '../http/tenants.ts';
import type { OpenPlan } from '../runner/open-generator.ts';
import { type OpenBench, openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import type { Server } from '../runner/process.ts';
import { measureRounds, type Round } from '../runner/rounds.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { bestSteady, connectionsFor } from '../runner/steady.ts';

const TARGET_MS = 200;
/** Of two tenants each has half of the capacity fairly, and the victim asks for half of that. */
const VICTIM = 0.25;
/** The flood, in the victim's loads. */
const FLOOD = 50;
/** What the victim's p99 may be, in its solo p99, beside one batch. */
const MOST = 1.3;
const SETTLE_MS = 500;

/** The figure is the victim's p99 less one batch, in its solo p99. */
export const tenants: Scenario = {
  what: `a tenant at ${FLOOD}x: (victim's p99 under flood - one batch) / its solo p99`,
  target: `<= ${MOST}`,
  scale: 'slices',
  write: (models) => writeShared(models, TARGET_MS),
  run: measure,
};

function measure(effort: Effort, models: string): Promise<Outcome> {
  return withGenerator(effort, async (bench) => {
    const entry = fileURLToPath(new URL('../http/tenant-server.ts', import.meta.url));
    const victim = tenantLoad('victim');
    const server = await openServer(bench, models, victim, [entry, models, String(bench.layout.instances)]);
    try {
      const guess = SHARED_LIGHT * bench.layout.instances;
      const most = { deadlineMs: TARGET_MS, most: 2 * guess };
      const slice = sliceOf(bench, server.url, victim, most, effort);
      await slice(guess / 2, WARM_S);
      const { goodput } = await bestSteady(guess, slice);
      let seed = 1_000;
      return await measureRounds(effort.rounds, () => oneRound(bench, server, effort, VICTIM * goodput, ++seed));
    } finally {
      await server.stop();
    }
  });
}

/** Alone, beside the flood, alone. */
async function oneRound(bench: OpenBench, server: Server, effort: Effort, rate: number, seed: number): Promise<Round> {
  const base = { url: server.url, seconds: effort.sliceS, deadlineMs: TARGET_MS, drainMs: 500 };
  const victim: OpenPlan = {
    ...base,
    load: tenantLoad('victim'),
    rate,
    connections: connectionsFor(rate, TARGET_MS),
    seed,
  };
  const flood: OpenPlan = {
    ...base,
    load: tenantLoad('flood'),
    rate: FLOOD * rate,
    connections: connectionsFor(FLOOD * rate, TARGET_MS),
    seed: -seed,
  };
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = await sentOf(bench, victim);
  const counted = await computed(server);
  const [under, flooding] = (await bench.generator.run(victim, flood)).map(({ figures }) => figures) as [
    LoadFigures,
    LoadFigures,
  ];
  const batchUs = meanBatchUs(counted, await computed(server));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const after = await sentOf(bench, victim);
  const soloUs = (before.latency.p99 + after.latency.p99) / 2;
  return {
    figure: (under.latency.p99 - batchUs) / soloUs,
    aa: before.latency.p99 / after.latency.p99,
    detail: {
      soloP99Us: soloUs,
      floodedP99Us: under.latency.p99,
      batchUs,
      victimRate: rate,
      victimGoodPercent: (100 * under.ok) / due(under),
      soloGoodPercent: (100 * before.ok) / due(before),
      floodOffered: flooding.offered,
      floodGoodput: flooding.goodput,
      lagP99Us: under.generator.lag.p99,
    },
  };
}

async function sentOf(bench: OpenBench, plan: OpenPlan): Promise<LoadFigures> {
  const [sent] = await bench.generator.run(plan);
  if (sent === undefined) throw new Error('the generator sent nothing');
  return sent.figures;
}

/** Requests and the time of their batches, of all so far. */
async function computed({ url }: Server): Promise<Counters['computed']> {
  const counters = await readCounters(new URL(`${url}/v2/models/${SHARED}`), null);
  if (counters === null) throw new Error('the server does not count');
  return counters.computed;
}

/** Of the batch that a request meets: long ones are met by more. */
function meanBatchUs(from: Counters['computed'], to: Counters['computed']): number {
  return (to.ns - from.ns) / 1_000 / Math.max(1, to.count - from.count);
}
