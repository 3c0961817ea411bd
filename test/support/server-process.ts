/** The real `serve` command as a process of its own, for what only a process has: signals, exit codes, memory. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { get } from './gateway.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A server process. */
export interface Served {
  readonly child: ChildProcess;
  /** Empty where it ended before it listened. */
  readonly url: string;
  readonly adminUrl: string;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  /** All it has printed. */
  output(): string;
}

/** Starts it over a folder of models, on free ports; resolves when it has said where it listens, or has ended. */
export async function serveProcess(models: string, ...flags: readonly string[]): Promise<Served> {
  const args = [MAIN, 'serve', '--models', models, '--port', '0', '--admin-port', '0', ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  const [url, adminUrl] = await new Promise<[string, string]>((resolve) => {
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /on (http:\/\/\S+) \(admin (http:\/\/\S+)\)/.exec(output);
      if (found) resolve([found[1] as string, found[2] as string]);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void ended.then(() => resolve(['', '']));
  });
  return { child, url, adminUrl, ended, output: () => output };
}

/** Waits until it answers ready; with `model`, until that one does. */
export async function untilReady(url: string, model = ''): Promise<void> {
  const path = model === '' ? 'health/ready' : `models/${model}/ready`;
  for (let i = 0; i < 400; i++) {
    if ((await get(`${url}/v2/${path}`)).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('never ready');
}
