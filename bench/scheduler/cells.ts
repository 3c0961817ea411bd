/** The grid of runs: families of curves, loads, arrivals and targets, each cell with everything else drawn from its seed. */

import type { CurvePoint } from '../../src/core/scheduling.ts';
import { Random } from '../../src/load/random.ts';
import { ARRIVAL_KINDS, type ArrivalKind, drawArrivals } from './arrivals.ts';
import { CURVE_KINDS, type CurveKind, drawCurve, SHIFT_AT, type TrueCurve } from './curves.ts';
import { between, oneOf } from './draw.ts';
import type { World } from './world.ts';

/** Offered over capacity. */
const LOADS = [0.5, 0.8, 1, 1.5, 2, 3, 5];
/** How tight the target is. */
const TIGHTNESS = ['tight', 'medium', 'loose'] as const;
const LANES = [1, 2, 4];

/** A run lasts so many requests at capacity, and so many targets. */
const REQUESTS = 10_000;
const TARGETS = { steady: 100, shifting: 200 };
const WARM_UP = 0.25;

/** The seed of a cell is that of its grid times this, and its place in it. */
const GRID_SEEDS = 1_000;

/** Words in which runs of a cell must differ, lest one be tuned on the chance of another. */
const SEED_STEP = 7;

/** One cell of the grid. */
export interface Cell {
  readonly curve: CurveKind;
  readonly load: number;
  readonly arrivals: ArrivalKind;
  readonly tightness: (typeof TIGHTNESS)[number];
  readonly seed: number;
}

/** What is drawn for a cell. */
export interface Setting {
  readonly curve: TrueCurve;
  readonly lanes: number;
  readonly targetUs: number;
  /** Rows per second in batches that take at most the target; the load is counted in it. */
  readonly capacity: number;
  /** The same in batches that take at most half of it: what can be had where a request just misses a batch. */
  readonly ceiling: number;
  readonly profile: readonly CurvePoint[];
}

/** Every cell once, in an order drawn from the seed, so that a part of it is a fair sample. */
export function grid(seed: number): Cell[] {
  const random = new Random(seed);
  const cells = CURVE_KINDS.flatMap((curve) =>
    LOADS.flatMap((load) =>
      ARRIVAL_KINDS.flatMap((arrivals) => TIGHTNESS.map((tightness) => ({ curve, load, arrivals, tightness }))),
    ),
  );
  const shuffled = cells.map((cell) => ({ cell, place: random.uniform() })).sort((a, b) => a.place - b.place);
  return shuffled.map(({ cell }, i) => ({ ...cell, seed: seed * GRID_SEEDS + i }));
}

/** The cell that has this seed. @throws RangeError where none has */
export function cellOf(seed: number): Cell {
  const cell = grid(Math.floor(seed / GRID_SEEDS))[seed % GRID_SEEDS];
  if (cell === undefined) throw new RangeError(`no cell has the seed ${seed}`);
  return cell;
}

/** The model, its machine and its target. */
export function settingOf(cell: Cell): Setting {
  const random = new Random(cell.seed * SEED_STEP);
  const curve = drawCurve(cell.curve, random);
  const lanes = oneOf(LANES, random);
  const targetUs = drawTarget(cell, curve, random);
  const capacity = curve.rowsPerS(lanes, targetUs);
  const ceiling = curve.rowsPerS(lanes, targetUs / 2);
  return { curve, lanes, targetUs, capacity, ceiling, profile: curve.profile(random) };
}

/** Its run. @param run number of the run: another one, other arrivals and noise @param length share of the full length */
export function worldOf(cell: Cell, setting: Setting, run = 0, length = 1): World {
  const { curve, lanes, targetUs, capacity } = setting;
  const targets = curve.weather.shift === 1 ? TARGETS.steady : TARGETS.shifting;
  const horizonUs = length * Math.max((REQUESTS * 1e6) / capacity, targets * targetUs);
  const seed = cell.seed * SEED_STEP + 2 * run + 1;
  const rate = cell.load * capacity;
  return {
    curve,
    lanes,
    arrivals: drawArrivals({ kind: cell.arrivals, rate, horizonUs, targetUs, seed }),
    targetUs,
    horizonUs,
    warmUpUs: WARM_UP * horizonUs,
    seed: seed + 1,
  };
}

/**
 * Requests after the warm-up that a server without batches or noise finishes inside the deadline, which is as quick as `lanes`
 * with batches of at most half the target: the smaller of offered and that rate where both are steady, and what bursts and
 * shifts leave of it where they are not.
 */
export function attainable({ curve, lanes, arrivals, targetUs, horizonUs, warmUpUs }: World): number {
  const rates = [1, curve.weather.shift].map((slower) => curve.rowsPerS(lanes, targetUs / 2 / slower) / slower / 1e6);
  let backlog = 0;
  let beforeUs = 0;
  let count = 0;
  for (const us of arrivals) {
    const perUs = rates[Number(us >= SHIFT_AT * horizonUs)] as number;
    backlog = Math.max(0, backlog - (us - beforeUs) * perUs);
    beforeUs = us;
    if (backlog + 1 > perUs * targetUs) continue;
    backlog++;
    if (us >= warmUpUs) count++;
  }
  return count;
}

/** Tight: 2 to 3 times one row. Medium and loose: 2 to 4 and 6 to 12 times the batch at the knee, and over 3 times one row. */
function drawTarget({ tightness }: Cell, curve: TrueCurve, random: Random): number {
  const one = curve.at(1);
  if (tightness === 'tight') return one * between(2, 3, random);
  const [low, high] = tightness === 'medium' ? [2, 4] : [6, 12];
  return Math.max(3 * one, curve.at(curve.knee()) * between(low, high, random));
}
