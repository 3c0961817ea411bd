/** Our server with every model forced onto a worker, for the second half of BM-4: `MODELS`. Prints its URL; ends on SIGTERM. */

import { serveModels } from './serve.ts';

const models = process.argv[2] ?? '';
await serveModels(models, '1', { placement: 'worker' });
