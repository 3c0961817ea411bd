/** BM-6: pictures per second through ResNet-18, against the best of 1 to `cores` raw one-thread loops on the same cores. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFixtures } from '../../test/support/fixtures/write.ts';
import { startServer } from '../runner/process.ts';
import { interval, median } from '../runner/statistics.ts';
import { Wrk } from '../runner/wrk.ts';
import type { Effort, Outcome } from './compare.ts';
import { answerBytes, pictureBinary } from './loads.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const CONNECTIONS = 8;

/** Pictures per second of ours over raw; W = instances = cores, and the generator shares them. */
export async function imagesPerSecond({ rounds, sliceS }: Effort): Promise<Outcome> {
  const models = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  const cores = availableParallelism();
  const load = pictureBinary('resnet18', 'logits');
  const wrk = new Wrk(load);
  await writeFixtures(models, ['resnet18']);
  const args = ['serve', '--models', models, '--port', '0', '--admin-port', '0', '--log-level', 'error'];
  const allCores = `0-${cores - 1}`;
  const server = await startServer([file('../../src/main.ts'), ...args, '--workers', String(cores)], allCores);
  try {
    await answerBytes(server.url, load);
    const ours = async () => (await wrk.slice(server.url, CONNECTIONS, sliceS, allCores)).perSecond;
    const raw = async () => {
      let best = 0;
      for (let loops = 1; loops <= cores; loops++) {
        best = Math.max(best, await rawRate(join(models, 'resnet18/1/model.onnx'), loops, sliceS));
      }
      return best;
    };
    const found: { ratio: number; aa: number; ours: number; raw: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const [a, b, c, d] = [await ours(), await raw(), await raw(), await ours()];
      found.push({ ratio: (a + d) / (b + c), aa: a / d, ours: (a + d) / 2, raw: (b + c) / 2 });
      process.stderr.write(`round ${round + 1}: ${((a + d) / (b + c)).toFixed(3)}\n`);
    }
    const pick = (key: keyof (typeof found)[number]) => found.map((one) => one[key]);
    return {
      figure: median(pick('ratio')),
      interval: interval(pick('ratio')),
      aa: median(pick('aa')),
      detail: { ours: median(pick('ours')), raw: median(pick('raw')), instances: cores },
    };
  } finally {
    await server.stop();
    wrk.dispose();
    rmSync(models, { recursive: true });
  }
}

/** Runs per second of `loops` processes that begin together. */
async function rawRate(model: string, loops: number, seconds: number): Promise<number> {
  const args = [file('./raw-rate.ts'), model, 'input', '1,3,224,224', String(seconds)];
  const children = Array.from({ length: loops }, () =>
    spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const rates = children.map(rateOf);
  for (const child of children) child.stdin.end('go\n');
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}

async function rateOf(child: ChildProcess): Promise<number> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  return Number(text);
}
