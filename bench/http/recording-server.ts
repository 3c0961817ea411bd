/**
 * Our server for the replay: `MODELS WORKERS FILE`. As users run it, but that what the scheduler was told and did since the last
 * model was loaded is kept, and written to FILE on SIGUSR2, which is told on standard output. Prints its URL; ends on SIGTERM.
 */

import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { InferRequest } from '../../src/pipeline/request.ts';
import { Recorder } from '../replay/recorder.ts';
import { serveModels } from './serve.ts';

const [models = '', workers = '1', file = ''] = process.argv.slice(2);
await serveModels(models, workers, {
  scheduler: (lanes) => {
    const recorder = new Recorder(new PlanScheduler<InferRequest>(lanes));
    process.on('SIGUSR2', () => {
      recorder.write(file);
      process.stdout.write('written\n');
    });
    return recorder;
  },
});
