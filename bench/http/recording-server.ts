/**
 * Our server for the replay: `MODELS WORKERS FILE`. As users run it, but that what the scheduler was told and did since the last
 * model was loaded is kept, and written to FILE on SIGUSR2, which is told on standard output. Prints its URL; ends on SIGTERM.
 */

import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/logging/logger.ts';
import type { InferRequest } from '../../src/pipeline/request.ts';
import { Recorder } from '../replay/recorder.ts';

const [models = '', workers = '1', file = ''] = process.argv.slice(2);
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
  scheduler: (lanes) => {
    const recorder = new Recorder(new PlanScheduler<InferRequest>(lanes));
    process.on('SIGUSR2', () => {
      recorder.write(file);
      process.stdout.write('written\n');
    });
    return recorder;
  },
});
process.on('SIGTERM', () => gateway.stop(5_000));
const { inferenceUrl } = await gateway.start();
process.stdout.write(`${inferenceUrl}\n`);
