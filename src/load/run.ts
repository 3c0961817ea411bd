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

/** Runs one load. @param durationS where it is not the command's */
export async function runLoad(bench: Bench, loop: Loop, durationS = bench.durationS): Promise<LoadFigures> {
  const { requests, connections, deadlineMs, seed, signal } = bench;
  const plan = { origin: bench.target.origin, requests, loop, connections, durationS, deadlineMs, seed };
  const onProgress = (progress: Progress) => bench.onProgress(progress, loop, durationS);
  const before = await countersOf(bench);
  const generate = loop.kind === 'open' ? runOpenLoop : runClosedLoop;
  const figures = await generate(plan, { signal, onProgress });
  return { ...figures, server: difference(before, await countersOf(bench)) };
}

/** An open loop at this rate, with the command's arrivals. */
export function openLoop(bench: Bench, rate: number): Loop {
  return { kind: 'open', rate, arrivals: bench.arrivals };
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
