import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LatencyCurve } from '../../src/batching/curve.ts';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Batch, QueueSpec } from '../../src/batching/travel.ts';
import { knownCurve } from '../support/known-curve.ts';
import { BareRequest } from '../support/traveller.ts';
import { play } from '../support/virtual-traffic.ts';

class Request extends BareRequest {
  readonly id: number;
  readonly queue: number;
  ends = 0;
  runs = 0;

  constructor(id: number, rows: number, shapeKey: string, arrivalUs: number, deadlineUs: number, queue = 0) {
    super({ rows, shapeKey, tenant: `t${id % 3}`, priority: 1 + (id % 4), arrivalUs, deadlineUs });
    this.id = id;
    this.queue = queue;
  }
}

const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      queue: fc.nat(1),
      rows: fc.integer({ min: 0, max: 12 }),
      shape: fc.constantFrom('a', 'b'),
      timeout: fc.option(fc.integer({ min: 1, max: 40 })),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('finish' as const), lane: fc.nat(2), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('up' as const), lane: fc.nat(2), up: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lanes' as const),
      queue: fc.nat(1),
      lanes: fc.subarray([0, 1, 2], { minLength: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), us: fc.integer({ min: 1, max: 20 }) }) },
);

const CAPS = [8, 0];

const spec = (change: Partial<QueueSpec>): QueueSpec => ({
  maxBatchRows: 8,
  lanes: [0],
  queueRows: 20,
  queueBytes: 1000,
  sloUs: 0,
  curve: knownCurve((rows) => 5 + rows),
  ...change,
});

/** Plays events against the scheduler and checks what must hold after each of them. */
class World {
  nowUs = 0;
  readonly scheduler = new PlanScheduler<Request>(3);
  readonly queues: PlanQueue<Request>[] = [
    this.scheduler.open(spec({ lanes: [0, 1] })),
    this.scheduler.open(spec({ maxBatchRows: 0, lanes: [1, 2], queueRows: 5 })),
  ];
  readonly accepted: Request[] = [];
  #ids = 0;

  play(e: typeof event extends fc.Arbitrary<infer T> ? T : never): void {
    if (e.kind === 'arrive') this.arrive(e.queue, e.rows, e.shape, e.timeout);
    else if (e.kind === 'finish') this.finish(e.lane, e.fails);
    else if (e.kind === 'cancel') this.cancel(e.pick);
    else if (e.kind === 'up') this.scheduler.setUp(e.lane, e.up);
    else if (e.kind === 'lanes') {
      this.scheduler.setLanes(this.queues[e.queue] as PlanQueue<Request>, e.lanes, CAPS[e.queue] as number, this.nowUs);
    } else if (e.kind === 'time') this.nowUs += e.us;
    else this.end(this.swept());
    this.dispatch();
  }

