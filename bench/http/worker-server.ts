/** Our server with every model forced onto a worker, for the second half of BM-4: `MODELS`. Prints its URL; ends on SIGTERM. */

import { loadConfig } from '../../src/config/load.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logging/logger.ts';

const models = process.argv[2] ?? '';
const args = [
  '--models',
  models,
  '--state-dir',
  '',
  '--port',
  '0',
  '--admin-port',
  '0',
  '--workers',
  '1',
  '--log-level',
  'error',
];
const config = loadConfig({ args, env: {} });
const gateway = new Gateway(config, createLogger(config.log), { placement: 'worker' });
process.on('SIGTERM', () => gateway.stop(5_000));
const { inferenceUrl } = await gateway.start();
process.stdout.write(`${inferenceUrl}\n`);
