/** Triton's perf_analyzer: the binary inside a wheel of PyPI, and the two libraries it needs, none of them installed. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { pythonWith, runPython } from './python.ts';

const run = promisify(execFile);

/** The last wheel that has the binary; it links libcudart, which it does not use without a GPU. */
const PACKAGES = ['tritonclient==2.41.1', 'nvidia-cuda-runtime-cu12==12.3.101'];

const DEBIAN_PACKAGE = 'libb64-0d';

/** Where it is, and where its libraries are. */
export interface PerfAnalyzer {
  readonly program: string;
  readonly libraries: string;
}

/** One line of its report, by the names of its columns. */
export type Measured = Readonly<Record<string, number>>;

/** Fetches what is not there yet. */
export async function perfAnalyzer(): Promise<PerfAnalyzer> {
  const python = await pythonWith(PACKAGES, { bare: true });
  const packages = (await runPython(python, 'import sysconfig; print(sysconfig.get_path("purelib"))', [])).trim();
  const libraries = [join(packages, 'nvidia/cuda_runtime/lib'), await debianLibrary()];
  return { program: join(dirname(python), 'perf_analyzer'), libraries: libraries.join(':') };
}

/** Folder of libb64's shared object, unpacked from Debian's package. */
async function debianLibrary(): Promise<string> {
  const home = join(tmpdir(), `penstock-${DEBIAN_PACKAGE}`);
  if (!existsSync(home)) {
    const half = await mkdtemp(`${home}-`);
    await mkdir(join(half, 'deb'));
    await run('apt-get', ['download', DEBIAN_PACKAGE], { cwd: join(half, 'deb') });
    const [file] = await readdir(join(half, 'deb'));
    await run('dpkg-deb', ['-x', join(half, 'deb', file as string), half]);
    await rename(half, home);
  }
  const [machine] = (await readdir(join(home, 'usr/lib'))).filter((name) => name.includes('linux'));
  return join(home, 'usr/lib', machine as string);
}

/**
 * Has it drive `model` with 1 to `most` requests at once, in windows of 200 ms, and no judgement on their spread.
 * @returns its report, and what it printed
 */
export async function drive(
  { program, libraries }: PerfAnalyzer,
  url: string,
  model: string,
  form: 'json' | 'binary',
  most: number,
): Promise<{ report: Measured[]; printed: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-perf-'));
  const file = join(folder, 'report.csv');
  const windows = ['--measurement-interval', '200', '--stability-percentage', '999', '--max-trials', '3'];
  const forms = [`--input-tensor-format=${form}`, `--output-tensor-format=${form}`];
  const target = ['-m', model, '-u', url.replace('http://', ''), '-i', 'http', '--concurrency-range', `1:${most}`];
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  const { stdout, stderr } = await run(program, [...target, ...windows, ...forms, '-f', file], { env });
  const report = readReport(await readFile(file, 'utf8'));
  await rm(folder, { recursive: true });
  return { report, printed: stdout + stderr };
}

function readReport(text: string): Measured[] {
  const [head = '', ...lines] = text.trim().split('\n');
  const names = head.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i], Number(value)])));
}
