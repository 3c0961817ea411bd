/**
 * The server of BM-11: `MODELS [leak]`. As users run it, but that SIGUSR2 has it collect its garbage and print what memory is
 * left, and that `leak` plants what the bench must catch: 100 bytes kept of every request. Prints its URL; ends on SIGTERM.
 */

import { readdirSync } from 'node:fs';
import type { Logger } from '../../src/logging/logger.ts';
import { serveModels } from './serve.ts';

const LEAKED_BYTES = 100;

const [models = '', leak = ''] = process.argv.slice(2);

process.on('SIGUSR2', () => {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const files = readdirSync('/proc/self/fd').length;
  process.stdout.write(`${JSON.stringify({ rss, used: heapUsed + external, files })}\n`);
});

await serveModels(models, '1', {}, leak === 'leak' ? plantLeak : undefined);

function plantLeak(log: Logger): void {
  const kept: string[] = [];
  const scrap = Buffer.alloc(LEAKED_BYTES, 'x');
  const request = log.request.bind(log);
  log.request = (...line) => {
    // A text of its own each time: one that is shared would cost a pointer.
    kept.push(scrap.toString('latin1'));
    request(...line);
  };
}
