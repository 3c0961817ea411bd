/** BM-12 in short, without anything from PyPI: CPU per request of the hand-rolled server over ours, JSON. */

import { fileURLToPath } from 'node:url';
import { mlpJson } from '../http/loads.ts';
import { modelFile, ourServer, writeMlp } from '../http/models.ts';
import { compare } from '../runner/compare.ts';
import type { Scenario } from '../runner/scenario.ts';

const FASTIFY = fileURLToPath(new URL('../peers/fastify-server.ts', import.meta.url));

/** Fastify with one intra-op thread. */
export const handRolled: Scenario = {
  what: 'mlp, JSON: CPU of Fastify + onnxruntime-node / ours',
  target: '-',
  scale: 'slices',
  write: writeMlp,
  run: (effort, models) =>
    compare(
      {
        ours: ourServer(models),
        other: () => [FASTIFY, modelFile(models, 'mlp')],
        load: mlpJson(),
        connections: 64,
        of: 'cpuUs',
        figure: (ours, other) => other / ours,
      },
      effort,
    ),
};
