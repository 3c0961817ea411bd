/** BentoML: Starlette and its adaptive batching, JSON. */

import { join } from 'node:path';
import { shortNumbers } from '../http/loads.ts';
import type { Peer } from './peer.ts';
import { MODELS, pythonOf, subjectEnv } from './python.ts';

const python = () => pythonOf('bentoml==1.4.40', 'numpy==2.4.6');

/** Adaptive batching, as many workers as instances. */
export const bentoml: Peer = {
  name: 'bentoml',
  forms: ['json'],
  install: async () => {
    await python();
  },
  launch: async (subject, place) => ({
    program: await python(),
    args: [
      ...['-m', 'bentoml', 'serve', 'bentoml_model:Model'],
      ...['--host', '127.0.0.1', '--port', String(place.port), '--working-dir', MODELS],
    ],
    env: {
      ...subjectEnv(subject, place),
      BENTOML_HOME: join(place.folder, 'home'),
      BENTOML_DO_NOT_TRACK: 'true',
    },
  }),
  request: (_subject, row) => ({
    path: '/infer',
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify({ rows: [shortNumbers(row)] })),
  }),
  read: (_subject, { body }) => (JSON.parse(Buffer.from(body).toString()) as number[][])[0] ?? [],
};
