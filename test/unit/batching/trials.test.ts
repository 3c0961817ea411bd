import { describe, expect, test } from 'vitest';
import { LatencyCurve } from '../../../src/batching/curve.ts';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch, QueueSpec } from '../../../src/batching/travel.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request, type TravellerSpec } from '../../support/traveller.ts';

const BATCH_US = 100_000;
const spec = (change: Partial<QueueSpec> = {}): QueueSpec => ({
  maxBatchRows: 8,
  lanes: [0],
  queueRows: 100,
  queueBytes: 1e6,
  sloUs: 0,
  curve: knownCurve(() => BATCH_US),
  ...change,
});

/** A scheduler, and a clock that its events move on. */
class World {
  nowUs = 0;
  readonly scheduler: PlanScheduler<Request>;

  constructor(lanes: number) {
    this.scheduler = new PlanScheduler(lanes);
  }

  /** Whether somebody with so much time is taken. */
  takes(queue: PlanQueue<Request>, patienceUs: number, change: TravellerSpec = {}): boolean {
    const request = new Request({ arrivalUs: this.nowUs, deadlineUs: this.nowUs + patienceUs, ...change });
    return this.scheduler.arrive(queue, request, this.nowUs) === null;
  }

  start(): Batch<Request, PlanQueue<Request>> | null {
    return this.scheduler.next(this.nowUs, [], []);
  }

  /** What was started ends after so long. */
  finish(batch: Batch<Request, PlanQueue<Request>> | null, us: number, ran = true): void {
    if (batch === null) throw new Error('nothing runs');
    this.nowUs += us;
    this.scheduler.finish(batch, this.nowUs, ran);
  }
}

describe('what seems impossible and is run to learn', () => {
  test('is late as was foretold: that is no broken promise, and others are promised as much as before', () => {
    const world = new World(1);
    const queue = world.scheduler.open(spec());
    for (let ran = 0; ran < 12; ) {
      world.nowUs += 10_000;
      if (!world.takes(queue, BATCH_US / 2)) continue;
      world.finish(world.start(), BATCH_US);
      ran++;
    }
    expect(queue.guard.ratio(1)).toBe(1);
    expect(queue.late).toBe(12);
  });

  test('is tried again at once: a model that is slow only after a rest is back when it runs', () => {
    const [coldUs, warmUs] = [12 * BATCH_US, BATCH_US];
    const world = new World(1);
    const queue = world.scheduler.open(spec({ curve: new LatencyCurve(8, [{ rows: 1, us: coldUs }]) }));
    let ranUs = Number.NEGATIVE_INFINITY;
    let good = 0;
    for (; world.nowUs < 300 * BATCH_US; world.nowUs += BATCH_US / 50) {
      world.takes(queue, 2 * BATCH_US);
      const batch = world.start();
      if (batch === null) continue;
      world.finish(batch, world.nowUs - ranUs > BATCH_US ? coldUs : warmUs);
      ranUs = world.nowUs;
      good += batch.requests.filter(({ deadlineUs }) => deadlineUs >= ranUs).length;
    }
    expect(good).toBeGreaterThan(100);
  });

  test('is not kept from its free lane by what waits for another one', () => {
    const world = new World(2);
    const busy = world.scheduler.open(spec({ maxBatchRows: 1 }));
    const doubted = world.scheduler.open(spec({ lanes: [1] }));
    for (let i = 0; i < 3; i++) expect(world.takes(busy, 1e9)).toBe(true);
    expect(world.start()?.queue).toBe(busy);
    let taken = false;
    for (; world.nowUs < 20 * BATCH_US && !taken; world.nowUs += 10_000) taken = world.takes(doubted, BATCH_US / 2);
    expect(taken).toBe(true);
    expect(world.start()).toMatchObject({ queue: doubted, lane: 1 });
  });

  test('is never run before what waits for its lane', () => {
    const world = new World(2);
    const busy = world.scheduler.open(spec({ maxBatchRows: 1, lanes: [0, 1] }));
    const doubted = world.scheduler.open(spec({ lanes: [1] }));
    for (let i = 0; i < 3; i++) expect(world.takes(busy, 1e9)).toBe(true);
    for (; world.nowUs < 20 * BATCH_US; world.nowUs += 10_000) expect(world.takes(doubted, BATCH_US / 2)).toBe(false);
  });

  test('is not put off for ever because others, who bring less, come in a hurry that nothing could serve', () => {
    const world = new World(1);
    const queue = world.scheduler.open(spec({ curve: knownCurve((rows) => BATCH_US * (rows < 8 ? 1 : 3)) }));
    let taken = false;
    for (let i = 0; i < 2_000 && !taken; i++) {
      world.nowUs += 10_000;
      world.takes(queue, 1_000);
      if (i % 20 === 0) world.takes(queue, Number.POSITIVE_INFINITY);
      const batch = world.start();
      if (batch !== null) world.finish(batch, BATCH_US);
      taken = world.takes(queue, 2 * BATCH_US, { rows: 8 });
    }
    expect(taken).toBe(true);
  });
});

