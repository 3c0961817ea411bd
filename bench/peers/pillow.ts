/** Pillow and numpy in a process of their own, asked for slices of work by line. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pythonWith } from '../../test/support/python.ts';
import type { Timed } from '../runner/comparisons.ts';
import { MODELS } from './python.ts';

/** What the golden images of the tests are made with. */
const PACKAGES = ['pillow==12.3.0', 'numpy==2.4.6'];

/** One that runs. */
export interface Pillow {
  /** A JPEG to the tensor of the preset `imagenet`. */
  readonly tensor: Timed;
  /** Of all values of that tensor. */
  readonly sum: number;
  stop(): Promise<void>;
}

/** Starts it; null where there is no Python with them, and none to be had. */
export async function startPillow(jpeg: Uint8Array): Promise<Pillow | null> {
  const python = await pythonWith(PACKAGES).catch(() => null);
  if (python === null) return null;
  const folder = mkdtempSync(join(tmpdir(), 'penstock-pillow-'));
  const path = join(folder, 'photograph.jpeg');
  writeFileSync(path, jpeg);
  const child = spawn(python, [join(MODELS, 'pillow_images.py'), path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('Pillow has ended');
    return value;
  };
  const stop = async () => {
    const gone = child.exitCode === null ? once(child, 'exit') : null;
    child.stdin.end();
    await gone;
    rmSync(folder, { recursive: true });
  };
  const sum = Number((await next()).split(' ').at(-1));
  const tensor: Timed = async (seconds) => {
    child.stdin.write(`${seconds}\n`);
    return Number(await next());
  };
  return { tensor, sum, stop };
}
