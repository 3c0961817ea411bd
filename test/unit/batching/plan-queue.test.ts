import { describe, expect, test } from 'vitest';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Curve } from '../../../src/core/scheduling.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request } from '../../support/traveller.ts';

const us = (rows: number) => 870 + 140 * rows;

/** A queue of one lane, and how often its curve was asked. */
class World {
  asked = 0;
  nowUs = 0;
  readonly scheduler = new PlanScheduler<Request>(1);
  readonly queue = this.scheduler.open({
    maxBatchRows: 64,
    lanes: [0],
    queueRows: 4096,
    queueBytes: 1e9,
    sloUs: 0,
    curve: this.#counted(knownCurve(us, 64)),
  });

  /** A batch of a few that came while the one before it ran. @returns how often its end asked for a time */
  batch(tenants: readonly string[], patienceUs: number): number {
    for (const tenant of tenants) this.arrive(tenant, patienceUs);
    const batch = this.scheduler.next(this.nowUs, []);
    if (batch === null) throw new Error('nothing to run');
    this.nowUs += us(batch.rows);
    const before = this.asked;
    this.scheduler.finish(batch, this.nowUs, true);
    for (const request of batch.requests) request.state = 'ENDED';
    return this.asked - before;
  }

  arrive(tenant: string, patienceUs: number): Request {
    const request = new Request({ tenant, arrivalUs: this.nowUs, deadlineUs: this.nowUs + patienceUs });
    this.scheduler.arrive(this.queue, request, this.nowUs);
    return request;
  }

  #counted(curve: Curve): Curve {
    const at = (rows: number) => {
      this.asked++;
      return curve.at(rows);
    };
    return { ...curve, at };
  }
}

describe('a new tenant with every request', () => {
  test.each([50_000, Number.POSITIVE_INFINITY])(
    'costs a batch no more than a few known ones, with %d us',
    (patienceUs) => {
      const asked = (name: (i: number) => string) => {
        const world = new World();
        let sum = 0;
        for (let i = 0; i < 4000; i += 4)
          sum += world.batch(
            [0, 1, 2, 3].map((k) => name(i + k)),
            patienceUs,
          );
        return sum;
      };
      expect(asked((i) => `tenant ${i}`)).toBeLessThan(2 * asked((i) => `tenant ${i % 4}`));
    },
  );
});

test('the retry of a tenant whose name was forgotten while it ran is seen waiting', () => {
  const world = new World();
  const request = world.arrive('first', 1e9);
  const batch = world.scheduler.next(0, []);
  if (batch === null) throw new Error('nothing to run');
  for (let i = 0; i < 1100; i++) world.scheduler.cancel(world.arrive(`tenant ${i}`, 1e9));
  world.scheduler.finish(batch, 1000, false);
  world.scheduler.retryAlone(world.queue, request);
  expect(world.scheduler.view(world.queue, 1000).waiting).toMatchObject([{ tenant: 'first', requests: 1, rows: 1 }]);
  world.scheduler.cancel(request);
  expect(world.scheduler.view(world.queue, 1000).waiting).toEqual([]);
});
