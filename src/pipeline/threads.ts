/**
 * How many threads of ONNX Runtime each instance gets, from measurement. One, as a rule: two instances of one thread answer
 * more than one of two. More only where a stated latency target cannot be kept otherwise.
 */

import type { Lane, SessionSpec } from '../core/instance.ts';
import type { ModelPolicy } from '../core/model.ts';

/** A row that takes less has nothing to win by being divided, microseconds. */
const HEAVY_US = 5_000;

/** Where several threads are worth trying: what one row takes with one, the target (0 = none) and the cores there are. */
export interface ThreadNeed {
  readonly rowUs: number;
  readonly sloUs: number;
  readonly cores: number;
}

/**
 * The fewest threads with which a row that has just missed a batch of one still makes the target; else the fewest with which
 * a row makes it on an idle instance; else one.
 * @param rowUs measures one row with so many threads, microseconds
 */
export async function chooseThreads(need: ThreadNeed, rowUs: (threads: number) => Promise<number>): Promise<number> {
  if (!isTight(need)) return 1;
  let barely = need.rowUs <= need.sloUs ? 1 : 0;
  for (let threads = 2; threads <= need.cores; threads = next(threads, need.cores)) {
    const us = await rowUs(threads);
    if (2 * us <= need.sloUs) return threads;
    if (barely === 0 && us <= need.sloUs) barely = threads;
  }
  return Math.max(1, barely);
}

/** Fewest and most instances of a version on workers: 1 <= min <= max. */
export interface InstanceBounds {
  readonly min: number;
  readonly max: number;
}

/** On the front thread there is one. */
export const INLINE_RANGE: InstanceBounds = Object.freeze({ min: 1, max: 1 });

/**
 * The bounds that model.yaml states, as far as there are workers. A `max` of null is as many as there are workers.
 * @param carried how many instances of so many threads the cores carry: more are never taken unasked
 */
export function instanceBounds(stated: ModelPolicy['instances'], workers: number, carried: number): InstanceBounds {
  const min = Math.min(stated.min, workers);
  const max = Math.min(stated.max ?? workers, workers, Math.max(1, Math.floor(carried)));
  return { min, max: Math.max(min, max) };
}

/** The session on `lane` as `chooseThreads` says, loaded anew there where that is not how it is loaded. */
export async function settleThreads(
  lane: Lane,
  spec: SessionSpec,
  need: ThreadNeed,
  measure: () => Promise<number>,
): Promise<SessionSpec> {
  let loaded = spec;
  const reload = async (intraOpThreads: number) => {
    if (loaded.options.intraOpThreads === intraOpThreads) return;
    await lane.unload(spec.session);
    loaded = { ...spec, options: { ...spec.options, intraOpThreads } };
    await lane.load(loaded);
  };
  const threads = await chooseThreads(need, async (count) => {
    await reload(count);
    return measure();
  });
  await reload(threads);
  return loaded;
}

/** Zeros that are no valid input took no time that is known. */
function isTight({ rowUs, sloUs, cores }: ThreadNeed): boolean {
  return cores > 1 && rowUs >= HEAVY_US && Number.isFinite(rowUs) && sloUs > 0 && 2 * rowUs > sloUs;
}

/** Powers of two, and the number of cores itself. */
function next(threads: number, cores: number): number {
  return threads < cores ? Math.min(2 * threads, cores) : cores + 1;
}
