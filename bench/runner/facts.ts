/** What a figure was made with, so that it can be made again: every report carries it. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MANIFEST = fileURLToPath(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The machine, the programs and the models of a run. */
export interface Facts {
  /** With a `+` where files differ from it. */
  readonly commit: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  /** SHA-256 of every model.onnx, by its path in the folder of models. */
  readonly models: Readonly<Record<string, string>>;
  readonly command: string;
}

/** Facts of this machine and a folder of models. */
export function factsOf(models: string, command: string): Facts {
  return {
    commit: commit(),
    node: process.versions.node,
    onnxruntime: (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    models: hashes(models),
    command,
  };
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT }).toString().trim();
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+');
}

function hashes(models: string): Record<string, string> {
  const files = readdirSync(models, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'));
  return Object.fromEntries(
    files.sort().map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(join(models, file)))
        .digest('hex'),
    ]),
  );
}
