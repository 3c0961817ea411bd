/** Child processes under measurement: started on a core of their own, waited for, and always ended. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

/** Clock ticks of /proc per second on Linux. */
const TICKS_PER_S = 100;

/** A server that answers. */
export interface Server {
  readonly pid: number;
  readonly url: string;
  /** Of the admin listener; empty where it says none. */
  readonly adminUrl: string;
  /** What it prints. */
  readonly output: Readable;
  stop(): Promise<void>;
}

/** Starts `node args` on `core`; resolves when it has printed a URL. @throws where it ends before that */
export async function startServer(
  args: readonly string[],
  core: number | string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Server> {
  const child = spawn('taskset', ['-c', String(core), process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  const [url, adminUrl] = await firstUrls(child);
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
  };
  return { pid: child.pid as number, url, adminUrl, output: child.stdout as Readable, stop };
}

/** CPU microseconds that the process has used, all its threads together. */
export function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
  return (ticks * 1e6) / TICKS_PER_S;
}

/** Resident memory, bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Open files and sockets of the process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Threads of the process. */
export function threads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}

function firstUrls(child: ChildProcess): Promise<[url: string, adminUrl: string]> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const found = /(http:\/\/[\d.]+:\d+)(?: \(admin (http:\/\/[\d.]+:\d+)\))?/.exec(output);
      if (found) resolve([found[1] as string, found[2] ?? '']);
    });
    child.on('close', (code) => reject(new Error(`a server ended with ${code}: ${output}`)));
  });
}
