/**
 * Our server with batching set by hand, for BM-8: `MODELS WORKERS ROWS DELAY_US`. All else is as users run it. Prints its URL;
 * ends on SIGTERM.
 */

import type { InferRequest } from '../../src/pipeline/request.ts';
import { ManualBatcher } from './manual-batcher.ts';
import { serveModels } from './serve.ts';

/** Nearer than this a timer of the event loop, a millisecond or two late, is no way to be in time: the loop turns. */
const NEAR_US = 1_000;

const [models = '', workers = '1', rows = '1', delayUs = '0'] = process.argv.slice(2);
await serveModels(models, workers, {
  scheduler: (lanes, wake) => {
    const settings = { rows: Number(rows), delayUs: Number(delayUs) };
    return new ManualBatcher<InferRequest>(lanes, settings, (us) => wakeIn(us, wake));
  },
});

/** Never before its time: the batcher asks once. */
function wakeIn(us: number, wake: () => void): void {
  const dueMs = performance.now() + us / 1_000;
  const turn = () => {
    const leftUs = (dueMs - performance.now()) * 1_000;
    if (leftUs <= 0) wake();
    else if (leftUs > NEAR_US) setTimeout(turn, Math.floor((leftUs - NEAR_US) / 1_000));
    else setImmediate(turn);
  };
  setImmediate(turn);
}
