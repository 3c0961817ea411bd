/** RSS after at least 100,000 requests over RSS after at least 20,000, counted in slices of one second. */

import { answerBytes, mlpBinary } from '../http/loads.ts';
import { ourServer, writeMlp } from '../http/models.ts';
import { LOAD_CORE, SERVER_CORE } from '../runner/compare.ts';
import { residentBytes, startServer } from '../runner/process.ts';
import type { Outcome, Scenario } from '../runner/scenario.ts';
import { Wrk } from '../runner/wrk.ts';

const CONNECTIONS = 64;
const [EARLY, LATE] = [20_000, 100_000];

/** Whether memory stands still once it is warm. */
export const memoryGrowth: Scenario = {
  what: 'RSS after 100,000 requests / after 20,000',
  target: '<= 1.05',
  scale: 'slices',
  write: writeMlp,
  run: (_effort, models) => measure(models),
};

async function measure(models: string): Promise<Outcome> {
  const server = await startServer(ourServer(models), SERVER_CORE);
  const wrk = new Wrk(mlpBinary());
  try {
    await answerBytes(server.url, mlpBinary());
    let sent = 0;
    const until = async (requests: number): Promise<number> => {
      while (sent < requests) sent += (await wrk.slice(server.url, CONNECTIONS, 1, LOAD_CORE)).requests;
      return residentBytes(server.pid) / 2 ** 20;
    };
    const early = await until(EARLY);
    const late = await until(LATE);
    const figure = late / early;
    return { figure, interval: [figure, figure], aa: Number.NaN, detail: { earlyMiB: early, lateMiB: late, sent } };
  } finally {
    await server.stop();
    wrk.dispose();
  }
}
