/** The light of a model: http/raw-loop.ts as a process of its own on one core. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ENTRY = fileURLToPath(new URL('../http/raw-loop.ts', import.meta.url));

/** What bare onnxruntime-node takes. */
export interface RawLoop {
  /** Least CPU per row over the batch sizes, microseconds. */
  readonly cpuPerRowUs: number;
  /** Wall time of one row alone, microseconds. */
  readonly singleRunUs: number;
}

/** Measures a model with one input named `input`, of so many numbers a row. */
export async function rawLoop(model: string, elements: number, seconds: number, core: number): Promise<RawLoop> {
  const args = ['-c', String(core), process.execPath, ENTRY, model, 'input', String(elements), String(seconds)];
  return JSON.parse((await run('taskset', args)).stdout) as RawLoop;
}
