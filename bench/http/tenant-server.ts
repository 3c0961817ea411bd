/**
 * Our server for the bench of tenants: `MODELS WORKERS`. As users run it, but that whoever calls is believed who he says he is:
 * the tenant stands in a header. Prints its URL; ends on SIGTERM.
 */

import { loadConfig } from '../../src/config/load.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { TENANT_HEADER } from './tenants.ts';

const [models = '', workers = '1'] = process.argv.slice(2);
const args = [
  '--models',
  models,
  '--port',
  '0',
  '--admin-port',
  '0',
  '--workers',
  workers,
  '--log-level',
  'error',
  '--state-dir',
  '',
];
const config = loadConfig({ args, env: {} });
const gateway = new Gateway(config, createLogger(config.log), {
  principal: (header) => ({ tenant: header(TENANT_HEADER) }),
});
process.on('SIGTERM', () => gateway.stop(5_000));
const { inferenceUrl } = await gateway.start();
process.stdout.write(`${inferenceUrl}\n`);
