/**
 * The highest rate at which the deadline holds: a closed loop says about where to look, open loops climb until one does not
 * hold, and halves of what is left between say the rest.
 */

import { LoadError } from './error.ts';
import type { LoadFigures } from './figures.ts';
import type { Capacity } from './report.ts';
import { type Bench, openLoop, runLoad } from './run.ts';
import { holds } from './units.ts';

/** Requests at once that fill a server, and for how long: the throughput that they find is only where the search begins. */
const PROBE_CONCURRENCY = 64;
const PROBE_S = 2;
/** The first rates, as parts of what the probe found. */
const CLIMB = [0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5];
/** How close the answer is to be, and the most runs that may take after the climb. */
const CLOSE = 0.05;
const MOST_HALVINGS = 8;
/** Deadline where none is given: so many p99 of a server that is asked one thing at a time, and at least so long. */
const DEADLINE_P99S = 5;
const LEAST_DEADLINE_MS = 50;
const UNLOADED_S = 2;
/** A void run that does not hold says nothing about the server: it is made again, so often at most. */
const MOST_TRIES = 3;

/** What a search found. */
export interface Found {
  /** null: not even the lowest rate held, or the search was ended before one did. */
  readonly capacity: Capacity | null;
  readonly runs: readonly LoadFigures[];
}

/** The deadline of the command, or one from how long an unloaded server takes, whole milliseconds. */
export async function deadlineFor(bench: Bench): Promise<number> {
  if (bench.deadlineMs !== null) return bench.deadlineMs;
  const { latency } = await runLoad(bench, { kind: 'closed', concurrency: 1 }, { durationS: UNLOADED_S });
  return Math.max(LEAST_DEADLINE_MS, Math.ceil((DEADLINE_P99S * latency.p99) / 1000));
}

/** What a search that ended at `rate` ran into, by its runs. */
export function limitOf(rate: number, runs: readonly LoadFigures[]): Capacity['limitedBy'] {
  const above = runs.filter((run) => rateOf(run) > rate && !holds(run));
  const nearest = above.toSorted((a, b) => rateOf(a) - rateOf(b))[0];
  if (nearest === undefined) return 'search';
  return above.some((run) => rateOf(run) === rateOf(nearest) && run.generator.void === '') ? 'deadline' : 'generator';
}

function rateOf({ loop }: LoadFigures): number {
  return loop.kind === 'open' ? loop.rate : 0;
}

/**
 * Searches; `bench.deadlineMs` is what is to be held.
 * @throws {LoadError} unreachable: nothing at all was answered
 */
export async function ramp(bench: Bench): Promise<Found> {
  const concurrency = Math.min(PROBE_CONCURRENCY, bench.connections);
  const probe = await runLoad(bench, { kind: 'closed', concurrency }, { durationS: PROBE_S });
  // Refusals are quick, and say nothing of what the server can do.
  const guess = probe.latency.count / probe.durationS;
  if (!(guess > 0) && !bench.signal.aborted) {
    throw new LoadError('unreachable', 'none of the first requests was answered well: there is nothing to climb from');
  }
  const runs: LoadFigures[] = [];
  const held = async (rate: number): Promise<boolean> => {
    for (let tries = 1; ; tries++) {
      const figures = await runLoad(bench, openLoop(bench, rate));
      runs.push(figures);
      await bench.onRun(figures);
      const told = holds(figures) || figures.generator.void === '';
      if (told || tries === MOST_TRIES || bench.signal.aborted) return holds(figures);
    }
  };
  const rate = await search(guess, held, bench.signal);
  const found = { rate, heldDeadlineMs: bench.deadlineMs ?? 0, limitedBy: limitOf(rate, runs) };
  const capacity = rate > 0 ? found : null;
  return { capacity, runs };
}

/**
 * The highest rate that `held` says yes to, within 5 %; 0 where it never does.
 * @param guess about where the answer lies
 */
export async function search(
  guess: number,
  held: (rate: number) => Promise<boolean>,
  signal: AbortSignal,
): Promise<number> {
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  for (const part of CLIMB) {
    const rate = guess * part;
    if (signal.aborted) return low;
    if (!(await held(rate))) {
      high = rate;
      break;
    }
    low = rate;
  }
  for (let i = 0; i < MOST_HALVINGS && high < Number.POSITIVE_INFINITY && high > low * (1 + CLOSE); i++) {
    if (signal.aborted) return low;
    // Without a rate that held there is no middle: an eighth of what was too much is tried.
    const rate = low > 0 ? (low + high) / 2 : high / 8;
    if (await held(rate)) low = rate;
    else high = rate;
  }
  return low;
}
