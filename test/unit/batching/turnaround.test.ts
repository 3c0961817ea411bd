import { describe, expect, test } from 'vitest';
import { playFront } from '../../../bench/scheduler/front.ts';
import { attainableOnFront, type FrontSetting, frontWorldOf, mlpOf } from '../../../bench/scheduler/front-cells.ts';
import { ours } from '../../../bench/scheduler/own.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { Turnaround } from '../../../src/batching/turnaround.ts';
import { Random } from '../../../src/load/random.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest } from '../../support/traveller.ts';

const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);

describe('the time between batches', () => {
  test('is the share of their own that the last of them say', () => {
    const turnaround = new Turnaround();
    expect(turnaround.ratio).toBe(0);
    for (let i = 0; i < 300; i++) turnaround.learn(50, 200, false);
    expect(turnaround.ratio).toBeCloseTo(0.25);
    for (let i = 0; i < 200; i++) turnaround.learn(200, 100, false);
    expect(turnaround.ratio).toBeGreaterThan(1.9);
  });

  test('is known of batches that take a hundredth of it', () => {
    const turnaround = new Turnaround();
    for (let i = 0; i < 300; i++) turnaround.learn(2_000, 20, false);
    expect(turnaround.ratio).toBeGreaterThan(90);
  });

  test('is little after one wait alone, however long, and fades where nobody has to wait', () => {
    const turnaround = new Turnaround();
    turnaround.learn(1e9, 100, false);
    expect(turnaround.ratio).toBeLessThan(0.8);
    expect(turnaround.us).toBe(0);
    const { ratio } = turnaround;
    for (let i = 0; i < 35; i++) turnaround.learn(0, 100, false);
    expect(turnaround.ratio).toBeLessThan(ratio / 2);
  });

  test('is expected to be nearly the longest of the last ones, but no stall', () => {
    const turnaround = new Turnaround();
    for (let us = 1; us <= 100; us++) turnaround.learn(us, 100, false);
    expect(turnaround.us).toBe(99);
    turnaround.learn(1e6, 100, false);
    expect(turnaround.us).toBe(100);
    for (let i = 0; i < 16; i++) turnaround.learn(0, 100, false);
    expect(turnaround.us).toBe(0);
  });

  test('is expected to be as much shorter as who comes lay unread for a shorter time, and no longer than usual', () => {
    const turnaround = new Turnaround();
    for (let i = 0; i < 300; i++) {
      turnaround.begin(1_000);
      turnaround.learn(500, 20, true);
    }
    expect(turnaround.begin(100)).toBeCloseTo(50, 1);
    expect(turnaround.begin(1_000)).toBeCloseTo(500, 0);
    expect(turnaround.begin(1e6)).toBe(500);
    // Nobody lay unread: what came during the batch before has to be read all the same.
    expect(turnaround.begin(0)).toBeCloseTo(10, 1);
  });

  test('is not learned from figures that are none, nor much from a stall', () => {
    const turnaround = new Turnaround();
    for (const us of [Number.NaN, -1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])
      turnaround.learn(us, 100, false);
    for (const us of [Number.NaN, 0, -1]) turnaround.learn(100, us, false);
    expect([turnaround.ratio, turnaround.us]).toEqual([0, 0]);
    for (let i = 0; i < 100; i++) turnaround.learn(100, 100, false);
    turnaround.learn(1e12, 100, false);
    expect(turnaround.ratio).toBeLessThan(2);
    expect(turnaround.us).toBe(100);
  });
});

describe('between batches of a lane that two models share', () => {
  test('is learned from one model alone, and not over a time without a thread', () => {
    const scheduler = new PlanScheduler<BareRequest>(1);
    const open = (us: number) => {
      const spec = { maxBatchRows: 1, lanes: [0], queueRows: 100, queueBytes: 100, sloUs: 0 };
      return scheduler.open({ ...spec, curve: knownCurve(() => us) });
    };
    const [slow, quick] = [open(500), open(20)];
    let nowUs = 0;
    const run = (queue: typeof slow, pauseUs: number) => {
      scheduler.arrive(queue, new BareRequest(), nowUs);
      const batch = scheduler.next(nowUs + pauseUs, []);
      if (batch?.queue !== queue) throw new Error('another model runs');
      nowUs += pauseUs + queue.spec.curve.at(1);
      scheduler.arrive(slow, new BareRequest(), nowUs - 1);
      scheduler.finish(batch, nowUs, true);
    };
    run(quick, 0);
    const batch = scheduler.next(nowUs + 200, []);
    expect([batch?.queue === slow, slow.turnaround.ratio]).toEqual([true, 0]);
    scheduler.arrive(slow, new BareRequest(), nowUs + 300);
    nowUs += 700;
    scheduler.finish(batch as NonNullable<typeof batch>, nowUs, true);
    scheduler.setUp(0, false);
    scheduler.setUp(0, true);
    const next = scheduler.next(nowUs + 2e6, []);
    expect([next?.queue === slow, slow.turnaround.ratio]).toEqual([true, 0]);
  });
});

/** At `load` of what the thread can do: what is missed of what was promised, and what is attained. */
function onFront(setting: FrontSetting, load: number): { readonly missed: number; readonly share: number } {
  const { curve, targetUs } = setting;
  const world = frontWorldOf(setting, load, SEED);
  const profile = curve.profile(new Random(SEED));
  const { good, late, broken } = playFront(world, ours({ lanes: 1, mostRows: curve.mostRows, targetUs, profile }));
  return { missed: (late + broken) / (good + late + broken), share: good / attainableOnFront(setting, world) };
}

describe(`on a thread that reads between its batches (seed ${SEED})`, () => {
  test.each([0.9, 1, 1.2, 1.5, 2, 3])('what is promised is kept at %f of what it can do', (load) => {
    const { missed, share } = onFront(mlpOf(16, 5_000), load);
    expect(missed).toBeLessThan(0.04);
    expect(share).toBeGreaterThan(0.9);
  });

  test.each([
    [20_000, 1.5],
    [5_000, 1.2],
  ])('most of it where a turn of reading takes as long as many batches: deadline %d us, load %f', (targetUs, load) => {
    const { missed, share } = onFront(mlpOf(1, targetUs), load);
    expect(missed).toBeLessThan(0.15);
    expect(share).toBeGreaterThan(0.85);
  });
});
