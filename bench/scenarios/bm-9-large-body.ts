/** BM-9: CPU that a body of 588 KiB costs above an echo, milliseconds. */

import { pictureBinary } from '../http/loads.ts';
import { copyServer, echoServer, writePicture } from '../http/models.ts';
import { compare } from '../runner/compare.ts';
import type { Scenario } from '../runner/scenario.ts';

/** What the bytes of a picture cost. */
export const largeBody: Scenario = {
  what: '588 KiB body, copying instance: c_ours - c_echo, ms',
  target: '<= 0.15',
  scale: 'slices',
  write: writePicture,
  run: (effort, models) =>
    compare(
      {
        ours: copyServer(models),
        other: echoServer,
        load: pictureBinary('picture', 'mean'),
        connections: 8,
        of: 'cpuUs',
        figure: (ours, other) => (ours - other) / 1000,
      },
      effort,
    ),
};
