/** E_cpu: what nobody can avoid (an echo, a raw loop, a scanner) over what our server takes, as CPU per request. */

import { echoServer } from '../http/models.ts';
import { SERVER_CORE, sample } from './compare.ts';
import { type Server, startServer } from './process.ts';
import { rawLoop } from './raw-loop.ts';
import { alternate, mean, measureRounds } from './rounds.ts';
import type { Effort, Outcome } from './scenario.ts';
import { type Load, Wrk } from './wrk.ts';

/** What is asked of our server, and beside what. */
export interface CpuPlan {
  /** Arguments of node for our server. */
  readonly ours: readonly string[];
  readonly load: Load;
  readonly connections: number;
  /** The model's file, and the numbers of one row of its one input, `input`. */
  readonly model: string;
  readonly elements: number;
  /** CPU of the best known scanner over the request's text, microseconds. */
  readonly textUs: number;
  /** Waits until our server answers, and checks what it answers. @returns the bytes of its answer */
  readonly checked: (url: string) => Promise<number>;
}

/** In alternating slices of ours and of an echo, with a raw loop in every round. */
export async function eCpu(plan: CpuPlan, effort: Effort): Promise<Outcome> {
  const servers: Server[] = [];
  const wrk = new Wrk(plan.load);
  try {
    const ours = await startServer(plan.ours, SERVER_CORE);
    servers.push(ours);
    const echo = await startServer(echoServer(await plan.checked(ours.url)), SERVER_CORE);
    servers.push(echo);
    const slice = (server: Server) => sample(wrk, server, plan.connections, effort.sliceS);
    await slice(ours);
    return await measureRounds(effort.rounds, async () => {
      const slices = await alternate(
        () => slice(ours),
        () => slice(echo),
      );
      const run = (await rawLoop(plan.model, plan.elements, effort.sliceS, SERVER_CORE)).cpuPerRowUs;
      const [first, second] = slices.ours;
      const us = mean([first.cpuUs, second.cpuUs]);
      const light = mean([slices.other[0].cpuUs, slices.other[1].cpuUs]);
      const detail = { ours: us, echo: light, run, text: plan.textUs, perSecond: first.perSecond };
      return { figure: (light + run + plan.textUs) / us, aa: first.cpuUs / second.cpuUs, detail };
    });
  } finally {
    for (const server of servers) await server.stop();
    wrk.dispose();
  }
}
