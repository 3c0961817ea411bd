/** What happens beyond the capacity: five loads around it, and how soon goodput is back after a burst. */

import type { LoadFigures } from './figures.ts';
import type { Capacity, Recovery } from './report.ts';
import { type Bench, openLoop, runLoad } from './run.ts';
import { VOID_LAG_US } from './tally.ts';

/** The loads, as multiples of the capacity. */
export const OVERLOADS = [0.5, 0.8, 1, 2, 5];
/** The burst, what goes on under it and after it, and how long both last. */
const BURST = 5;
const STEADY = 0.8;
const BURST_S = 3;
const WATCHED_S = 10;
/** Goodput is back where a second brought this part of the steady rate. */
const BACK = 0.95;
/** What the steady load sends after the burst has another seed than the burst. */
const OTHER_SEED = 1;

/** Goodput second by second, from counts of good answers as they stood when somebody looked. */
export class Windows {
  readonly #counts: { readonly elapsedS: number; readonly ok: number }[] = [{ elapsedS: 0, ok: 0 }];

  /** @param ok good answers since the start */
  look(elapsedS: number, ok: number): void {
    this.#counts.push({ elapsedS, ok });
  }

  /** Good answers per second in each whole window from `fromS` on, where looks do not fall on its edges between them. */
  goodput(fromS: number, windowS: number): number[] {
    const endS = this.#counts.at(-1)?.elapsedS ?? 0;
    const windows = Math.max(0, Math.floor((endS - fromS) / windowS));
    return Array.from({ length: windows }, (_, i) => {
      const startS = fromS + i * windowS;
      return Math.max(0, this.#at(startS + windowS) - this.#at(startS)) / windowS;
    });
  }

  /** Good answers until then: a straight line between the looks before and after. */
  #at(timeS: number): number {
    const after = this.#counts.findIndex(({ elapsedS }) => elapsedS >= timeS);
    const [from, to] = [this.#counts[after - 1], this.#counts[after]];
    if (to === undefined) return this.#counts.at(-1)?.ok ?? 0;
    if (from === undefined || to.elapsedS === from.elapsedS) return to.ok;
    return from.ok + ((to.ok - from.ok) * (timeS - from.elapsedS)) / (to.elapsedS - from.elapsedS);
  }
}

/** Seconds from the first window's start to the first of two in a row that are back at `rate`; null where none is. */
export function recoveredAfter(goodput: readonly number[], windowS: number, rate: number): number | null {
  const isBack = (window: number | undefined) => window === undefined || window >= BACK * rate;
  const back = goodput.findIndex((window, i) => isBack(window) && isBack(goodput[i + 1]));
  return back < 0 ? null : back * windowS;
}

/** Runs the loads around `capacity` and the burst; what was ended early has no recovery. */
export async function overload(
  bench: Bench,
  capacity: Capacity,
): Promise<{ runs: LoadFigures[]; recovery: Recovery | null }> {
  const runs: LoadFigures[] = [];
  for (const times of OVERLOADS) {
    if (bench.signal.aborted) return { runs, recovery: null };
    const figures = await runLoad(bench, openLoop(bench, times * capacity.rate));
    runs.push(figures);
    await bench.onRun(figures);
  }
  return { runs, recovery: bench.signal.aborted ? null : await burst(bench, capacity.rate) };
}

/** Whether most requests left when they could: what a few late ones make worse is not what is asked here. */
function isPunctual({ generator }: LoadFigures): boolean {
  return generator.lag.p50 <= VOID_LAG_US;
}

/** A steady load, and under its first seconds a second one that makes a burst of it. null where the generator could not. */
async function burst(bench: Bench, capacity: number): Promise<Recovery | null> {
  const rate = STEADY * capacity;
  const windows = new Windows();
  const watched: Bench = {
    ...bench,
    seed: bench.seed + OTHER_SEED,
    onProgress: (progress, loop, totalS) => {
      windows.look(progress.elapsedS, progress.ok);
      bench.onProgress(progress, loop, totalS);
    },
  };
  const silent: Bench = { ...bench, onProgress: () => undefined };
  const [steady, extra] = await Promise.all([
    runLoad(watched, openLoop(bench, rate), { durationS: BURST_S + WATCHED_S }),
    // Who waits for a connection when the burst is over gives up: otherwise it would never be over.
    runLoad(silent, openLoop(bench, BURST * capacity - rate), { durationS: BURST_S, drainMs: 0 }),
  ]);
  if (bench.signal.aborted || !isPunctual(steady) || !isPunctual(extra)) return null;
  const windowS = 1;
  const goodput = windows.goodput(BURST_S, windowS);
  return {
    burstRate: BURST * capacity,
    rate,
    windowS,
    goodput,
    recoveredS: recoveredAfter(goodput, windowS, rate),
  };
}
