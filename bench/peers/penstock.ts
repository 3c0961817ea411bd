/** Ours, as users run it. */

import { ourServer } from '../http/models.ts';
import { inferAnswer, inferRequest } from './open-inference.ts';
import type { Peer } from './peer.ts';

/** Everything learned and nothing set, but the workers. */
export const penstock: Peer = {
  name: 'penstock',
  forms: ['binary', 'json'],
  install: async () => undefined,
  launch: async ({ models, instances }, { port }) => ({
    program: process.execPath,
    args: ourServer(models, { workers: instances, port }),
  }),
  request: inferRequest,
  read: inferAnswer,
};
