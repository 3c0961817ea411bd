/** The real `serve` command as a process of its own, for what only a process has: signals, exit codes, memory. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { get } from './gateway.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A process. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  /** All it has printed. */
  output(): string;
  /** What of that went to standard error. */
  errors(): string;
}

/** A server process. */
export interface Served extends Started {
  /** Empty where it ended before it listened. */
  readonly url: string;
  readonly adminUrl: string;
}

/** Starts it over a folder of models, on free ports; resolves when it has said where it listens, or has ended. */
export function serveProcess(models: string, ...flags: readonly string[]): Promise<Served> {
  return untilListening(startProcess(MAIN, models, ...flags));
}

/** Flags of a server over a folder of models, on free ports, that keeps nothing. */
export function onFreePorts(models: string): string[] {
  return ['--models', models, '--port', '0', '--admin-port', '0', '--state-dir', ''];
}

/** The process alone, of any entry module, without waiting for what it says. */
export function startProcess(entry: string, models: string, ...flags: readonly string[]): Started {
  return followProcess(
    spawn(process.execPath, [entry, 'serve', ...onFreePorts(models), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

/** A process that was started in some way of its own, with both outputs piped. */
export function followProcess(child: ChildProcess): Started {
  let output = '';
  let errors = '';
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  return { child, ended, output: () => output, errors: () => errors };
}

/** Resolves when the process has said where it listens, or has ended. */
export async function untilListening(started: Started): Promise<Served> {
  const [url, adminUrl] = await new Promise<[string, string]>((resolve) => {
    const look = () => {
      const found = /on (http:\/\/\S+) \(admin (http:\/\/\S+)\)/.exec(started.output());
      if (found) resolve([found[1] as string, found[2] as string]);
    };
    started.child.stdout?.on('data', look);
    look();
    void started.ended.then(() => resolve(['', '']));
  });
  return { ...started, url, adminUrl };
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
