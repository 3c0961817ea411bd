/** What every server of the benches does: our gateway over a folder of models, its URL on standard output, its end on SIGTERM. */

import { loadConfig } from '../../src/config/load.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger, type Logger } from '../../src/logging/logger.ts';

/** Starts it on free ports, keeping nothing between starts. @param prepare given the log before anything is written to it */
export async function serveModels(
  models: string,
  workers: string,
  options: GatewayOptions = {},
  prepare: (log: Logger) => void = () => undefined,
): Promise<void> {
  const places = ['--models', models, '--state-dir', '', '--port', '0', '--admin-port', '0'];
  const config = loadConfig({ args: [...places, '--workers', workers, '--log-level', 'error'], env: {} });
  const log = createLogger(config.log);
  prepare(log);
  const gateway = new Gateway(config, log, options);
  process.on('SIGTERM', () => gateway.stop(5_000));
  const { inferenceUrl } = await gateway.start();
  process.stdout.write(`${inferenceUrl}\n`);
}
