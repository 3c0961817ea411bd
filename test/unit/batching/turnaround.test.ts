import { describe, expect, test } from 'vitest';
import { LatencyCurve } from '../../../src/batching/curve.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { Turnaround } from '../../../src/batching/turnaround.ts';
import { random } from '../../support/fixtures/random.ts';
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

const ROWS = 16;
const DEADLINE_US = 5_000;
const READ_US = 25;
const REFUSE_US = 20;
const ANSWER_US = 10;
const batchUs = (rows: number) => 65 + 3.3 * rows;
/** Of 16 rows a request, in batches of 109: the thread reads, runs and answers. */
const MOST_ROWS = 109;
const CAPACITY = 6 / (batchUs(6 * ROWS) + 6 * (READ_US + ANSWER_US));

/**
 * One thread that reads, runs and answers, as the front thread does with quick models: what came while a batch ran is read behind it.
 * Poisson arrivals at `load` of what it can do, for three seconds of which the first is not counted.
 */
function onOneThread(load: number) {
  const next = random(SEED);
  const scheduler = new PlanScheduler<BareRequest>(1);
  const prior = [1, 16, 32, 64, 109].map((rows) => ({ rows, us: batchUs(rows) }));
  const room = { queueRows: 1e5, queueBytes: 1e9 };
  const curve = new LatencyCurve(MOST_ROWS, prior);
  const queue = scheduler.open({ maxBatchRows: MOST_ROWS, lanes: [0], ...room, sloUs: DEADLINE_US, curve });
  const sent: BareRequest[] = [];
  const good = new Set<BareRequest>();
  const late = new Set<BareRequest>();
  let nowUs = 0;
  let dueUs = 0;
  const come = () => {
    const request = new BareRequest({ rows: ROWS, arrivalUs: dueUs, deadlineUs: dueUs + DEADLINE_US });
    dueUs -= Math.log(1 - next()) / (load * CAPACITY);
    sent.push(request);
    const refused =
      scheduler.foresee(queue, '', ROWS, ROWS, request.deadlineUs, nowUs) ?? scheduler.arrive(queue, request, nowUs);
    nowUs += refused === null ? READ_US : REFUSE_US;
  };
  while (nowUs < 3e6) {
    const readUs = nowUs;
    while (dueUs <= readUs) come();
    const expired: BareRequest[] = [];
    const batch = scheduler.next(nowUs, expired, []);
    for (const request of expired) late.add(request);
    if (batch === null) {
      nowUs = Math.max(nowUs, dueUs);
      continue;
    }
    nowUs += batchUs(batch.rows) * (0.9 + 0.2 * next());
    scheduler.finish(batch, nowUs, true);
    for (const request of batch.requests) (request.deadlineUs >= nowUs ? good : late).add(request);
    nowUs += ANSWER_US * batch.requests.length;
  }
  const counted = sent.filter(({ arrivalUs }) => arrivalUs >= 1e6);
  const share = (of: Set<BareRequest>) => counted.filter((request) => of.has(request)).length / counted.length;
  return { good: share(good) * load, late: share(late) / (share(good) + share(late)) };
}

describe('on a thread that reads between its batches', () => {
  test.each([0.9, 1, 1.2, 1.5])(`what is promised is kept at %f of what it can do (seed ${SEED})`, (load) => {
    const { good, late } = onOneThread(load);
    expect(late).toBeLessThan(0.05);
    // Each refusal takes more than half of the thread's part in an answer.
    expect(good).toBeGreaterThan(load <= 1 ? 0.97 * load - 0.03 : 0.8);
  });
});
