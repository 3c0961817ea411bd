import { expect, test } from 'vitest';
import { LatencyCurve } from '../../../src/batching/curve.ts';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { Random } from '../../../src/load/random.ts';
import { BareRequest as Request } from '../../support/traveller.ts';

const us = (rows: number) => 870 + 140 * rows;
const PER_US = 32 / us(32);
const UNTIL_US = 4e6;

interface Caller {
  /** Of what the lane can do. */
  readonly load: number;
  readonly patienceUs: number;
}

/** Two models on one lane; of what each of them offers after the first second, the part that is answered in time. */
function answered(callers: readonly [Caller, Caller]): number[] {
  const scheduler = new PlanScheduler<Request>(1);
  const noise = new Random(3);
  const models = callers.map(({ load, patienceUs }, i) => {
    const curve = new LatencyCurve(
      32,
      [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, us: us(rows) })),
    );
    const bounds = { maxBatchRows: 32, lanes: [0], queueRows: 4096, queueBytes: 1e9, sloUs: 0 };
    const queue: PlanQueue<Request> = scheduler.open({ ...bounds, curve });
    return { queue, patienceUs, gapUs: 1 / (load * PER_US), random: new Random(i), nextUs: 0, offered: 0, good: 0 };
  });
  let endUs = Number.POSITIVE_INFINITY;
  for (let nowUs = 0; nowUs < UNTIL_US; nowUs = Math.min(endUs, ...models.map(({ nextUs }) => nextUs))) {
    const running = scheduler.lanes[0] ?? null;
    if (running !== null && nowUs === endUs) {
      endUs = Number.POSITIVE_INFINITY;
      const model = models.find(({ queue }) => queue === running.queue) as (typeof models)[0];
      model.good += running.requests.filter((one) => one.arrivalUs > 1e6 && one.deadlineUs >= nowUs).length;
      scheduler.finish(running, nowUs, true);
    }
    for (const model of models) {
      if (model.nextUs !== nowUs) continue;
      model.nextUs += model.random.exponential(model.gapUs);
      if (nowUs > 1e6) model.offered++;
      const deadlineUs = nowUs + model.patienceUs;
      scheduler.arrive(model.queue, new Request({ arrivalUs: nowUs, deadlineUs }), nowUs);
    }
    const batch = scheduler.next(nowUs, [], []);
    if (batch !== null) endUs = nowUs + us(batch.rows) * (0.95 + 0.1 * noise.uniform());
  }
  return models.map(({ offered, good }) => good / offered);
}

test.each([
  ['more', 3, 200_000],
  ['as much', 3, 50_000],
  ['as much, and floods it', 20, 50_000],
  ['less', 3, 25_000],
])('a model that is asked for little is served beside a flood of another that has %s time', (_, load, patienceUs) => {
  const [flood, other] = answered([
    { load, patienceUs },
    { load: 0.1, patienceUs: 50_000 },
  ]);
  expect(other).toBeGreaterThan(0.9);
  // Batches of few rows serve less.
  expect((flood as number) * load).toBeGreaterThan(0.6);
});

test('two models that are asked for more than there is have about the same of the lane, and all of it', () => {
  const parts = answered([
    { load: 2, patienceUs: 200_000 },
    { load: 2, patienceUs: 50_000 },
  ]).map((part) => 2 * part);
  for (const part of parts) expect(part).toBeGreaterThan(0.35);
  expect(parts.reduce((sum, part) => sum + part)).toBeGreaterThan(0.85);
});
