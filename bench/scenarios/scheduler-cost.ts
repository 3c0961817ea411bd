/** What the pure scheduler costs a request: time, and what it takes from the heap; no server, no model. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SERVER_CORE } from '../runner/compare.ts';
import { measureRounds } from '../runner/rounds.ts';
import type { Outcome, Scenario } from '../runner/scenario.ts';
import { SCHEDULERS } from '../runner/schedulers.ts';

const run = promisify(execFile);
const ENTRY = fileURLToPath(new URL('../http/scheduler-loop.ts', import.meta.url));
/** The young generation, MiB: what a run takes is counted by how it fills. */
const YOUNG_MIB = 1_024;
/** More of them and the heap would be collected: a run beyond it is refused. */
const MOST_REQUESTS = 1_000_000;

/** Parts of what the lanes can do: one that they can, and one that most must be refused of. */
const [BUSY, BEYOND] = [0.7, 3];

interface Cost {
  readonly perRequestNs: number;
  readonly bytesPerRequest: number;
  /** Of these what arrive takes; the rest is of batches. */
  readonly bytesPerArrival: number;
  readonly bytesPerBatch: number;
  readonly keptBytes: number;
  readonly collections: number;
  readonly requestsPerBatch: number;
  readonly refused: number;
}

/** The last of the registry: the one that serves. */
export const schedulerCost: Scenario = {
  what: 'the scheduler alone: ns per request (arrive, next, finish)',
  target: '< 1000, no bytes per arrival',
  scale: 'requests',
  write: async () => undefined,
  run: ({ rounds, requests }) => measure(rounds, Math.min(requests, MOST_REQUESTS)),
};

async function measure(rounds: number, requests: number): Promise<Outcome> {
  const name = Object.keys(SCHEDULERS).at(-1) as string;
  return measureRounds(rounds, async () => {
    const first = await cost(name, requests, BUSY);
    const beyond = await cost(name, requests, BEYOND);
    const last = await cost(name, requests, BUSY);
    const { perRequestNs, ...rest } = first;
    const detail = {
      ...rest,
      beyondNs: beyond.perRequestNs,
      beyondBytes: beyond.bytesPerRequest,
      beyondArrivalBytes: beyond.bytesPerArrival,
    };
    return { figure: perRequestNs, aa: perRequestNs / last.perRequestNs, detail };
  });
}

async function cost(name: string, requests: number, load: number): Promise<Cost> {
  const flags = ['--expose-gc', `--min-semi-space-size=${YOUNG_MIB}`, `--max-semi-space-size=${YOUNG_MIB}`];
  const args = ['-c', String(SERVER_CORE), process.execPath, ...flags, ENTRY, name, String(requests), String(load)];
  return JSON.parse((await run('taskset', args)).stdout) as Cost;
}
