/** Python for tests of real clients: a virtual environment in the system's temporary folder, made once per set of packages. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How the packages are chosen. */
export interface PythonOptions {
  /** Exactly those that are named, and nothing that they ask for. */
  readonly bare?: boolean;
}

/** Path of a Python that has `packages` (exact versions). */
export async function pythonWith(packages: readonly string[], { bare = false }: PythonOptions = {}): Promise<string> {
  const options = bare ? ['--no-deps'] : [];
  const key = createHash('sha256')
    .update([...options, ...packages].join())
    .digest('hex')
    .slice(0, 16);
  const home = join(tmpdir(), `penstock-python-${key}`);
  const python = join(home, 'bin/python');
  if (!existsSync(join(home, 'complete'))) {
    await rm(home, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', home]);
    await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...options, ...packages]);
    await run(python, ['-c', `open(${JSON.stringify(join(home, 'half'))}, 'w').close()`]);
    await rename(join(home, 'half'), join(home, 'complete'));
  }
  return python;
}

/** Runs a script with arguments. @returns what it printed @throws with what it complained of */
export async function runPython(python: string, script: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(python, ['-c', script, ...args]);
  return stdout;
}
