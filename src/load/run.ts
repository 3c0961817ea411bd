/** One load against one server: the right generator for its loop, between two looks at the server's counters. */

import { runClosedLoop } from './closed-loop.ts';
import { type Counters, difference, readCounters } from './counters.ts';
import { LoadError } from './error.ts';
import type { Arrivals, LoadFigures, Loop, WireRequest } from './figures.ts';
import { runOpenLoop } from './open-loop.ts';
import type { Progress } from './progress.ts';
import type { Target } from './target.ts';

/** What all loads of one command have in common. */
export interface Bench {
  readonly target: Target;
  readonly requests: readonly WireRequest[];
  /** For the server's counters; the requests carry it themselves. */
  readonly token: string | null;
  readonly connections: number;
  readonly durationS: number;
  /** What a good answer must keep; null: any 2xx is good. */
  readonly deadlineMs: number | null;
  readonly arrivals: Arrivals;
  readonly seed: number;
  /** Ends whatever runs. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress, loop: Loop, totalS: number) => void;
  /** Told of every run of a series as soon as it has ended. */
  readonly onRun: (figures: LoadFigures) => Promise<void>;
}

/** How one load differs from the command. */
export interface RunOptions {
  readonly durationS?: number;
  /** How long an open loop waits for answers behind its end. */
  readonly drainMs?: number;
}

/**
 * Runs one load.
 * @throws {LoadError} unsuitable: no generator can send that
 */
export async function runLoad(bench: Bench, loop: Loop, options: RunOptions = {}): Promise<LoadFigures> {
  const { requests, deadlineMs, seed, signal } = bench;
  const durationS = options.durationS ?? bench.durationS;
  const connections = loop.kind === 'closed' ? loop.concurrency : bench.connections;
  const plan = { origin: bench.target.origin, requests, loop, connections, durationS, deadlineMs, seed };
  const onProgress = (progress: Progress) => bench.onProgress(progress, loop, durationS);
  const before = await countersOf(bench);
  const figures =
    loop.kind === 'closed'
      ? await runClosedLoop(plan, { signal, onProgress })
      : await runOpenLoop(plan, { signal, onProgress, ...drainOf(options) }).catch(asLoadError);
  return { ...figures, server: difference(before, await countersOf(bench)) };
}

/** An open loop at this rate, with the command's arrivals. */
export function openLoop(bench: Bench, rate: number): Loop {
  return { kind: 'open', rate, arrivals: bench.arrivals };
}

function drainOf({ drainMs }: RunOptions): { drainMs?: number } {
  return drainMs === undefined ? {} : { drainMs };
}

function asLoadError(error: unknown): never {
  throw error instanceof RangeError ? new LoadError('unsuitable', error.message) : error;
}

/** null where the server has none, or has gone: what it does to requests is in the figures. */
async function countersOf({ target, token }: Bench): Promise<Counters | null> {
  if (!target.statistics) return null;
  const { host, port } = target.origin;
  try {
    return await readCounters(
      new URL(`http://${host.includes(':') ? `[${host}]` : host}:${port}${target.path}`),
      token,
    );
  } catch (error) {
    if (error instanceof LoadError) return null;
    throw error;
  }
}
