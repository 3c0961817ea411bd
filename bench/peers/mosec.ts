/** mosec: a Rust front and Python workers. Raw float32 bytes for binary bodies, its default JSON for text. */

import { join } from 'node:path';
import { shortNumbers } from '../http/loads.ts';
import type { Peer } from './peer.ts';
import { MODELS, pythonOf, subjectEnv } from './python.ts';

const python = () => pythonOf('mosec==0.9.8', 'numpy==2.4.6');

/** Dynamic batching, as many workers as instances. */
export const mosec: Peer = {
  name: 'mosec',
  forms: ['binary', 'json'],
  install: async () => {
    await python();
  },
  launch: async (subject, place) => ({
    program: await python(),
    args: [
      join(MODELS, 'mosec_model.py'),
      ...['--address', '127.0.0.1', '--port', String(place.port), '--path', join(place.folder, 'ipc')],
      ...['--timeout', '60000', '--log-level', 'warning'],
    ],
    env: subjectEnv(subject, place),
  }),
  request: ({ form }, row) => ({
    path: '/inference',
    headers: {},
    body: form === 'binary' ? new Uint8Array(row.buffer) : Buffer.from(JSON.stringify(shortNumbers(row))),
  }),
  read: ({ form }, { body }) =>
    form === 'binary' ? new Float32Array(body.buffer) : (JSON.parse(Buffer.from(body).toString()) as number[]),
};