describe('after batches that stalled until the curve believed them', () => {
  const HOUR_US = 3.6e9;
  const us = (rows: number) => 1_000 + 100 * rows;
  const learned = (world: World) =>
    world.scheduler.open(
      spec({
        curve: new LatencyCurve(
          8,
          [1, 2, 4, 8].map((rows) => ({ rows, us: us(rows) })),
        ),
      }),
    );

  /** One request after the other, each alone and with ten times its usual time, while batches take so long. @returns time that they ran */
  function serve(world: World, queue: PlanQueue<Request>, untilUs: number, batchUs: (now: number) => number): number {
    let ranUs = 0;
    while (world.nowUs < untilUs) {
      world.nowUs += 20_000;
      if (!world.takes(queue, 10 * us(1))) continue;
      const tookUs = batchUs(world.nowUs);
      world.finish(world.start(), tookUs);
      ranUs += tookUs;
    }
    return ranUs;
  }

  test.each([3, 10, 60, 3600])('of %d s each, it is served as ever a second later', (stallS) => {
    const world = new World(1);
    const queue = learned(world);
    serve(world, queue, 1e6, () => us(1));
    for (let i = 0; i < 3; i++) {
      expect(world.takes(queue, Number.POSITIVE_INFINITY)).toBe(true);
      world.finish(world.start(), stallS * 1e6);
    }
    expect(world.takes(queue, 10 * us(1))).toBe(false);
    serve(world, queue, world.nowUs + 1e6, () => us(1));
    for (let i = 0; i < 100; i++) {
      world.nowUs += 20_000;
      expect(world.takes(queue, 10 * us(1))).toBe(true);
      world.finish(world.start(), us(1));
    }
  });

  test('it is so too where somebody had asked for what nothing could serve all along', () => {
    const world = new World(1);
    const queue = learned(world);
    for (let i = 0; i < 200; i++) {
      world.nowUs += 20_000;
      if (world.takes(queue, us(1) / 2)) world.finish(world.start(), us(1));
    }
    for (let i = 0; i < 4; i++) {
      expect(world.takes(queue, Number.POSITIVE_INFINITY)).toBe(true);
      world.finish(world.start(), 60e6);
    }
    serve(world, queue, world.nowUs + 1.5e6, () => us(1));
    expect(world.takes(queue, 10 * us(1))).toBe(true);
  });

  test.each([0.3, 1, 10])('where the model stays that slow, %d s, trials take little of its lane', (batchS) => {
    const world = new World(1);
    const queue = learned(world);
    serve(world, queue, 1e6, () => us(1));
    serve(world, queue, HOUR_US / 2, () => batchS * 1e6);
    const fromUs = world.nowUs;
    const ranUs = serve(world, queue, fromUs + HOUR_US / 2, () => batchS * 1e6);
    expect(ranUs / (world.nowUs - fromUs)).toBeLessThan(0.05);
  });

  test('nor do they where batches with time enough run between them', () => {
    const world = new World(1);
    const queue = learned(world);
    serve(world, queue, 1e6, () => us(1));
    const fromUs = world.nowUs;
    let trialsUs = 0;
    while (world.nowUs < fromUs + HOUR_US) {
      world.takes(queue, Number.POSITIVE_INFINITY);
      world.finish(world.start(), 1e6);
      trialsUs += serve(world, queue, world.nowUs + 4.5e6, () => 1e6);
    }
    expect(trialsUs / (world.nowUs - fromUs)).toBeLessThan(0.2);
  });
});

test('who is late because his batch failed and he had to run again broke no promise', () => {
  const world = new World(1);
  const queue = world.scheduler.open(spec());
  for (let i = 0; i < 8; i++) expect(world.takes(queue, 1.5 * BATCH_US)).toBe(true);
  const batch = world.start();
  world.finish(batch, BATCH_US, false);
  for (const request of batch?.requests.toReversed() ?? []) world.scheduler.retryAlone(queue, request);
  const expired: Request[] = [];
  expect(world.scheduler.next(world.nowUs, expired)).toBeNull();
  expect(expired).toHaveLength(8);
  expect(queue.guard.ratio(1)).toBe(1);
});
