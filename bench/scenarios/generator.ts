/** What a request costs the generator of `penstock bench` at 10,000/s, beside what one costs wrk as fast as it goes. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answerBytes, mlpBinary } from '../http/loads.ts';
import { ourServer, writeMlp } from '../http/models.ts';
import { LOAD_CORE, SERVER_CORE } from '../runner/compare.ts';
import { type Server, startServer } from '../runner/process.ts';
import { alternate, mean, measureRounds } from '../runner/rounds.ts';
import type { Outcome, Scenario } from '../runner/scenario.ts';
import { Wrk } from '../runner/wrk.ts';

const run = promisify(execFile);
const RATE = 10_000;
const CONNECTIONS = 16;

interface Costs {
  /** CPU per request, microseconds: without the turns that found nothing to do, and with them. */
  readonly workUs: number;
  readonly allUs: number;
  readonly lagP99Us: number;
}

/** Ours over wrk's, both against a bare server. wrk has no rate: it sends as fast as it is answered. */
export const generatorCost: Scenario = {
  what: 'CPU per request of the open loop at 10,000/s / of wrk as fast as it goes, bare server',
  target: '-',
  scale: 'slices',
  write: writeMlp,
  run: ({ rounds, sliceS }, models) => measure(rounds, sliceS, models),
};

async function measure(rounds: number, sliceS: number, models: string): Promise<Outcome> {
  const bytes = await answerLength(models);
  const echo = fileURLToPath(new URL('../http/echo-server.ts', import.meta.url));
  const server = await startServer([echo, String(bytes)], SERVER_CORE);
  const wrk = new Wrk(mlpBinary());
  try {
    return await measureRounds(rounds, async () => {
      const lags: number[] = [];
      const all: number[] = [];
      const ours = async () => {
        const costs = await generate(server, sliceS);
        lags.push(costs.lagP99Us);
        all.push(costs.allUs);
        return costs.workUs;
      };
      const theirs = async () => (await wrk.slice(server.url, CONNECTIONS, sliceS, LOAD_CORE)).cpuUs;
      const slices = await alternate(ours, theirs);
      const [a, b] = [mean(slices.ours), mean(slices.other)];
      const detail = { ours: a, oursWithIdleTurns: mean(all as [number, number]), wrk: b, lagP99Us: Math.max(...lags) };
      return { figure: a / b, aa: slices.ours[0] / slices.ours[1], detail };
    });
  } finally {
    await server.stop();
    wrk.dispose();
  }
}

/** As many bytes as our answer to the same request has. */
async function answerLength(models: string): Promise<number> {
  const server = await startServer(ourServer(models), SERVER_CORE);
  try {
    return await answerBytes(server.url, mlpBinary());
  } finally {
    await server.stop();
  }
}

async function generate({ url }: Server, seconds: number): Promise<Costs> {
  const entry = fileURLToPath(new URL('../http/generator.ts', import.meta.url));
  const args = ['-c', String(LOAD_CORE), process.execPath, entry, url, String(RATE), String(seconds)];
  return JSON.parse((await run('taskset', args)).stdout) as Costs;
}
