/** What raw ONNX Runtime does: one-thread loops in processes of their own, on all cores. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const RAW_RATE = fileURLToPath(new URL('../http/raw-rate.ts', import.meta.url));

/** Pictures per second of ResNet-18 in `model`, with the best of 1 to `cores` loops. */
export async function bestRate(model: string, cores: number, seconds: number): Promise<number> {
  let best = 0;
  for (let loops = 1; loops <= cores; loops++) best = Math.max(best, await rawRate(model, loops, seconds));
  return best;
}

/** Runs per second of `loops` processes that begin together. */
async function rawRate(model: string, loops: number, seconds: number): Promise<number> {
  const args = [RAW_RATE, model, 'input', '1,3,224,224', String(seconds)];
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
