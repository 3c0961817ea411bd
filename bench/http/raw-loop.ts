/**
 * The light of the model: a bare onnxruntime-node loop. Prints the least CPU per row over the batch sizes, and the time of
 * a single-row run: `MODEL INPUT ELEMENTS SECONDS`.
 */

import * as ort from 'onnxruntime-node';

const [path = '', input = '', elements = '1', seconds = '1'] = process.argv.slice(2);
const BATCHES = [1, 8, 32, 64, 128];

const session = await ort.InferenceSession.create(path, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
});

async function perRow(rows: number): Promise<{ cpuUs: number; wallUs: number }> {
  const width = Number(elements);
  const tensor = new ort.Tensor('float32', new Float32Array(rows * width).fill(0.5), [rows, width]);
  for (let i = 0; i < 20; i++) await session.run({ [input]: tensor });
  const cpu = process.cpuUsage();
  const started = performance.now();
  let runs = 0;
  while (performance.now() - started < (Number(seconds) * 1000) / BATCHES.length) {
    await session.run({ [input]: tensor });
    runs++;
  }
  const used = process.cpuUsage(cpu);
  const wallUs = ((performance.now() - started) * 1000) / runs;
  return { cpuUs: (used.user + used.system) / (runs * rows), wallUs };
}

let best = Number.POSITIVE_INFINITY;
let single = 0;
for (const rows of BATCHES) {
  const { cpuUs, wallUs } = await perRow(rows);
  if (rows === 1) single = wallUs;
  best = Math.min(best, cpuUs);
}
process.stdout.write(`${JSON.stringify({ cpuPerRowUs: best, singleRunUs: single })}\n`);
