/** BM-6: pictures per second through ResNet-18, against the best of 1 to `cores` raw one-thread loops on the same cores. */

import { availableParallelism } from 'node:os';
import { answerBytes, pictureBinary } from '../http/loads.ts';
import { launcherEnv, modelFile, ourServer, writeResnet } from '../http/models.ts';
import { startServer } from '../runner/process.ts';
import { bestRate } from '../runner/raw-rate.ts';
import { alternate, mean, measureRounds } from '../runner/rounds.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import { type Load, Wrk } from '../runner/wrk.ts';

const CONNECTIONS = 8;

/** W = instances = cores, and the generator shares them. */
export const imagesPerSecond: Scenario = {
  what: 'resnet18, binary: pictures/s / raw ONNX Runtime',
  target: '>= 0.95',
  scale: 'slices',
  write: writeResnet,
  run: (effort, models) => pictureRate(effort, models, pictureBinary('resnet18', 'logits')),
};

/** Pictures per second of our server over those of raw loops, in turns. @param load one picture for `resnet18` */
export async function pictureRate({ rounds, sliceS }: Effort, models: string, load: Load): Promise<Outcome> {
  const cores = availableParallelism();
  const allCores = `0-${cores - 1}`;
  const wrk = new Wrk(load);
  const server = await startServer(ourServer(models, { workers: cores }), allCores, launcherEnv());
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
