/** BM-1: c_echo / c_ours of the whole road with an instance that only copies. */

import { mlpBinary } from '../http/loads.ts';
import { copyServer, echoServer, writeMlp } from '../http/models.ts';
import { compare } from '../runner/compare.ts';
import type { Scenario } from '../runner/scenario.ts';

/** What the road costs beside a bare server. */
export const roadAlone: Scenario = {
  what: 'whole road, copying instance, 64 connections: c_echo / c_ours',
  target: '>= 0.72',
  scale: 'slices',
  write: writeMlp,
  run: (effort, models) =>
    compare(
      {
        ours: copyServer(models),
        other: echoServer,
        load: mlpBinary(),
        connections: 64,
        of: 'cpuUs',
        figure: (ours, other) => other / ours,
      },
      effort,
    ),
};
