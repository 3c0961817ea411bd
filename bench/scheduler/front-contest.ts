/** Ours and its rivals on a front thread. */

import { Random } from '../../src/load/random.ts';
import { Bento } from './bento.ts';
import { Clockwork } from './clockwork.ts';
import { type Played, SWEEP, SWEPT, sweep, USUAL_BATCH } from './contest.ts';
import { playFront } from './front.ts';
import { attainableOnFront, capacityOf, type FrontSetting, frontWorldOf } from './front-cells.ts';
import { OURS, ours } from './own.ts';
import type { Policy, PolicySpec } from './policy.ts';
import type { Score } from './tally.ts';
import { Triton } from './triton.ts';

/** Everybody who takes part, ours first. */
export const FRONT_CONTESTANTS = [OURS, SWEPT, 'clockwork', 'bento'];

/** What a cell brought. */
export interface FrontResult extends Played {
  readonly setting: FrontSetting;
  readonly load: number;
  readonly seed: number;
  /** Per second, in the time that counts. */
  readonly offeredPerS: number;
  readonly attainablePerS: number;
  /** Part of the thread that it would take to refuse everybody. */
  readonly refusing: number;
}

/** Everybody at one load. Each knows what it would know on a real server: a profile of batches alone. */
export function frontContest(setting: FrontSetting, load: number, seed: number): FrontResult {
  const { curve, cycle, targetUs, road } = setting;
  const world = frontWorldOf(setting, load, seed);
  const spec: PolicySpec = { lanes: 1, mostRows: curve.mostRows, targetUs, profile: curve.profile(new Random(seed)) };
  const sizes = [cycle.bestRows(targetUs / 2), cycle.bestRows(targetUs), USUAL_BATCH];
  const other = frontWorldOf(setting, load, seed, SWEEP.run, SWEEP.length);
  const swept = sweep(sizes, spec, (policy) => playFront(other, policy));
  const policies = [ours(spec), new Triton(swept, spec), new Clockwork(spec), new Bento(spec)];
  const scores = Object.fromEntries(
    FRONT_CONTESTANTS.map((name, i) => [name, playFront(world, policies[i] as Policy)]),
  );
  const attainable = attainableOnFront(setting, world);
  const countedS = (world.horizonUs - world.warmUpUs) / 1e6;
  return {
    setting,
    load,
    seed,
    targetUs,
    offeredPerS: (scores[OURS] as Score).offered / countedS,
    attainable,
    attainablePerS: attainable / countedS,
    refusing: (load * capacityOf(setting) * road.refuseUs) / 1e6,
    scores,
  };
}
