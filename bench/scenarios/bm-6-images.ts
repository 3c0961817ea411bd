/** BM-6: pictures per second through ResNet-18, against the best of 1 to `cores` raw one-thread loops on the same cores. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { answerBytes, pictureBinary } from '../http/loads.ts';
import { modelFile, ourServer, writeResnet } from '../http/models.ts';
import { startServer } from '../runner/process.ts';
import { alternate, mean, measureRounds } from '../runner/rounds.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { Wrk } from '../runner/wrk.ts';

const RAW_RATE = fileURLToPath(new URL('../http/raw-rate.ts', import.meta.url));
const CONNECTIONS = 8;

/** W = instances = cores, and the generator shares them. */
export const imagesPerSecond: Scenario = {
  what: 'resnet18, binary: pictures/s / raw ONNX Runtime',
  target: '>= 0.95',
  scale: 'slices',
  write: writeResnet,
  run: measure,
};

async function measure({ rounds, sliceS }: Effort, models: string): Promise<Outcome> {
  const cores = availableParallelism();
  const allCores = `0-${cores - 1}`;
  const load = pictureBinary('resnet18', 'logits');
  const wrk = new Wrk(load);
  const server = await startServer(ourServer(models, { workers: cores }), allCores);
  try {
    await answerBytes(server.url, load);
    const ours = async () => (await wrk.slice(server.url, CONNECTIONS, sliceS, allCores)).perSecond;
    const raw = () => bestRate(modelFile(models, 'resnet18'), cores, sliceS);
    return await measureRounds(rounds, async () => {
      const slices = await alternate(ours, raw);
      const [us, other] = [mean(slices.ours), mean(slices.other)];
      return {
        figure: us / other,
        aa: slices.ours[0] / slices.ours[1],
        detail: { ours: us, raw: other, instances: cores },
      };
    });
  } finally {
    await server.stop();
    wrk.dispose();
  }
}

async function bestRate(model: string, cores: number, seconds: number): Promise<number> {
  let best = 0;
  for (let loops = 1; loops <= cores; loops++) best = Math.max(best, await rawRate(model, loops, seconds));
  return best;
}

/** Runs per second of `loops` processes that begin together. */
async function rawRate(model: string, loops: number, seconds: number): Promise<number> {
  const args = [RAW_RATE, model, 'input', '1,3,224,224', String(seconds)];
  const children = Array.from({ length: loops }, () =>
    spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const rates = children.map(rateOf);
  for (const child of children) child.stdin.end('go\n');
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}

async function rateOf(child: ChildProcess): Promise<number> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  return Number(text);
}
