import { describe, expect, test } from 'vitest';
import { playFront } from '../../../bench/scheduler/front.ts';
import { attainableOnFront, frontWorldOf, mlpOf } from '../../../bench/scheduler/front-cells.ts';
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
    for (let i = 0; i < 300; i++) turnaround.learn(50, 200);
    expect(turnaround.ratio).toBeCloseTo(0.25);
    for (let i = 0; i < 200; i++) turnaround.learn(200, 100);
    expect(turnaround.ratio).toBeGreaterThan(1.9);
  });

  test('is little after one pause alone, however long, and fades while nobody waits', () => {
    const turnaround = new Turnaround();
    turnaround.learn(1e9, 100);
    expect(turnaround.ratio).toBeLessThan(0.8);
    const { ratio } = turnaround;
    for (let i = 0; i < 100; i++) turnaround.rested(500, 100);
    expect(turnaround.ratio).toBe(ratio);
    for (let i = 0; i < 35; i++) turnaround.rested(1_000, 100);
    expect(turnaround.ratio).toBeLessThan(ratio / 2);
    turnaround.learn(0, 100);
    expect(turnaround.ratio).toBeLessThan(ratio / 2);
  });

  test('is not learned from figures that are none, nor much from a stall', () => {
    const turnaround = new Turnaround();
    for (const us of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) turnaround.learn(us, 100);
    for (const us of [Number.NaN, 0, -1]) turnaround.learn(100, us);
    expect(turnaround.ratio).toBe(0);
    for (let i = 0; i < 100; i++) turnaround.learn(100, 100);
    turnaround.learn(1e12, 100);
    turnaround.learn(Number.POSITIVE_INFINITY, 100);
    expect(turnaround.ratio).toBeLessThan(2);
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

/** mlp with 16 rows a request and a deadline of 5 ms, for three seconds and more. */
const [MLP, LENGTH] = [mlpOf(16, 5_000), 3];

describe('on a thread that reads between its batches', () => {
  test.each([0.9, 1, 1.2, 1.5])(`what is promised is kept at %f of what it can do (seed ${SEED})`, (load) => {
    const { curve, targetUs } = MLP;
    const world = frontWorldOf(MLP, load, SEED, 0, LENGTH);
    const profile = curve.profile(new Random(SEED));
    const { good, late, broken } = playFront(world, ours({ lanes: 1, mostRows: curve.mostRows, targetUs, profile }));
    expect((late + broken) / (good + late + broken)).toBeLessThan(0.08);
    expect(good / attainableOnFront(MLP, world)).toBeGreaterThan(0.9);
  });
});
