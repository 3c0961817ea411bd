/** `node bench/profile.ts [binary|json] [SECONDS]`: our server under the mlp load, and where its front thread spends itself. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFixtures } from '../test/support/fixtures/write.ts';
import { answerBytes, mlpBinary, mlpJson } from './http/loads.ts';
import { startServer } from './runner/process.ts';
import { Wrk } from './runner/wrk.ts';

/** The parts of V8's .cpuprofile that are read here. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
}

const TOP = 25;
const [form = 'binary', seconds = '5'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'penstock-profile-'));
const load = form === 'json' ? mlpJson() : mlpBinary();
const wrk = new Wrk(load);
try {
  await writeFixtures(join(folder, 'models'), ['mlp']);
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const flags = ['--models', join(folder, 'models'), '--port', '0', '--admin-port', '0', '--workers', '1'];
  const profiling = ['--cpu-prof', '--cpu-prof-dir', join(folder, 'profiles')];
  const server = await startServer([...profiling, main, 'serve', ...flags, '--log-level', 'error'], 0);
  try {
    await answerBytes(server.url, load);
    await wrk.slice(server.url, 64, Number(seconds), 1);
  } finally {
    await server.stop();
  }
  for (const line of busiest(join(folder, 'profiles'))) process.stdout.write(`${line}\n`);
} finally {
  wrk.dispose();
  rmSync(folder, { recursive: true });
}

/** Self time per function of the front thread, as shares of the time that it was not idle. */
function busiest(dir: string): string[] {
  // CPU.<date>.<time>.<pid>.<thread>.<n>.cpuprofile: thread 0 is the front.
  const name = readdirSync(dir).find((file) => /\.0\.\d+\.cpuprofile$/.test(file)) ?? '';
  const table = selfSamples(JSON.parse(readFileSync(join(dir, name), 'utf8')) as Profile);
  const busy = [...table.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...table].sort((a, b) => b[1] - a[1]).slice(0, TOP);
  return rows.map(([where, count]) => `${((100 * count) / busy).toFixed(1).padStart(5)} %  ${where}`);
}

function selfSamples({ nodes, samples }: Profile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const table = new Map<string, number>();
  for (const id of samples) {
    const name = names.get(id) ?? '';
    if (name.startsWith('(idle)')) continue;
    table.set(name, (table.get(name) ?? 0) + 1);
  }
  return table;
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const where = url === '' ? '' : ` ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}${where}`;
}
