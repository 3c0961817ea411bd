/**
 * How long batches take a bare one-thread onnxruntime-node loop: `MODEL INPUT DIMS SECONDS SIZES`, DIMS of one row. Starts
 * when a line comes, so that several begin together; prints the median time of each size, microseconds.
 */

import { once } from 'node:events';
import * as ort from 'onnxruntime-node';
import { median } from '../../src/load/compare.ts';

const [path = '', input = '', dims = '1', seconds = '1', sizes = '1'] = process.argv.slice(2);
const WARM_RUNS = 3;

const shape = dims.split(',').map(Number);
const elements = shape.reduce((product, d) => product * d, 1);
const batches = sizes.split(',').map(Number);
const session = await ort.InferenceSession.create(path, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
});

/** For a fixed time, and not a number of runs: loops beside each other stay at the same size. */
async function medianUs(rows: number, forMs: number): Promise<number> {
  const tensor = new ort.Tensor('float32', new Float32Array(rows * elements).fill(0.5), [rows, ...shape]);
  const times: number[] = [];
  const endMs = performance.now() + forMs;
  for (let runs = 0; runs <= WARM_RUNS || performance.now() < endMs; runs++) {
    const startedMs = performance.now();
    await session.run({ [input]: tensor });
    if (runs >= WARM_RUNS) times.push((performance.now() - startedMs) * 1000);
  }
  return median(times);
}

await medianUs(1, 50);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const found: Record<string, number> = {};
for (const rows of batches) found[rows] = await medianUs(rows, (Number(seconds) * 1000) / batches.length);
process.stdout.write(JSON.stringify(found));
process.stdin.destroy();
