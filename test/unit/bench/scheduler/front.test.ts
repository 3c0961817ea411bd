import { describe, expect, it } from 'vitest';
import { curveOf } from '../../../../bench/scheduler/curves.ts';
import { type FrontWorld, playFront } from '../../../../bench/scheduler/front.ts';
import {
  attainableOnFront,
  capacityOf,
  drawFront,
  FRONT_LOADS,
  frontWorldOf,
  mlpOf,
  settingOn,
} from '../../../../bench/scheduler/front-cells.ts';
import { frontContest } from '../../../../bench/scheduler/front-contest.ts';
import { ours } from '../../../../bench/scheduler/own.ts';
import type { Job, Policy, Trip } from '../../../../bench/scheduler/policy.ts';

const SEED = 20_261;
const ROAD = { readUs: 20, refuseUs: 5, answerUs: 10 };
/** Batches take 100 us and 10 more for each request. */
const CURVE = curveOf('affine', 8, (requests) => 100 + 10 * requests);

function worldOf(arrivals: readonly number[], targetUs: number): FrontWorld {
  const last = arrivals.at(-1) ?? 0;
  return {
    curve: CURVE,
    road: ROAD,
    arrivals: Float64Array.from(arrivals),
    targetUs,
    horizonUs: last + 1,
    warmUpUs: 0,
    seed: SEED,
  };
}

describe('a front thread', () => {
  it('reads what came while a batch ran behind it, and answers one after the other', () => {
    const policy = new AllTogether();
    const { good, late, sojournUs } = playFront(worldOf([0, 50, 60], 1_000), policy);
    // Read by 20, run by 130, answered at 140; the two that came meanwhile are read by 180, run by 300, answered at 310 and 320.
    expect(policy.heard).toEqual([
      [0, 0],
      [50, 140],
      [60, 160],
    ]);
    expect(policy.ran).toEqual([
      [1, 20],
      [2, 180],
    ]);
    expect({ good, late, sojournUs }).toEqual({ good: 3, late: 0, sojournUs: (140 + 260 + 260) / 3 });
  });

  it('counts an answer late that is written after the deadline, though its batch ended before', () => {
    expect(playFront(worldOf([0], 139), new AllTogether())).toMatchObject({ good: 0, late: 1 });
    expect(playFront(worldOf([0], 140), new AllTogether())).toMatchObject({ good: 1, late: 0 });
  });

  it('looks again before a batch starts as long as each look brings several, four times at most', () => {
    const every = (us: number, count: number) => Array.from({ length: count }, (_, i) => i * us);
    // Two come while two are read: 2 + 2 + 2 + 2 leave together.
    const thick = new AllTogether();
    playFront(worldOf([0, 0, ...every(19, 100).slice(1)], 1e6), thick);
    expect(thick.ran[0]?.[0]).toBe(8);
    const thin = new AllTogether();
    playFront(worldOf(every(15, 3), 1e6), thin);
    expect(thin.ran[0]).toEqual([1, 20]);
  });

  it('takes its time to refuse, and tells who is given up behind the batch', () => {
    const refused = playFront(worldOf([0, 0, 0], 1_000), new AllTogether(() => false));
    expect(refused).toMatchObject({ refused: 3, rejectUs: (5 + 10 + 15) / 3, good: 0, batches: 0 });
    const policy = new AllTogether();
    policy.givesUp = 1;
    // Two are read by 40, one of them runs by 150; the other is told at 160 and the first answered at 170.
    expect(playFront(worldOf([0, 0], 1_000), policy)).toMatchObject({
      dropped: 1,
      rejectUs: 160,
      good: 1,
      sojournUs: 170,
    });
  });

  it('has not finished what waits when the last deadline has passed', () => {
    const arrivals = Array.from({ length: 100 }, () => 0);
    const { offered, good, late, unfinished } = playFront(worldOf(arrivals, 50), new AllTogether());
    expect({ offered, good, late, unfinished }).toEqual({ offered: 100, good: 0, late: 8, unfinished: 92 });
  });

  it('counts every request once under ours, and gives the same score for the same seed', () => {
    for (let seed = SEED; seed < SEED + 6; seed++) {
      const setting = drawFront(seed);
      const spec = { lanes: 1, mostRows: setting.curve.mostRows, targetUs: setting.targetUs, profile: [] };
      const score = (run: number) => playFront(frontWorldOf(setting, 1.5, seed, run, 0.1), ours(spec));
      const { offered, good, late, refused, dropped, broken, unfinished } = score(0);
      expect(good + late + refused + dropped + unfinished).toBe(offered);
      expect(broken).toBeLessThanOrEqual(dropped);
      expect(unfinished).toBeGreaterThanOrEqual(0);
      expect(score(0)).toEqual(score(0));
      expect(score(0)).not.toEqual(score(1));
    }
  });

  it.each([
    ['a second batch', () => new AllTogether(undefined, 1), /not free/],
    [
      'a wake-up that is not ahead',
      () => Object.assign(new AllTogether(() => false), { wakeUs: () => 0 }),
      /not ahead/,
    ],
  ])('catches a policy that breaks its contract: %s', (_, policy, message) => {
    expect(() => playFront(worldOf([0, 0], 1_000), policy())).toThrow(message);
  });
});

