/** LitServe: FastAPI before batching workers, JSON. */

import { join } from 'node:path';
import { shortNumbers } from '../http/loads.ts';
import type { Peer } from './peer.ts';
import { MODELS, pythonOf, subjectEnv } from './python.ts';

const python = () => pythonOf('litserve==0.2.19', 'numpy==2.4.6');

/** Batching, as many workers as instances. */
export const litserve: Peer = {
  name: 'litserve',
  forms: ['json'],
  install: async () => {
    await python();
  },
  launch: async (subject, place) => ({
    program: await python(),
    args: [join(MODELS, 'litserve_model.py')],
    env: subjectEnv(subject, place),
  }),
  request: (_subject, row) => ({
    path: '/predict',
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify({ input: shortNumbers(row) })),
  }),
  read: (_subject, { body }) => (JSON.parse(Buffer.from(body).toString()) as { output: number[] }).output,
};
