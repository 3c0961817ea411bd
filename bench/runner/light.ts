/** The light of throughput: how many rows a second bare ONNX Runtime could do in batches that leave time to wait for one. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Layout } from './layout.ts';

const ENTRY = fileURLToPath(new URL('../http/batch-times.ts', import.meta.url));

/** What is run. */
export interface Raw {
  readonly model: string;
  readonly input: string;
  /** Dims of one row. */
  readonly dims: readonly number[];
  /** Batch sizes, rising. */
  readonly sizes: readonly number[];
}

/** Times of batches by their rows, of each of the loops that ran beside each other, microseconds. */
export type BatchTimes = readonly Readonly<Record<string, number>>[];

/** Runs one loop an instance, all at once, on the cores of the server. @throws where one fails */
export async function batchTimes({ model, input, dims, sizes }: Raw, layout: Layout, seconds: number) {
  const args = [ENTRY, model, input, dims.join(), String(seconds), sizes.join()];
  const children = Array.from({ length: layout.instances }, () =>
    spawn('taskset', ['-c', layout.server, process.execPath, ...args], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const times = children.map(timesOf);
  for (const child of children) child.stdin.end('go\n');
  return (await Promise.all(times)) satisfies BatchTimes;
}

/** Rows per second in batches of n, n the best of those with 2 L(n) inside the target; 0 where not one is. */
export function lightAt(times: BatchTimes, targetUs: number): number {
  let sum = 0;
  for (const loop of times) {
    const rates = Object.entries(loop).map(([rows, us]) => (2 * us <= targetUs ? (Number(rows) * 1e6) / us : 0));
    sum += Math.max(0, ...rates);
  }
  return sum;
}

/** Rows per second in batches of one. */
export function singleRate(times: BatchTimes): number {
  return times.reduce((sum, loop) => sum + 1e6 / (loop[1] as number), 0);
}

async function timesOf(child: ChildProcess): Promise<Record<string, number>> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  return JSON.parse(text) as Record<string, number>;
}
