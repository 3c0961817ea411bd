import { describe, expect, it } from 'vitest';
import { drawArrivals } from '../../../../bench/scheduler/arrivals.ts';
import { grid, settingOf, worldOf } from '../../../../bench/scheduler/cells.ts';
import { type Entry, RIVALS } from '../../../../bench/scheduler/contest.ts';
import { curveOf } from '../../../../bench/scheduler/curves.ts';
import { OURS, ours } from '../../../../bench/scheduler/own.ts';
import type { Fate, Job, Policy, PolicySpec, Trip } from '../../../../bench/scheduler/policy.ts';
import { defaultTriton, Triton } from '../../../../bench/scheduler/triton.ts';
import { play, type World } from '../../../../bench/scheduler/world.ts';

const SEED = 20_260;
const SPEC: PolicySpec = { lanes: 1, mostRows: 1, targetUs: 1e9, profile: [] };

/** One lane, one row a batch, always as long: M/D/1. */
function queueAt(load: number, serviceUs: number, seed: number): World {
  const horizonUs = 4e5 * serviceUs;
  const stream = { kind: 'poisson', rate: (load * 1e6) / serviceUs, horizonUs, targetUs: 1, seed } as const;
  const curve = curveOf('constant', 1, () => serviceUs);
  const warmUpUs = horizonUs / 20;
  return { curve, lanes: 1, arrivals: drawArrivals(stream), targetUs: 1e9, horizonUs, warmUpUs, seed };
}

describe(`the world, from seed ${SEED}`, () => {
  it.each([0.3, 0.5, 0.7, 0.8])('makes an M/D/1 queue wait as Pollaczek and Khinchine say, at load %d', (load) => {
    const [serviceUs, runs] = [100, 4];
    const waits = Array.from({ length: runs }, (_, run) => {
      const { sojournUs } = play(queueAt(load, serviceUs, SEED + run), new Triton(defaultTriton(1), SPEC));
      return sojournUs - serviceUs;
    });
    const mean = waits.reduce((a, b) => a + b) / runs;
    const expected = (load * serviceUs) / (2 * (1 - load));
    expect(Math.abs(mean / expected - 1)).toBeLessThan(0.03);
  });

  it('gives the same score for the same seed, and another for another', () => {
    const cell = grid(SEED).find(({ curve, load }) => curve === 'noisy' && load === 1.5);
    if (cell === undefined) throw new Error('no such cell');
    const setting = settingOf(cell);
    const { lanes, targetUs, profile } = settingOf(cell);
    expect({ lanes, targetUs, profile }).toEqual({
      lanes: setting.lanes,
      targetUs: setting.targetUs,
      profile: setting.profile,
    });
    const spec = { lanes, mostRows: setting.curve.mostRows, targetUs, profile };
    const score = (run: number) => play(worldOf(cell, setting, run), new Triton(defaultTriton(8), spec));
    expect(score(0)).toEqual(score(0));
    expect(score(0)).not.toEqual(score(1));
  });

  it.each(Object.entries({ ...RIVALS, [OURS]: ours }))('counts every request once under %s', (_, entry: Entry) => {
    for (const cell of grid(SEED).slice(0, 12)) {
      const setting = settingOf(cell);
      const { curve, lanes, targetUs, profile } = setting;
      const spec = { lanes, mostRows: curve.mostRows, targetUs, profile };
      const world = worldOf(cell, setting, 0, 0.1);
      const seen = new Watched(entry(spec, setting));
      const score = play({ ...world, warmUpUs: 0 }, seen);
      expect(score.offered).toBe(world.arrivals.length);
      const { open, good, late, refused, dropped } = seen.fates();
      expect(score).toMatchObject({ good, late, refused, dropped, unfinished: open });
    }
  });
});

describe('a policy that breaks its contract is caught:', () => {
  const world = queueAt(5, 100, SEED);

  it.each([
    ['a lane that is busy', { lane: 0, again: false }, /lane 0 is not free/],
    ['a request that rides twice', { lane: 1, again: true }, /a request that is good was to be/],
  ])('%s', (_, { lane, again }, message) => {
    expect(() => play({ ...world, lanes: 2 }, new Rogue(lane, again))).toThrow(message);
  });

  it('a wake-up that does not come nearer', () => {
    const sleepless = new Triton(defaultTriton(1), SPEC);
    sleepless.wakeUs = () => 0;
    expect(() => play(world, sleepless)).toThrow(/not ahead/);
  });
});

/** Remembers whom it has seen. */
class Watched implements Policy {
  readonly #inner: Policy;
  readonly #jobs: Job[] = [];

  constructor(inner: Policy) {
    this.#inner = inner;
  }

  fates(): Record<Fate, number> {
    const counts = { open: 0, good: 0, late: 0, refused: 0, dropped: 0 };
    for (const { fate } of this.#jobs) counts[fate]++;
    return counts;
  }

  arrive(job: Job, nowUs: number): boolean {
    this.#jobs.push(job);
    return this.#inner.arrive(job, nowUs);
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    return this.#inner.dispatch(nowUs, dropped);
  }

  finish(trip: Trip, nowUs: number, serviceUs: number): void {
    this.#inner.finish(trip, nowUs, serviceUs);
  }

  wakeUs(): number {
    return this.#inner.wakeUs();
  }
}

/** Starts the first request on lane 0 and then another, or the same, on the lane it is told. */
class Rogue implements Policy {
  readonly #lane: number;
  readonly #again: boolean;
  readonly #jobs: Job[] = [];
  #started = 0;

  constructor(lane: number, again: boolean) {
    this.#lane = lane;
    this.#again = again;
  }

  arrive(job: Job): boolean {
    this.#jobs.push(job);
    return true;
  }

  dispatch(): Trip | null {
    if (this.#started === 2 || this.#started === this.#jobs.length + Number(this.#again)) return null;
    const job = this.#jobs[this.#again ? 0 : this.#started] as Job;
    return { lane: this.#started++ === 0 ? 0 : this.#lane, jobs: [job], rows: 1 };
  }

  finish(): void {
    if (!this.#again) this.#started = 2;
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
