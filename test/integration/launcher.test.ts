import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
