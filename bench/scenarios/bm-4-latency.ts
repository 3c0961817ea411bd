/** BM-4: p50 at one connection above echo and raw run(), microseconds; inline as the model is placed, or on a worker. */

import { mlpBinary, PIXELS } from '../http/loads.ts';
import { echoServer, modelFile, ourServer, workerServer, writeMlp } from '../http/models.ts';
import { compare, SERVER_CORE } from '../runner/compare.ts';
import { rawLoop } from '../runner/raw-loop.ts';
import type { Scenario } from '../runner/scenario.ts';

function added(what: string, target: string, ours: (models: string) => string[]): Scenario {
  return {
    what,
    target,
    scale: 'slices',
    write: writeMlp,
    run: (effort, models) =>
      compare(
        {
          ours: ours(models),
          other: echoServer,
          load: mlpBinary(),
          connections: 1,
          of: 'p50Us',
          figure: async (us, other) => us - other - (await singleRunUs(modelFile(models, 'mlp'))),
        },
        effort,
      ),
  };
}

async function singleRunUs(model: string): Promise<number> {
  return (await rawLoop(model, PIXELS, 1, SERVER_CORE)).singleRunUs;
}

/** As the model is placed. */
export const addedInline = added('mlp, 1 connection: p50 above echo + run(), us', '<= 25', (models) =>
  ourServer(models),
);

/** On a worker. */
export const addedByWorker = added('the same through a worker', '<= 60', workerServer);
