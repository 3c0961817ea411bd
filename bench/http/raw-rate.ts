/** One-thread onnxruntime-node loop at batch 1: `MODEL INPUT DIMS SECONDS`. Starts when a line comes, prints runs per second. */

import { once } from 'node:events';
import * as ort from 'onnxruntime-node';

const [path = '', input = '', dims = '1', seconds = '1'] = process.argv.slice(2);
const shape = dims.split(',').map(Number);
const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const elements = shape.reduce((product, d) => product * d, 1);
const feeds = { [input]: new ort.Tensor('float32', new Float32Array(elements).fill(0.5), shape) };
for (let i = 0; i < 3; i++) await session.run(feeds);

process.stdout.write('ready\n');
await once(process.stdin, 'data');
const startedMs = performance.now();
let runs = 0;
while (performance.now() - startedMs < Number(seconds) * 1000) {
  await session.run(feeds);
  runs++;
}
process.stdout.write(`${(runs * 1000) / (performance.now() - startedMs)}\n`);
process.stdin.destroy();
