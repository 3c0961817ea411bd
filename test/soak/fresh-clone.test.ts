import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let clone: string;
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'penstock-clone-'));
  execFileSync('git', ['clone', '--quiet', ROOT, clone]);
});
afterAll(() => rmSync(clone, { recursive: true }));

function environment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^(npm_|PENSTOCK_|VITEST|NODE_)/.test(name)) delete env[name];
  return env;
}

/** Starts the clone as a newcomer does, and asks the ready server `question`; returns the answer after a clean end. */
async function start<T>(program: string, args: readonly string[], question: (url: string) => Promise<T>): Promise<T> {
  const all = [...args, '--port', '0', '--admin-port', '0'];
  const child = spawn(program, all, { cwd: clone, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        text += chunk;
        const found = /serves .* on (http:\/\/\S+)/.exec(text)?.[1];
        if (found !== undefined && text.includes('try: curl')) resolve(found);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      void ended.then((code) => reject(new Error(`ended with ${code}: ${text}`)));
    });
    return await question(url);
  } finally {
    child.kill('SIGTERM');
    expect(await ended, text).toBe(0);
  }
}

async function ready(url: string): Promise<number> {
  return (await fetch(`${url}/v2/health/ready`)).status;
}

describe('a fresh clone', () => {
  it('installs, builds and serves by npm start alone', async () => {
    expect(await start('npm', ['start', '--'], ready)).toBe(200);
  });

  it('leaves the working tree as it was', () => {
    expect(execFileSync('git', ['status', '--porcelain'], { cwd: clone }).toString()).toBe('');
  });

  it('starts again without installing or building', async () => {
    expect(await start('npm', ['start', '--'], ready)).toBe(200);
  });

  it('builds a release that serves without its sources', async () => {
    execFileSync('npm', ['run', 'build'], { cwd: clone, env: environment(), stdio: 'ignore' });
    rmSync(join(clone, 'src'), { recursive: true });
    expect(existsSync(join(clone, 'dist/src/main.js'))).toBe(true);
    expect(await start('node', ['bin/penstock.mjs', 'serve'], ready)).toBe(200);
  });
});
