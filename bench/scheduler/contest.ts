/** Every contestant in the same cells, and the settings of Triton swept on other chance than they are scored on. */

import { attainableAtOnce } from './at-once.ts';
import { Bento } from './bento.ts';
import { attainable, type Cell, type Setting, settingOf, worldOf } from './cells.ts';
import { Clipper } from './clipper.ts';
import { Clockwork } from './clockwork.ts';
import { Nexus } from './nexus.ts';
import type { Policy, PolicySpec } from './policy.ts';
import type { Score } from './tally.ts';
import { defaultTriton, Triton, type TritonSettings } from './triton.ts';
import { play } from './world.ts';

/** Makes a contestant for one run. */
export type Entry = (spec: PolicySpec, setting: Setting) => Policy;

/** The batch that most users of Triton begin with. */
export const USUAL_BATCH = 8;
/** The sweep is run on this share of the length, as another run. */
export const SWEEP = { run: 1, length: 0.25 };

/** The rivals by name, but for Triton swept. */
export const RIVALS: Readonly<Record<string, Entry>> = {
  'triton 8': (spec) => new Triton(defaultTriton(USUAL_BATCH), spec),
  'triton max': (spec) => new Triton(defaultTriton(spec.mostRows), spec),
  clipper: (spec) => new Clipper(spec),
  clockwork: (spec) => new Clockwork(spec),
  bento: (spec) => new Bento(spec),
  nexus: (spec, { curve }) => new Nexus(curve, spec),
};

/** Triton with the best of the sweep. */
export const SWEPT = 'triton swept';

/** What a run of everybody brought, as far as it is judged. */
export interface Played {
  readonly targetUs: number;
  /** Requests that a smooth server as quick as the ceiling finishes in time. */
  readonly attainable: number;
  readonly scores: Readonly<Record<string, Score>>;
}

/** What a cell brought. */
export interface Result extends Played {
  readonly cell: Cell;
  readonly curve: string;
  readonly sigma: number;
  readonly shift: number;
  readonly lanes: number;
  readonly mostRows: number;
  readonly capacity: number;
  readonly ceiling: number;
  /** As `attainable`, but of one that never lets a lane idle while somebody waits. */
  readonly atOnce: number;
  /** Smaller of what was offered and what the ceiling makes in the time that counts. */
  readonly limit: number;
  readonly swept: TritonSettings;
}

/** Plays the cell with the rivals, swept Triton and whoever else. */
export function contest(cell: Cell, others: Readonly<Record<string, Entry>>): Result {
  const setting = settingOf(cell);
  const { curve, lanes, targetUs, capacity, ceiling, profile } = setting;
  const spec: PolicySpec = { lanes, mostRows: curve.mostRows, targetUs, profile };
  const world = worldOf(cell, setting);
  const sizes = [curve.bestRows(targetUs / 2), curve.bestRows(targetUs), USUAL_BATCH];
  const other = worldOf(cell, setting, SWEEP.run, SWEEP.length);
  const swept = sweep(sizes, spec, (policy) => play(other, policy));
  const entries: Record<string, Entry> = { ...others, ...RIVALS, [SWEPT]: () => new Triton(swept, spec) };
  const scores = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, play(world, entry(spec, setting))]),
  );
  const offered = world.arrivals.length - world.arrivals.findIndex((us) => us >= world.warmUpUs);
  return {
    cell,
    curve: curve.name,
    sigma: curve.weather.sigma,
    shift: curve.weather.shift,
    lanes,
    mostRows: curve.mostRows,
    targetUs,
    capacity,
    ceiling,
    attainable: attainable(world),
    atOnce: attainableAtOnce(world),
    limit: Math.min(offered, (ceiling * (world.horizonUs - world.warmUpUs)) / 1e6),
    swept,
    scores,
  };
}

/** The best of Triton's settings, 12 a size of a batch, by goodput on other chance; among equals the first, which is the simplest. */
export function sweep(
  sizes: readonly number[],
  spec: PolicySpec,
  playOther: (policy: Policy) => Score,
): TritonSettings {
  const { lanes, targetUs } = spec;
  let best = defaultTriton(USUAL_BATCH);
  let most = -1;
  for (const maxBatch of new Set(sizes)) {
    for (const delayUs of [0, targetUs / 8]) {
      for (const queueSize of [Number.POSITIVE_INFINITY, lanes * maxBatch, Math.ceil((lanes * maxBatch) / 2)]) {
        for (const timeoutUs of [Number.POSITIVE_INFINITY, targetUs / 2]) {
          const settings = { maxBatch, delayUs, queueSize, timeoutUs };
          const { good } = playOther(new Triton(settings, spec));
          if (good > most) [most, best] = [good, settings];
        }
      }
    }
  }
  return best;
}
