/**
 * Our server for the bench of tenants: `MODELS WORKERS`. As users run it, but that whoever calls is believed who he says he is:
 * the tenant stands in a header. Prints its URL; ends on SIGTERM.
 */

import { serveModels } from './serve.ts';
import { TENANT_HEADER } from './tenants.ts';

const [models = '', workers = '1'] = process.argv.slice(2);
await serveModels(models, workers, {
  principal: (header) => ({ tenant: header(TENANT_HEADER) }),
});
