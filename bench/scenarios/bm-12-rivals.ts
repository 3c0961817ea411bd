/** BM-12: CPU per request, rate, latency and memory beside rivals that a newcomer can install, on four workloads. */

import { join } from 'node:path';
import { writeFixtures } from '../../test/support/fixtures/write.ts';
import { peersNamed } from '../peers/all.ts';
import { contest } from '../peers/contest.ts';
import { WORKLOADS } from '../peers/subjects.ts';
import { judge, noiseOf, type Target, tableOf } from '../peers/verdict.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';

/** By the name of the workload. */
const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  'mlp binary': [
    { of: 'cpuUs', against: 'tritonserver', limit: 0.18 },
    { of: 'cpuUs', against: 'mosec', limit: 0.38 },
  ],
  'mlp JSON': [
    { of: 'cpuUs', against: 'fastify-1', limit: 0.25 },
    { of: 'cpuUs', against: 'tritonserver', limit: 0.2 },
  ],
  mlp1ms: [
    { of: 'cpuUs', against: 'mosec', limit: 0.75 },
    { of: 'perSecond', against: 'mosec', limit: 1.3 },
  ],
  resnet18: [
    { of: 'perSecond', against: 'best', limit: 1 },
    { of: 'cpuUs', against: 'best', limit: 1.05 },
  ],
};

/** The figure is how many targets are missed, of those that could be judged. */
export const rivals: Scenario = {
  what: 'rivals on mlp (binary, JSON), mlp1ms and resnet18: targets missed',
  target: '0',
  scale: 'slices',
  sliceS: 2,
  write: writeEach,
  run: measure,
};

/** A folder for each: a server is given the one model that it is asked for. */
async function writeEach(models: string): Promise<void> {
  for (const model of new Set(WORKLOADS.map((workload) => workload.model))) {
    await writeFixtures(join(models, model), [model]);
  }
}

async function measure(effort: Effort, models: string): Promise<Outcome> {
  const peers = peersNamed(effort.peers);
  const found = [];
  for (const workload of WORKLOADS) {
    const standings = await contest(workload, join(models, workload.model), peers, effort);
    const judged = (TARGETS[workload.name] ?? []).map((target) => judge(target, standings));
    const { name, connections, allCores } = workload;
    const cores = allCores ? 'server and generator on all cores' : 'server on core 0, generator on core 1';
    const title = `${name}, ${connections} connections, ${cores}, slices of ${effort.sliceS} s, ${effort.rounds} rounds`;
    found.push({ name, standings, judged, table: tableOf(title, standings, judged) });
  }
  const judged = found.flatMap((one) => one.judged).filter(({ ratio }) => ratio !== null);
  const missed = judged.filter(({ held }) => !held).length;
  return {
    figure: missed,
    interval: [missed, missed],
    aa: noiseOf(found[0]?.standings ?? [], 'cpuUs'),
    detail: {
      targets: judged.length,
      out: found.flatMap((one) => one.standings).filter(({ fault }) => fault !== '').length,
    },
    tables: found.map(({ table }) => table),
  };
}