  arrive(queue: number, rows: number, shape: string, timeout: number | null): void {
    const deadline = timeout === null ? Number.POSITIVE_INFINITY : this.nowUs + timeout;
    const request = new Request(this.#ids++, rows, shape, this.nowUs, deadline, queue);
    if (this.scheduler.arrive(this.queues[queue] as PlanQueue<Request>, request, this.nowUs) === null)
      this.accepted.push(request);
    else expect(request.state).toBe('NEW');
  }

  finish(lane: number, fails: boolean): void {
    const batch = this.scheduler.lanes[lane];
    if (batch === null || batch === undefined) return;
    this.scheduler.finish(batch, this.nowUs, !fails);
    for (const request of batch.requests) {
      if (request.state !== 'RUNNING') continue;
      if (fails && request.runs === 1) this.scheduler.retryAlone(batch.queue, request);
      else {
        request.state = 'ENDED';
        request.ends++;
      }
    }
  }

  cancel(pick: number): void {
    const request = this.accepted[pick % Math.max(1, this.accepted.length)];
    if (request === undefined || request.state === 'ENDED') return;
    this.scheduler.cancel(request);
    request.ends++;
  }

  swept(): Request[] {
    const expired: Request[] = [];
    this.scheduler.sweep(this.nowUs, expired);
    for (const request of expired) expect(request.deadlineUs).toBeLessThanOrEqual(this.nowUs);
    return expired;
  }

  end(requests: Request[]): void {
    for (const request of requests) request.ends++;
  }

  dispatch(): void {
    const expired: Request[] = [];
    for (;;) {
      const batch = this.scheduler.next(this.nowUs, expired);
      if (batch === null) break;
      this.check(batch);
    }
    this.end(expired);
    this.invariants();
  }

  check(batch: Batch<Request, PlanQueue<Request>>): void {
    const cap = CAPS[this.queues.indexOf(batch.queue)] as number;
    expect(batch.queue.lanes).toContain(batch.lane);
    expect(batch.rows).toBe(batch.requests.reduce((sum, r) => sum + Math.max(1, r.rows), 0));
    if (batch.requests.length > 1) expect(batch.rows).toBeLessThanOrEqual(cap);
    expect(new Set(batch.requests.map((r) => r.shapeKey)).size).toBe(1);
    for (const request of batch.requests) {
      expect(request.state).toBe('RUNNING');
      expect(request.deadlineUs).toBeGreaterThan(this.nowUs);
      if (request.alone) expect(batch.requests).toHaveLength(1);
      request.runs++;
      expect(request.runs).toBeLessThanOrEqual(2);
    }
  }

  invariants(): void {
    for (const [number, queue] of this.queues.entries()) {
      const free = queue.lanes.some((lane) => this.scheduler.up[lane] && this.scheduler.lanes[lane] === null);
      if (free) expect(queue.length).toBe(0);
      const waiting = this.accepted.filter((r) => r.queue === number && r.state === 'WAITING');
      expect(queue.length).toBe(waiting.length);
      expect(queue.rows).toBe(waiting.reduce((sum, r) => sum + Math.max(1, r.rows), 0));
      expect(queue.bytes).toBe(waiting.length);
    }
  }
}

describe('the scheduler', () => {
  test('ends every accepted request exactly once, and keeps caps, shapes, deadlines and work conservation', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const world = new World();
        for (const e of events) world.play(e);
        for (let lane = 0; lane < 3; lane++) world.scheduler.setUp(lane, true);
        world.dispatch();
        for (let i = 0; i < 1000 && world.accepted.some((r) => r.state !== 'ENDED'); i++) {
          for (let lane = 0; lane < 3; lane++) world.finish(lane, false);
          world.dispatch();
        }
        for (const request of world.accepted) expect(request.ends).toBe(1);
      }),
      { numRuns: 500 },
    );
  });

  test('refuses what the bound and the free instances do not take, and takes it again once there is room', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open(spec({ maxBatchRows: 0, queueRows: 1 }));
    const [first, second, third] = [0, 1, 2].map((id) => new Request(id, 1, '', id, Number.POSITIVE_INFINITY));
    expect(scheduler.arrive(queue, first as Request, 1)).toBeNull();
    expect(scheduler.arrive(queue, second as Request, 2)).toBeNull();
    expect(scheduler.arrive(queue, third as Request, 3)?.kind).toBe('queueRows');
    scheduler.finish(scheduler.next(5, []) as Batch<Request, PlanQueue<Request>>, 6, true);
    scheduler.next(6, []);
    expect(scheduler.arrive(queue, third as Request, 7)).toBeNull();
  });

  test.each([
    ['rows', { queueRows: 20 }, 'queueRows'],
    ['bytes', { queueBytes: 20 }, 'queueBytes'],
  ] as const)(
    'takes who has a deadline into a queue full of best effort, which keeps a tenth of its %s',
    (_, bound, kind) => {
      const scheduler = new PlanScheduler<Request>(1);
      const queue = scheduler.open(spec({ queueRows: 1e5, queueBytes: 1e5, ...bound }));
      const arrive = (id: number, deadlineUs: number) => {
        const request = new Request(id, 1, '', 0, deadlineUs);
        request.tenant = '';
        request.priority = 2;
        const refusal = scheduler.arrive(queue, request, 0)?.kind ?? null;
        return { request, refusal };
      };
      arrive(0, Number.POSITIVE_INFINITY);
      scheduler.next(0, []);
      const free = Array.from({ length: 20 }, (_, id) => arrive(id + 1, Number.POSITIVE_INFINITY));
      expect(free.every(({ refusal }) => refusal === null)).toBe(true);
      expect(arrive(21, Number.POSITIVE_INFINITY).refusal).toBe(kind);
      const promised = Array.from({ length: 18 }, (_, id) => arrive(id + 22, 1000));
      expect(promised.map(({ refusal }) => refusal)).toEqual(promised.map(() => null));
      expect(arrive(40, 1000).refusal).toBe(kind);
      expect(queue.length).toBe(20);
      const displaced: Request[] = [];
      expect(scheduler.next(0, [], displaced)).toBeNull();
      // The newest first.
      expect(displaced.map(({ id }) => id)).toEqual(Array.from({ length: 18 }, (_, i) => 20 - i));
      expect(displaced.every(({ state }) => state === 'ENDED')).toBe(true);
      expect(queue).toMatchObject({ admitted: 39, displaced: 18, refused: 2 });
    },
  );

  test('counts who waits in the flow he came in, though names were forgotten meanwhile', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open(spec({ queueRows: 1e5, queueBytes: 1e5, maxBatchRows: 0 }));
    const named = (tenant: string, deadlineUs: number) => {
      const request = new Request(0, 1, '', 1, deadlineUs);
      request.tenant = tenant;
      expect(scheduler.arrive(queue, request, 1)).toBeNull();
      return request;
    };
    scheduler.arrive(queue, new Request(0, 1, '', 0, Number.POSITIVE_INFINITY), 0);
    scheduler.next(0, []);
    const many = Array.from({ length: 1100 }, (_, i) => named(`name ${i}`, Number.POSITIVE_INFINITY));
    const nameless = named('one too many', 1e9);
    for (const request of many) scheduler.cancel(request);
    named('after them', 1e9);
    scheduler.cancel(nameless);
    expect(scheduler.view(queue, 2).waiting).toEqual([
      expect.objectContaining({ tenant: 'after them', requests: 1, rows: 1 }),
    ]);
  });

  test.each([3, 30, 300])('finds out that a profile %d times too slow is wrong', (times) => {
    const us = (rows: number) => 2_000 + 100 * rows;
    const stream = { name: 'all', ratePerUs: 0.001, patienceUs: 50_000 };
    const machine = { lanes: 1, mostRows: 32, us, profiledUs: (rows: number) => times * us(rows) };
    const fates = play({ ...machine, queueRows: 4096, sloUs: 50_000 }, [stream], 80_000_000, 60_000_000, 1);
    expect(fates.all?.refused).toBeLessThan(0.01 * (fates.all?.offered ?? 0));
  });

  test.each([3, 10, 30])('is as before within a second after a time in which all took %d times as long', (times) => {
    const us = (rows: number) => 1_000 + 100 * rows;
    const slowness = (nowUs: number) => (nowUs > 5_000_000 && nowUs < 15_000_000 ? times : 1);
    const stream = { name: 'all', ratePerUs: 0.002, patienceUs: 10_000 };
    const machine = { lanes: 1, mostRows: 32, us, slowness, queueRows: 4096, sloUs: 0 };
    const fates = play(machine, [stream], 20_000_000, 16_000_000, 1);
    expect(fates.all?.refused).toBeLessThan(0.01 * (fates.all?.offered ?? 0));
  });

  test('adds nothing where hardly anybody comes: who finds an instance free leaves at once and alone', () => {
    const visit = fc.record({
      pauseUs: fc.integer({ min: 0, max: 5_000 }),
      patience: fc.option(fc.double({ min: 1, max: 20, noNaN: true })),
      off: fc.double({ min: 0.5, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(visit, { maxLength: 60 }), (lanes, visits) => {
        const curve = new LatencyCurve(8, [{ rows: 1, us: 400 }]);
        const scheduler = new PlanScheduler<Request>(lanes);
        const queue = scheduler.open(spec({ lanes: Array.from({ length: lanes }, (_, lane) => lane), curve }));
        let nowUs = 0;
        for (const { pauseUs, patience, off } of visits) {
          const usual = curve.at(1);
          const request = new Request(0, 1, '', nowUs, nowUs + (patience ?? Number.POSITIVE_INFINITY) * usual);
          expect(scheduler.arrive(queue, request, nowUs)).toBeNull();
          const batch = scheduler.next(nowUs, []) as Batch<Request, PlanQueue<Request>>;
          expect(batch.requests).toEqual([request]);
          scheduler.finish(batch, nowUs + usual * off, true);
          nowUs += usual * off + pauseUs;
        }
      }),
      { numRuns: 300 },
    );
  });

  test('tries what it takes for impossible on a free instance only, in the end twice in fifty times of it', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const queue = scheduler.open(spec({ curve: knownCurve(() => 100_000) }));
    let [ran, early] = [0, 0];
    for (let nowUs = 0; nowUs < 70_000_000; nowUs += 10_000) {
      const request = new Request(nowUs, 1, '', nowUs, nowUs + 50_000);
      if (scheduler.arrive(queue, request, nowUs) !== null) continue;
      if (nowUs < 10_000_000) early++;
      else ran++;
      const batch = scheduler.next(nowUs, []) as Batch<Request, PlanQueue<Request>>;
      expect(batch.requests).toEqual([request]);
      expect(scheduler.arrive(queue, new Request(-1, 1, '', nowUs, nowUs + 50_000), nowUs)?.kind).toBe('impossible');
      scheduler.finish(batch, nowUs + 100_000, true);
      nowUs += 100_000;
    }
    // Two at a time: a model may be slow only after a rest.
    expect(early).toBe(10);
    expect(ran).toBeGreaterThan(20);
    expect(ran).toBeLessThan(26);
  });

  test('shares what is queued among the lanes that are free', () => {
    const scheduler = new PlanScheduler<Request>(3);
    const queue = scheduler.open(spec({ lanes: [0, 1, 2], curve: knownCurve(() => 10) }));
    scheduler.setUp(2, false);
    for (let id = 0; id < 7; id++) scheduler.arrive(queue, new Request(0, 1, '', id, Number.POSITIVE_INFINITY), id);
    expect([scheduler.next(10, [])?.rows, scheduler.next(10, [])?.rows]).toEqual([4, 3]);
    expect(scheduler.next(10, [])).toBeNull();
  });

  test('gives two models that want everything the same time on a lane', () => {
    const scheduler = new PlanScheduler<Request>(1);
    const slow = scheduler.open(spec({ queueRows: 1e6, queueBytes: 1e6, curve: knownCurve((rows) => 400 + rows) }));
    const quick = scheduler.open(spec({ queueRows: 1e6, queueBytes: 1e6, curve: knownCurve((rows) => 90 + rows) }));
    for (let id = 0; id < 3000; id++) {
      for (const queue of [slow, quick]) {
        scheduler.arrive(queue, new Request(0, 1, '', 0, Number.POSITIVE_INFINITY), 0);
      }
    }
    const took = new Map([
      [slow, 0],
      [quick, 0],
    ]);
    for (let nowUs = 0; nowUs < 40_000; ) {
      const batch = scheduler.next(nowUs, []) as Batch<Request, PlanQueue<Request>>;
      const us = batch.queue.spec.curve.at(batch.rows);
      nowUs += us;
      took.set(batch.queue, (took.get(batch.queue) ?? 0) + us);
      scheduler.finish(batch, nowUs, true);
    }
    expect((took.get(slow) ?? 0) / (took.get(quick) ?? 1)).toBeCloseTo(1, 1);
  });
});
