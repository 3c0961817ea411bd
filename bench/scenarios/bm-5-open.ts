/** BM-5: a model of one millisecond with a target of 10 ms, in open loop against the light of throughput, and as E_cpu. */

import { answerBytes, MLP1MS_WIDTH, mlp1msBinary } from '../http/loads.ts';
import { modelFile, ourServer, writeMlp1ms, writePolicy } from '../http/models.ts';
import { eCpu } from '../runner/e-cpu.ts';
import { batchTimes, lightAt, singleRate } from '../runner/light.ts';
import { openServer, sliceOf, WARM_S, withGenerator } from '../runner/open-server.ts';
import { alternate, mean, measureRounds } from '../runner/rounds.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { bestSteady } from '../runner/steady.ts';

const TARGET_MS = 10;
const SIZES = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64];
const CONNECTIONS = 64;

/** Good answers per second at the best steady rate. */
export const oneMillisecond: Scenario = {
  what: 'mlp1ms, open loop, slo 10 ms: goodput / throughput light',
  target: '>= 0.90, singles >= 4',
  scale: 'slices',
  write: async (models) => {
    await writeMlp1ms(models);
    writePolicy(models, 'mlp1ms', `slo: { p99Ms: ${TARGET_MS} }\n`);
  },
  run: measure,
};

/** The same model as fast as it goes, without a target. */
export const oneMillisecondClosed: Scenario = {
  what: 'mlp1ms, binary body, 64 connections: E_cpu',
  target: '>= 0.85',
  scale: 'slices',
  write: writeMlp1ms,
  run: (effort, models) => {
    const load = mlp1msBinary();
    const checked = (url: string) => answerBytes(url, load);
    const raw = { model: modelFile(models, 'mlp1ms'), elements: MLP1MS_WIDTH, textUs: 0 };
    return eCpu({ ours: ourServer(models), load, connections: CONNECTIONS, ...raw, checked }, effort);
  },
};

function measure(effort: Effort, models: string): Promise<Outcome> {
  return withGenerator(effort, async (bench) => {
    const load = mlp1msBinary();
    const raw = { model: modelFile(models, 'mlp1ms'), input: 'input', dims: [MLP1MS_WIDTH], sizes: SIZES };
    const times = () => batchTimes(raw, bench.layout, effort.sliceS);
    const light = lightAt(await times(), TARGET_MS * 1000);
    if (light === 0) throw new Error(`not even one row makes ${TARGET_MS} ms on this machine`);
    const server = await openServer(bench, models, load);
    try {
      const slice = sliceOf(bench, server.url, load, { deadlineMs: TARGET_MS, most: 2 * light }, effort);
      await slice(light / 2, WARM_S);
      const { rate } = await bestSteady(light, slice);
      return await measureRounds(effort.rounds, async () => {
        const slices = await alternate(() => slice(rate), times);
        const [first, last] = slices.ours;
        const goodput = mean([first.goodput, last.goodput]);
        const lights = slices.other.map((one) => lightAt(one, TARGET_MS * 1000)) as [number, number];
        const singles = slices.other.map(singleRate) as [number, number];
        return {
          figure: goodput / mean(lights),
          aa: first.goodput / last.goodput,
          detail: {
            goodput,
            light: mean(lights),
            singles: goodput / mean(singles),
            offered: rate,
            p99Us: Math.max(first.latency.p99, last.latency.p99),
            voids: slices.ours.filter(({ generator }) => generator.void !== '').length,
            lagP99Us: Math.max(first.generator.lag.p99, last.generator.lag.p99),
          },
        };
      });
    } finally {
      await server.stop();
    }
  });
}
