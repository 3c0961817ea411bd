import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

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

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<number | null>;
}

function launch(program: string, args: readonly string[]) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (name.startsWith('npm_') || name.startsWith('PENSTOCK_')) delete env[name];
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (text.out += chunk));
  child.stderr.on('data', (chunk) => (text.err += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  void ended.then(() => children.delete(child));
  return { child, text, ended };
}

async function serving(program: string, args: readonly string[]): Promise<Running> {
  const { child, text, ended } = launch(program, [
    ...args,
    '--port',
    '0',
    '--admin-port',
    '0',
    '--state-dir',
    '',
    '--models',
    models,
  ]);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const found = /serves .* on (http:\/\/\S+)/.exec(text.out);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    void ended.then((code) => reject(new Error(`ended with ${code}: ${text.err}${text.out}`)));
  });
  return { child, url, ended };
}

function refused(url: string): Promise<boolean> {
  return fetch(`${url}/v2/health/live`).then(
    () => false,
    () => true,
  );
}

describe('the launcher', { timeout: 20_000 }, () => {
  it('hands back the exit code of the gateway, with one line for what is wrong', async () => {
    const { ended, text } = launch('node', [LAUNCHER, 'check', '--port', 'x']);
    expect(await ended).toBe(78);
    expect(text.err.trim()).toBe('--port: port: expected a whole number, found "x"');
  });

  it('prints the effective configuration', async () => {
    const { ended, text } = launch('node', [LAUNCHER, 'check', '--limits-json-depth', '7']);
    expect(await ended).toBe(0);
    expect(JSON.parse(text.out).limits.jsonDepth).toBe(7);
  });

  it('refuses a command that does not exist', async () => {
    const { ended, text } = launch('node', [LAUNCHER, 'constructor']);
    expect(await ended).toBe(64);
    expect(text.err).toContain("unknown command 'constructor'");
  });

  it('forwards SIGTERM: the gateway drains and the launcher ends with 0', async () => {
    const { child, url, ended } = await serving('node', [LAUNCHER, 'serve']);
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(await refused(url)).toBe(true);
  });

  it('takes an echo of the signal for the same one', async () => {
    const { child, ended } = await serving('node', [LAUNCHER, 'serve']);
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) child.kill(signal);
    expect(await ended).toBe(0);
  });

  it('leaves no orphan behind when npm itself gets SIGTERM', async () => {
    const { child, url, ended } = await serving('npm', ['start', '--']);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(await refused(url)).toBe(true);
  });

  it('says who is in the way of a port', async () => {
    const { child, url, ended } = await serving('node', [LAUNCHER, 'serve']);
    const { port } = new URL(url);
    const second = launch('node', [
      LAUNCHER,
      'serve',
      '--port',
      port,
      '--admin-port',
      '0',
      '--state-dir',
      '',
      '--models',
      models,
    ]);
    expect(await second.ended).toBe(69);
    expect(second.text.err).toContain(`port ${port} on 127.0.0.1 is taken`);
    if (process.platform === 'linux') expect(second.text.err).toMatch(/by process \d+ \(.*main\.ts serve/);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
