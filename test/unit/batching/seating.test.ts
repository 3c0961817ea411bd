import { beforeEach, describe, expect, it } from 'vitest';
import type { PlanQueue } from '../../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch, QueueSpec, Refusal } from '../../../src/batching/travel.ts';
import { Random } from '../../../src/load/random.ts';
import { knownCurve } from '../../support/known-curve.ts';
import { BareRequest as Request } from '../../support/traveller.ts';

type Change = Partial<Pick<Request, 'rows' | 'shapeKey' | 'tenant' | 'priority'>>;

const spec = (change: Partial<QueueSpec> = {}): QueueSpec => ({
  maxBatchRows: 32,
  lanes: [0],
  queueRows: 1e6,
  queueBytes: 1e9,
  sloUs: 0,
  curve: knownCurve((rows) => 1000 + 100 * rows),
  ...change,
});

describe('places in the plan', () => {
  let scheduler: PlanScheduler<Request>;
  let nowUs = 0;
  const displaced: Request[] = [];

  beforeEach(() => {
    scheduler = new PlanScheduler<Request>(2);
    nowUs = 0;
    displaced.length = 0;
  });

  /** A request with so much time; what it was told. */
  function come(queue: PlanQueue<Request>, patienceUs: number, change: Change = {}): [Request, Refusal | null] {
    const request = new Request({ arrivalUs: nowUs, deadlineUs: nowUs + patienceUs, ...change });
    const refusal = scheduler.arrive(queue, request, nowUs);
    return [request, refusal === null ? null : { ...refusal }];
  }

  function start(): Batch<Request, PlanQueue<Request>> | null {
    return scheduler.next(nowUs, [], displaced);
  }

  it('takes no place from who stands by for somebody who gets none', () => {
    const random = new Random(7);
    const queue = scheduler.open(
      spec({ maxBatchRows: 64, lanes: [0], curve: knownCurve((rows) => 1000 + 100 * rows) }),
    );
    const counts = { stood: 0, gaveWay: 0, large: 0, refused: 0 };
    const untilUs = [0, 0, Number.POSITIVE_INFINITY];
    for (let arrivals = 0; arrivals < 20_000; arrivals++) {
      nowUs = Math.min(...untilUs);
      const what = untilUs.indexOf(nowUs);
      if (what === 2) scheduler.finish(scheduler.lanes[0] as Batch<Request, PlanQueue<Request>>, nowUs, true);
      else {
        untilUs[what] = nowUs + (what === 0 ? -Math.log(1 - random.uniform()) * 80 : 20_000);
        const before = queue.length;
        const [request, refusal] = come(queue, 10_000, what === 0 ? {} : { rows: 64 });
        if (refusal !== null) expect(queue.length).toBe(before);
        else if ((request.place as { firm: unknown }).firm === null) counts.stood++;
        counts.gaveWay += refusal === null ? before + 1 - queue.length : 0;
        if (what === 1) counts.large++;
        if (what === 1 && refusal !== null) counts.refused++;
      }
      const batch = start();
      if (batch !== null) untilUs[2] = nowUs + queue.spec.curve.at(batch.rows);
      else if (what === 2) untilUs[2] = Number.POSITIVE_INFINITY;
    }
    expect(counts.stood).toBeGreaterThan(100);
    expect(counts.gaveWay).toBeGreaterThan(20);
    expect(counts.refused).toBeGreaterThan(20);
  });

  it('lets nobody of a worse class take the place of who stands by, but for a lighter tenant', () => {
    const queue = scheduler.open(spec({ lanes: [0], curve: knownCurve((rows) => 1000 + 100 * rows) }));
    queue.comingPerUs = (queue.batchRows - 1) / 4200;
    come(queue, 1e6, { rows: 32 });
    start();
    const batchUs = queue.spec.curve.at(queue.batchRows);
    const standing = Array.from(
      { length: queue.batchRows - 1 },
      () => come(queue, 4200 + batchUs - 1, { tenant: 'one' })[0],
    );
    expect(
      standing.every(({ state, place }) => state === 'WAITING' && (place as { firm: unknown }).firm === null),
    ).toBe(true);
    const more = { tenant: 'two', priority: 3 };
    nowUs = 100;
    expect(come(queue, 4200 + batchUs, more)[1]?.kind).toBe('busy');
    expect(standing.every(({ state }) => state === 'WAITING')).toBe(true);
    queue.flows.of(new Request({ deadlineUs: 0, ...more })).light = true;
    expect(come(queue, 4200 + batchUs, more)[1]).toBeNull();
    expect(standing[0]?.state).toBe('ENDED');
  });

  it('forgets a first deadline with whoever had it: nobody is pushed past his own', () => {
    const queue = scheduler.open(spec({ lanes: [0], sloUs: 60_000, curve: knownCurve((rows) => 1000 + 1000 * rows) }));
    come(queue, 40_000);
    start();
    const [early] = come(queue, 7000);
    const [firm] = come(queue, 24_000);
    expect([early.state, firm.state]).toEqual(['WAITING', 'WAITING']);
    // The running batch takes longer than foreseen, and whoever had the least time has gone.
    nowUs = 7001;
    scheduler.sweep(nowUs, []);
    nowUs = 7100;
    for (let i = 0; i < 40; i++) come(queue, 60_000);
    const batch = firm.place as { finishUs: number; firstDeadlineUs: number };
    expect(batch.firstDeadlineUs).toBe(24_000);
    expect(batch.finishUs).toBeLessThanOrEqual(24_000);
  });

  it('has room for other models beside one with far deadlines, and always for who starts at once', () => {
    const slow = scheduler.open(spec({ maxBatchRows: 0, lanes: [0], curve: knownCurve(() => 500_000) }));
    const other = scheduler.open(spec({ lanes: [0] }));
    const idle = scheduler.open(spec({ lanes: [1] }));
    let taken = 0;
    let refusal: Refusal | null = null;
    for (; refusal === null; taken++) {
      [, refusal] = come(slow, 1e12);
      start();
    }
    expect(taken).toBeGreaterThan(200);
    expect(refusal).toMatchObject({ kind: 'queueRows' });
    expect(scheduler.view(slow, nowUs).decisions[0]?.what).toBe(
      'refused: 256 batches are planned, as many as its model or its tenant may have',
    );
    expect(come(idle, 5000)[1]).toBeNull();
    expect(start()?.queue).toBe(idle);
    expect(come(other, 1e12)[1]).toBeNull();
  });

  it('leaves a flow with its share of the plan no more of it', () => {
    const queue = scheduler.open(spec({ maxBatchRows: 0, lanes: [0] }));
    come(queue, 1e12, { tenant: 'one' });
    start();
    for (const tenant of ['one', 'two']) come(queue, 1e12, { tenant });
    const us = (rows: number) => queue.spec.curve.at(rows);
    queue.flows.refresh({ rows: 1, us, everyUs: 1000, budgetUs: 50_000, mostPerUs: 1e-3, seated: queue.seated }, nowUs);
    while (come(queue, 1e12, { tenant: 'one' })[1] === null);
    expect(come(queue, 1e12, { tenant: 'two' })[1]).toBeNull();
  });

  it('says when the running batch lets somebody in, though far deadlines wait', () => {
    const queue = scheduler.open(spec({ maxBatchRows: 0, lanes: [0], curve: knownCurve(() => 500_000) }));
    come(queue, 1e12);
    start();
    for (let i = 0; i < 100; i++) come(queue, 1e12);
    const [, refusal] = come(queue, 600_000);
    expect(refusal).toMatchObject({ kind: 'busy', predictedUs: 1_000_000, retryAfterUs: 400_000 });
  });

  it('counts at the door what it offers there, whatever it is refused for', () => {
    const queue = scheduler.open(spec({ queueRows: 1 }));
    come(queue, Number.POSITIVE_INFINITY, { rows: 32 });
    start();
    come(queue, Number.POSITIVE_INFINITY);
    const before = queue.offered.at(nowUs);
    const ofFlow = queue.flows.atDoor('').offered.at(nowUs);
    expect(scheduler.foresee(queue, '', 1, 0, Number.POSITIVE_INFINITY, nowUs)?.kind).toBe('queueRows');
    expect(queue.offered.at(nowUs)).toBeGreaterThan(before);
    expect(queue.flows.atDoor('').offered.at(nowUs)).toBeGreaterThan(ofFlow);
  });

  it('takes a tenant at the door for who came of it last, in whatever class', () => {
    const queue = scheduler.open(spec({ maxBatchRows: 0, lanes: [0] }));
    const ask = (tenant: string) => scheduler.foresee(queue, tenant, 1, 0, nowUs + 1500, nowUs);
    expect(ask('first')).toBeNull();
    for (const priority of [3, 1]) {
      nowUs += 10;
      come(queue, 1e6, { tenant: 'first', priority });
      come(queue, 1e6, { tenant: 'second', priority: 2 });
    }
    start();
    const offered = (priority: number) => queue.flows.known('first', priority)?.offered.at(nowUs) ?? 0;
    const before = [1, 2, 3].map(offered);
    expect(ask('first')?.kind).toBe('busy');
    expect([1, 2, 3].map((priority, i) => offered(priority) > (before[i] as number))).toEqual([true, false, false]);
  });

  it('takes who is turned away at the door for as large as those who came in', () => {
    const queue = scheduler.open(spec({ lanes: [0], queueRows: 64 }));
    for (let i = 0; i < 400; i++) come(queue, Number.POSITIVE_INFINITY, { rows: 8 });
    const before = queue.offered.at(nowUs);
    for (let i = 0; i < 10; i++) scheduler.foresee(queue, '', 1, 0, Number.POSITIVE_INFINITY, nowUs);
    const rows = (queue.offered.at(nowUs) - before) * queue.offered.memoryUs;
    expect(rows).toBeGreaterThan(70);
    expect(rows).toBeLessThan(81);
  });

  it('lets a tenant who is turned away in one class show now and then that it has another', () => {
    const queue = scheduler.open(spec({ maxBatchRows: 0 }));
    come(queue, 1e6, { tenant: 'one' });
    start();
    come(queue, 1e6, { tenant: 'two' });
    const door = Array.from({ length: 64 }, () => scheduler.foresee(queue, 'one', 1, 0, nowUs + 1200, nowUs));
    expect(door.filter((refusal) => refusal === null)).toHaveLength(4);
  });
});
