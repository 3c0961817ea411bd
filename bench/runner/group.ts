/**
 * Servers of several processes: started as a group of their own, measured and stopped as a whole. A group never outlives
 * the bench: it is killed when the bench ends in whatever way a process can notice.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Clock ticks of /proc per second on Linux. */
const TICKS_PER_S = 100;
/** What a server may take to end by itself, milliseconds; then it is killed. */
const END_MS = 5_000;
const POLL_MS = 50;
/** The most that is kept of what a server prints. */
const MAX_PRINTED = 4_000;

/** A running server. */
export interface Group {
  readonly pid: number;
  /** The last that it printed. */
  printed(): string;
  /** Whether its first process is there. */
  alive(): boolean;
  stop(): Promise<void>;
}

/** How it is started. */
export interface GroupStart {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** As taskset takes them. */
  readonly cores: string;
}

/** Starts it, without waiting for anything. */
export function startGroup({ program, args, env, cwd, cores }: GroupStart): Group {
  const child = spawn('taskset', ['-c', cores, program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    cwd,
    detached: true,
  });
  const pid = child.pid as number;
  let printed = '';
  const keep = (chunk: Buffer) => {
    printed = (printed + chunk.toString()).slice(-MAX_PRINTED);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const kill = () => signalTree(pid, 'SIGKILL');
  process.once('exit', kill);
  const alive = () => child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    await endTree(child);
    process.removeListener('exit', kill);
  };
  return { pid, printed: () => printed, alive, stop };
}

async function endTree(child: ChildProcess): Promise<void> {
  const pid = child.pid as number;
  // Looked up before: orphans no longer show whose they were.
  const tree = processTree(pid);
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    signal(tree, 'SIGCONT');
    child.kill('SIGTERM');
    const timer = setTimeout(() => signal(new Set([...tree, ...processTree(pid)]), 'SIGKILL'), END_MS);
    await ended;
    clearTimeout(timer);
  }
  const rest = [...tree, ...processTree(pid)];
  signal(rest, 'SIGKILL');
  await untilGone(rest);
}

/** A killed process ends when the kernel has let go of its memory, not when the signal is sent. */
async function untilGone(pids: readonly number[]): Promise<void> {
  const deadlineMs = performance.now() + END_MS;
  while (pids.some(lives)) {
    if (performance.now() > deadlineMs) throw new Error(`processes outlive SIGKILL: ${pids.filter(lives).join()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Not one that waits for a parent to read its end. */
function lives(pid: number): boolean {
  return entryOf(pid).some(({ ended }) => !ended);
}

/** Sends a signal to every process of the tree. */
export function signalTree(pid: number, name: NodeJS.Signals): void {
  signal(processTree(pid), name);
}

function signal(pids: Iterable<number>, name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly ticks: number;
  /** Whether it is a zombie. */
  readonly ended: boolean;
}

/** The process, all its descendants, and all of its session: children whose parent has ended belong to it. Zombies do not. */
export function processTree(root: number): number[] {
  return treeOf(root).flatMap(({ pid, ended }) => (ended ? [] : [pid]));
}

/** CPU microseconds of the tree, ended children that were waited for included. */
export function treeCpuUs(root: number): number {
  return (treeOf(root).reduce((sum, { ticks }) => sum + ticks, 0) * 1e6) / TICKS_PER_S;
}

/** Memory of the tree, bytes: pages that its processes share count once (proportional set size). */
export function treeBytes(root: number): number {
  return processTree(root).reduce((sum, pid) => {
    const line = /^Pss:\s+(\d+) kB/m.exec(readOr(`/proc/${pid}/smaps_rollup`));
    return sum + Number(line?.[1] ?? 0) * 1024;
  }, 0);
}

function treeOf(root: number): Entry[] {
  const entries = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => entryOf(Number(name)));
  const found = new Set([root]);
  // Parents need not come before their children: again until nothing is added.
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const { pid, parent, session } of entries) {
      if (session === root || found.has(parent)) found.add(pid);
    }
  }
  return entries.filter(({ pid }) => found.has(pid));
}

function entryOf(pid: number): Entry[] {
  // A name may hold anything, even brackets.
  const text = readOr(`/proc/${pid}/stat`);
  const [state, ...rest] = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  const fields = [0, ...rest.map(Number)];
  if (fields.length < 15) return [];
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + (fields[i] ?? 0), 0);
  return [{ pid, parent: fields[1] ?? 0, session: fields[3] ?? 0, ticks, ended: state === 'Z' }];
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Waits for `ready`, and not longer than `limitMs`. @throws with the last it printed where it ends before or is too slow */
export async function untilReady(group: Group, ready: () => Promise<boolean>, limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    if (await ready().catch(() => false)) return;
    if (!group.alive()) throw new Error(`the server ended: ${group.printed()}`);
    if (performance.now() > deadlineMs) throw new Error(`the server does not answer: ${group.printed()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