describe('what a front thread can do', () => {
  it('counts reading and answering', () => {
    const setting = settingOn(ROAD, 'affine', CURVE, 1_000);
    // Eight take 180 us in their batch and 240 beside it.
    expect(capacityOf(setting)).toBeCloseTo(8e6 / 420);
    expect(capacityOf(mlpOf(16, 5_000))).toBeCloseTo(6e6 / (65 + 6 * (52.8 + 35)));
  });

  it('is all that is offered where that is little, and less the more has to be refused', () => {
    const setting = mlpOf(16, 5_000);
    const counts = FRONT_LOADS.map((load) => {
      const world = frontWorldOf(setting, load, SEED, 0, 5);
      const counted = world.arrivals.filter((us) => us >= world.warmUpUs).length;
      return { load, share: attainableOnFront(setting, world) / counted };
    });
    for (const { load, share } of counts) {
      const costUs = 1e6 / capacityOf(setting);
      const left = (1 - (load * 20) / costUs) / (1 - 20 / costUs);
      expect(share).toBeCloseTo(load < 1 ? 1 : left / load, load < 1 ? 2 : 1);
    }
  });

  it('is drawn for models that the gateway runs there', () => {
    for (let seed = SEED; seed < SEED + 200; seed++) {
      const { curve, targetUs, road } = drawFront(seed);
      expect(curve.at(1)).toBeLessThan(250);
      expect(curve.at(curve.mostRows)).toBeLessThan(1_500);
      expect(road.refuseUs).toBeLessThan(road.readUs);
      expect(targetUs).toBeGreaterThanOrEqual(2_000);
    }
  });

  it('is played by everybody on the same arrivals', () => {
    const { scores, attainable, offeredPerS } = frontContest(mlpOf(16, 5_000), 0.7, SEED);
    const offered = Object.values(scores).map((score) => score.offered);
    expect(new Set(offered).size).toBe(1);
    expect(attainable / (offered[0] as number)).toBeGreaterThan(0.99);
    expect(offeredPerS / (0.7 * capacityOf(mlpOf(16, 5_000)))).toBeCloseTo(1, 1);
  });
});

/** Takes whom it is told to, and runs all that wait together, up to eight. */
class AllTogether implements Policy {
  readonly heard: [arrivalUs: number, nowUs: number][] = [];
  readonly ran: [requests: number, nowUs: number][] = [];
  /** Of the next batch so many are given up. */
  givesUp = 0;
  readonly #takes: () => boolean;
  readonly #most: number;
  readonly #queue: Job[] = [];
  #running = false;

  constructor(takes: () => boolean = () => true, most = 8) {
    this.#takes = takes;
    this.#most = most;
  }

  arrive(job: Job, nowUs: number): boolean {
    this.heard.push([job.arrivalUs, nowUs]);
    const taken = this.#takes();
    if (taken) this.#queue.push(job);
    return taken;
  }

  dispatch(nowUs: number, dropped: Job[]): Trip | null {
    // A rogue that runs one at a time does not wait for its end.
    if (this.#queue.length === 0 || (this.#running && this.#most > 1)) return null;
    dropped.push(...this.#queue.splice(0, this.givesUp));
    this.givesUp = 0;
    const jobs = this.#queue.splice(0, this.#most);
    this.#running = true;
    this.ran.push([jobs.length, nowUs]);
    return { lane: 0, jobs, rows: jobs.length };
  }

  finish(): void {
    this.#running = false;
  }

  wakeUs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
