/** Which worlds of a front thread are played: those of a model that was met on a real server, and others drawn at random. */

import { Random } from '../../src/load/random.ts';
import { inlineRows } from '../../src/pipeline/placement.ts';
import { drawArrivals } from './arrivals.ts';
import { curveOf, drawCurve, type TrueCurve } from './curves.ts';
import { between, logBetween, oneOf } from './draw.ts';
import type { FrontWorld, Road } from './front.ts';

/** Offered over what the thread can do. */
export const FRONT_LOADS = [0.7, 0.95, 1.2, 1.5, 2, 3];

/** A model on a front thread. Its requests are alike, and the curve counts them: however many rows one brings. */
export interface FrontSetting {
  readonly name: string;
  readonly curve: TrueCurve;
  readonly road: Road;
  readonly targetUs: number;
  /** What so many requests take in all, with reading and answering. */
  readonly cycle: TrueCurve;
}

/** A run lasts so many requests at capacity, and so many targets. */
const REQUESTS = 10_000;
const TARGETS = 200;
const WARM_UP = 0.25;

/** Words in which runs must differ, lest one be tuned on the chance of another. */
const SEED_STEP = 7;

/** What is drawn: time of one request alone, microseconds; its reading, and parts of that; a target, in requests alone, and its least. */
const DRAWN = {
  oneUs: [15, 200],
  readUs: [10, 60],
  refuse: [0.4, 0.9],
  answer: [0.2, 0.6],
  target: [8, 200],
  leastTargetUs: 2_000,
} as const;

/** Everything of a setting that follows from the rest. */
export function settingOn(road: Road, name: string, curve: TrueCurve, targetUs: number): FrontSetting {
  const besideUs = road.readUs + road.answerUs;
  const cycle = curveOf(name, curve.mostRows, (requests) => curve.at(requests) + requests * besideUs);
  return { name, curve, road, targetUs, cycle };
}

/** mlp on two virtual cores, as it was measured: 65 + 3.3 n us a batch of n rows, which the gateway cuts at 109 rows there. */
const MLP_ROAD: Road = { readUs: 25, refuseUs: 20, answerUs: 10 };
const MLP_ROWS = 109;

/** mlp with so many rows a request. */
export function mlpOf(rows: number, targetUs: number): FrontSetting {
  const most = Math.floor(MLP_ROWS / rows);
  const weather = { sigma: 0.06, stalls: 0, shift: 1 };
  const curve = curveOf('affine', most, (requests) => 65 + 3.3 * rows * requests, weather);
  return settingOn(
    MLP_ROAD,
    `mlp, ${rows === 1 ? 'single rows' : `${rows} rows a request`}, ${targetUs / 1_000} ms`,
    curve,
    targetUs,
  );
}

/** Those that everybody can make again on a real server. */
export const MET: readonly FrontSetting[] = [mlpOf(16, 5_000), mlpOf(1, 5_000), mlpOf(1, 20_000)];

/** One drawn from the seed: a curve of a family as it is, but so quick that the gateway runs it on its front thread. */
export function drawFront(seed: number): FrontSetting {
  const random = new Random(seed * SEED_STEP);
  const shape = drawCurve(oneOf(['affine', 'steps', 'cliff', 'flat'], random), random);
  const scale = logBetween(...DRAWN.oneUs, random) / shape.at(1);
  const knee = shape.knee();
  const most = inlineRows(shape.mostRows, knee, scale * shape.at(knee));
  const weather = { sigma: between(0, 0.1, random), stalls: 0, shift: 1 };
  const curve = curveOf(shape.name, most, (requests) => scale * shape.at(requests), weather);
  const readUs = logBetween(...DRAWN.readUs, random);
  const refuseUs = readUs * between(...DRAWN.refuse, random);
  const answerUs = readUs * between(...DRAWN.answer, random);
  const times = logBetween(...DRAWN.target, random);
  const targetUs = Math.max(DRAWN.leastTargetUs, times * (curve.at(1) + readUs + answerUs));
  return settingOn({ readUs, refuseUs, answerUs }, shape.name, curve, targetUs);
}

/** Requests per second that the thread can do, where one alone may take the whole target; the load is counted in it. */
export function capacityOf({ cycle, targetUs }: FrontSetting): number {
  return cycle.rowsPerS(1, targetUs);
}

/** Its run. @param run number of the run: another one, other arrivals and noise @param length share of the full length */
export function frontWorldOf(setting: FrontSetting, load: number, seed: number, run = 0, length = 1): FrontWorld {
  const { curve, road, targetUs } = setting;
  const capacity = capacityOf(setting);
  const horizonUs = length * Math.max((REQUESTS * 1e6) / capacity, TARGETS * targetUs);
  const chance = seed * SEED_STEP + 2 * run + 1;
  return {
    curve,
    road,
    arrivals: drawArrivals({ kind: 'poisson', rate: load * capacity, horizonUs, targetUs, seed: chance }),
    targetUs,
    horizonUs,
    warmUpUs: WARM_UP * horizonUs,
    seed: chance + 1,
  };
}

/**
 * Requests after the warm-up that a thread without batches or noise answers in time, which takes for each what it costs in cycles of
 * at most half the target, since a request may just miss one; who would be late costs it a refusal.
 */
export function attainableOnFront({ cycle }: FrontSetting, { arrivals, targetUs, warmUpUs, road }: FrontWorld): number {
  const costUs = 1e6 / cycle.rowsPerS(1, targetUs / 2);
  let freeUs = 0;
  let count = 0;
  for (const us of arrivals) {
    const startUs = Math.max(freeUs, us);
    const taken = startUs + costUs <= us + targetUs;
    freeUs = startUs + (taken ? costUs : road.refuseUs);
    if (taken && us >= warmUpUs) count++;
  }
  return count;
}
