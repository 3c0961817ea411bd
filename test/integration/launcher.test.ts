import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MOST_DECODE_THREADS } from '../../src/preprocess/decode-pool.ts';
import { followProcess, onFreePorts, type Served, type Started, untilListening } from '../support/server-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = join(ROOT, 'bin/penstock.mjs');

let models: string;
const children = new Set<ChildProcess>();
beforeAll(() => {
  models = mkdtempSync(join(tmpdir(), 'penstock-launcher-'));
});
afterAll(() => rmSync(models, { recursive: true }));
// A failed test must not leave its server behind.
afterEach(() => {
  for (const child of children) child.kill('SIGTERM');
});

function launch(program: string, args: readonly string[]): Started {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (name.startsWith('npm_') || name.startsWith('PENSTOCK_')) delete env[name];
  const started = followProcess(spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] }));
  children.add(started.child);
  void started.ended.then(() => children.delete(started.child));
  return started;
}

function serving(program: string, args: readonly string[]): Promise<Served> {
  return untilListening(launch(program, [...args, ...onFreePorts(models)]));
}

function refused(url: string): Promise<boolean> {
  return fetch(`${url}/v2/health/live`).then(
    () => false,
    () => true,
  );
}

describe('whose turn it is to make a folder ready', () => {
  const turn = join(ROOT, 'bin/launcher/turn.mjs');

  /** Makes `folder` ready in 0.2 s in as many processes as are asked for: what each of them printed. */
  function makeReady(folder: string, processes: number): Promise<string[]> {
    const program = `
      import { existsSync, writeFileSync } from 'node:fs';
      import { inTurn } from ${JSON.stringify(turn)};
      const done = ${JSON.stringify(join(folder, 'done'))};
      await inTurn(${JSON.stringify(folder)}, () => existsSync(done), async () => {
        process.stdout.write('made');
        await new Promise((resolve) => setTimeout(resolve, 200));
        writeFileSync(done, '');
      });
      process.stdout.write('ready');`;
    const one = async () => {
      const { ended, output } = launch(process.execPath, ['--input-type=module', '--eval', program]);
      expect((await ended).code).toBe(0);
      return output().replace(/penstock: waiting .*\n/, '');
    };
    return Promise.all(Array.from({ length: processes }, one));
  }

  it('makes it ready once where several processes find that it is not', async () => {
    const folder = mkdtempSync(join(models, 'turn-'));
    const printed = await makeReady(folder, 4);
    expect(printed.sort()).toEqual(['madeready', 'ready', 'ready', 'ready']);
    expect(readdirSync(join(folder, 'build'))).toEqual([]);
  });

  it('does not wait for a process that has ended', async () => {
    const folder = mkdtempSync(join(models, 'turn-'));
    const { child, ended } = launch(process.execPath, ['--eval', '']);
    await ended;
    mkdirSync(join(folder, 'build'));
    writeFileSync(join(folder, 'build/.turn'), String(child.pid));
    const printed = await makeReady(folder, 3);
    expect(printed.sort()).toEqual(['madeready', 'ready', 'ready']);
    expect(readdirSync(join(folder, 'build'))).toEqual([]);
  });
});

describe('the launcher', { timeout: 20_000 }, () => {
  it('hands back the exit code of the gateway, with one line for what is wrong', async () => {
    const { ended, errors } = launch('node', [LAUNCHER, 'check', '--port', 'x']);
    expect((await ended).code).toBe(78);
    expect(errors().trim()).toBe('--port: port: expected a whole number, found "x"');
  });

  it('prints the effective configuration', async () => {
    const { ended, output } = launch('node', [LAUNCHER, 'check', '--limits-json-depth', '7']);
    expect((await ended).code).toBe(0);
    expect(JSON.parse(output()).limits.jsonDepth).toBe(7);
  });

  it('refuses a command that does not exist', async () => {
    const { ended, errors } = launch('node', [LAUNCHER, 'constructor']);
    expect((await ended).code).toBe(64);
    expect(errors()).toContain("unknown command 'constructor'");
  });

  it('forwards SIGTERM: the gateway drains and the launcher ends with 0', async () => {
    const { child, url, ended } = await serving('node', [LAUNCHER, 'serve']);
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(await refused(url)).toBe(true);
  });

  it.runIf(process.platform === 'linux')(
    'gives the gateway a thread of libuv for each that decodes pictures',
    async () => {
      const { child, ended } = await serving('node', [LAUNCHER, 'serve']);
      const [server] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
      const environment = readFileSync(`/proc/${server}/environ`, 'utf8').split('\0');
      const decoders = Math.min(availableParallelism(), MOST_DECODE_THREADS);
      const threads = environment.find((entry) => entry.startsWith('UV_THREADPOOL_SIZE='))?.split('=')[1];
      expect(Number(threads)).toBeGreaterThanOrEqual(decoders + 4);
      child.kill('SIGTERM');
      expect((await ended).code).toBe(0);
    },
  );

  it('takes an echo of the signal for the same one', async () => {
    const { child, ended } = await serving('node', [LAUNCHER, 'serve']);
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) child.kill(signal);
    expect((await ended).code).toBe(0);
  });

  it('leaves no orphan behind when npm itself gets SIGTERM', async () => {
    const { child, url, ended } = await serving('npm', ['start', '--']);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(await refused(url)).toBe(true);
  });
});
