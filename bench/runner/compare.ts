/** Two servers under the same load in alternating slices (A B B A), and the figure their CPU per request makes. */

import { answerBytes } from '../http/loads.ts';
import { cpuUs, type Server, startServer } from './process.ts';
import { alternate, mean, measureRounds } from './rounds.ts';
import type { Effort, Outcome } from './scenario.ts';
import { type Load, Wrk } from './wrk.ts';

/** One slice of one server. */
export interface Sample {
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly perSecond: number;
}

/** What is compared: arguments of node for each server, and the figure of a round. */
export interface Comparison {
  readonly ours: readonly string[];
  /** Given the bytes of our answer, so that an echo can return as many. */
  readonly other: (answerBytes: number) => readonly string[];
  readonly load: Load;
  readonly connections: number;
  /** Which quantity of a sample the A/A ratio and the details show. */
  readonly of: 'cpuUs' | 'p50Us';
  readonly figure: (ours: number, other: number) => number | Promise<number>;
}

/** The core of the servers, and that of the generator. */
export const [SERVER_CORE, LOAD_CORE] = [0, 1];

/** Runs the comparison; both servers live through it and are ended with it. */
export async function compare(plan: Comparison, effort: Effort): Promise<Outcome> {
  const wrk = new Wrk(plan.load);
  const servers: Server[] = [];
  try {
    const ours = await startServer(plan.ours, SERVER_CORE);
    servers.push(ours);
    const other = await startServer(plan.other(await answerBytes(ours.url, plan.load)), SERVER_CORE);
    servers.push(other);
    await answerBytes(other.url, plan.load);
    const slice = (server: Server) => sample(wrk, server, plan.connections, effort.sliceS);
    await slice(ours);
    await slice(other);
    return await measureRounds(effort.rounds, async () => {
      const slices = await alternate(
        () => slice(ours),
        () => slice(other),
      );
      const [a, d] = [slices.ours[0][plan.of], slices.ours[1][plan.of]];
      const [b, c] = [slices.other[0][plan.of], slices.other[1][plan.of]];
      const means = { ours: mean([a, d]), other: mean([b, c]) };
      const figure = await plan.figure(means.ours, means.other);
      return { figure, aa: a / d, detail: { ...means, perSecond: slices.ours[0].perSecond } };
    });
  } finally {
    for (const server of servers) await server.stop();
    wrk.dispose();
  }
}

/** CPU per request, p50 and rate of one slice on the cores of the comparison. */
export async function sample(wrk: Wrk, server: Server, connections: number, seconds: number): Promise<Sample> {
  const before = cpuUs(server.pid);
  const { requests, perSecond, p50Us } = await wrk.slice(server.url, connections, seconds, LOAD_CORE);
  return { cpuUs: (cpuUs(server.pid) - before) / requests, p50Us, perSecond };
}
