/** Two servers under the same load in alternating slices (A B B A), and the figure their CPU per request makes. */

import { cpuUs, type Server, startServer } from '../runner/process.ts';
import { interval, median } from '../runner/statistics.ts';
import { type Load, Wrk } from '../runner/wrk.ts';
import { answerBytes } from './loads.ts';

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  readonly sliceS: number;
  /** For scenarios that count requests. */
  readonly requests: number;
  /** Whether a leak is planted that must be found. */
  readonly leak: boolean;
}

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

/** Medians over the rounds, and the 95 % interval of the figure. */
export interface Outcome {
  readonly figure: number;
  readonly interval: readonly [number, number];
  /** Our server against itself inside a round: what noise alone makes. NaN where there is none. */
  readonly aa: number;
  readonly detail: Readonly<Record<string, number>>;
  /** Where a scenario judges itself: what is wrong, empty for nothing. */
  readonly fault?: string;
}

const SERVER_CORE = 0;
const LOAD_CORE = 1;

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
    return await alternate(
      plan,
      effort.rounds,
      () => slice(ours),
      () => slice(other),
    );
  } finally {
    for (const server of servers) await server.stop();
    wrk.dispose();
  }
}

async function alternate(
  plan: Comparison,
  rounds: number,
  ours: () => Promise<Sample>,
  other: () => Promise<Sample>,
): Promise<Outcome> {
  const found: { figure: number; aa: number; ours: number; other: number; perSecond: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const slices = [await ours(), await other(), await other(), await ours()] as const;
    const [a, b, c, d] = slices.map((slice) => slice[plan.of]) as [number, number, number, number];
    const means = { ours: (a + d) / 2, other: (b + c) / 2 };
    const figure = await plan.figure(means.ours, means.other);
    found.push({ figure, aa: a / d, ...means, perSecond: slices[0].perSecond });
    process.stderr.write(`round ${round + 1}: ${figure.toFixed(3)}, ours ${means.ours.toFixed(2)} us\n`);
  }
  const pick = (key: keyof (typeof found)[number]) => found.map((one) => one[key]);
  return {
    figure: median(pick('figure')),
    interval: interval(pick('figure')),
    aa: median(pick('aa')),
    detail: { ours: median(pick('ours')), other: median(pick('other')), perSecond: median(pick('perSecond')) },
  };
}

async function sample(wrk: Wrk, server: Server, connections: number, seconds: number): Promise<Sample> {
  const before = cpuUs(server.pid);
  const { requests, perSecond, p50Us } = await wrk.slice(server.url, connections, seconds, LOAD_CORE);
  return { cpuUs: (cpuUs(server.pid) - before) / requests, p50Us, perSecond };
}
