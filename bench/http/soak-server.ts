/**
 * The server of BM-11: `MODELS [leak]`. As users run it, but that SIGUSR2 has it collect its garbage and print what memory is
 * left, and that `leak` plants what the bench must catch: 100 bytes kept of every request. Prints its URL; ends on SIGTERM.
 */

import { readdirSync } from 'node:fs';
import { loadConfig } from '../../src/config/load.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logging/logger.ts';

const LEAKED_BYTES = 100;

const [models = '', leak = ''] = process.argv.slice(2);
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
const log = createLogger(config.log);

if (leak === 'leak') {
  const kept: string[] = [];
  const scrap = Buffer.alloc(LEAKED_BYTES, 'x');
  const request = log.request.bind(log);
  log.request = (...line) => {
    // A text of its own each time: one that is shared would cost a pointer.
    kept.push(scrap.toString('latin1'));
    request(...line);
  };
}

process.on('SIGUSR2', () => {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const files = readdirSync('/proc/self/fd').length;
  process.stdout.write(`${JSON.stringify({ rss, used: heapUsed + external, files })}\n`);
});

const gateway = new Gateway(config, log);
process.on('SIGTERM', () => gateway.stop(5_000));
const { inferenceUrl } = await gateway.start();
process.stdout.write(`${inferenceUrl}\n`);
