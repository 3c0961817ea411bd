import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addQueue,
  arrive,
  type Batch,
  type Batcher,
  cancel,
  createBatcher,
  finish,
  nextBatch,
  type Queue,
  retryAlone,
  sweep,
  type Traveller,
  type TravelState,
} from '../../src/batching/batcher.ts';

class Request implements Traveller {
  readonly id: number;
  rows: number;
  bytes = 1;
  shapeKey: string;
  arrivalUs: number;
  deadlineUs: number;
  alone = false;
  state: TravelState = 'NEW';
  queue: Queue<this> | null = null;
  previous: this | null = null;
  next: this | null = null;
  ends = 0;
  runs = 0;

  constructor(id: number, rows: number, shapeKey: string, arrivalUs: number, deadlineUs: number) {
    this.id = id;
    this.rows = rows;
    this.shapeKey = shapeKey;
    this.arrivalUs = arrivalUs;
    this.deadlineUs = deadlineUs;
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
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), us: fc.integer({ min: 1, max: 20 }) }) },
);

const CAPS = [8, 0];

/** Plays events against the batcher and checks what must hold after each of them. */
class World {
  nowUs = 0;
  readonly batcher: Batcher<Request> = createBatcher(3);
  readonly queues: Queue<Request>[] = [
    addQueue(this.batcher, { maxBatchRows: 8, lanes: [0, 1], queueRows: 20, queueBytes: 1000 }),
    addQueue(this.batcher, { maxBatchRows: 0, lanes: [1, 2], queueRows: 5, queueBytes: 1000 }),
  ];
  readonly accepted: Request[] = [];
  #ids = 0;

  play(e: typeof event extends fc.Arbitrary<infer T> ? T : never): void {
    if (e.kind === 'arrive') this.arrive(e.queue, e.rows, e.shape, e.timeout);
    else if (e.kind === 'finish') this.finish(e.lane, e.fails);
    else if (e.kind === 'cancel') this.cancel(e.pick);
    else if (e.kind === 'time') this.nowUs += e.us;
    else this.end(this.swept());
    this.dispatch();
  }

  arrive(queue: number, rows: number, shape: string, timeout: number | null): void {
    const deadline = timeout === null ? Number.POSITIVE_INFINITY : this.nowUs + timeout;
    const request = new Request(this.#ids++, rows, shape, this.nowUs, deadline);
    if (arrive(this.batcher, this.queues[queue] as Queue<Request>, request)) this.accepted.push(request);
    else expect(request.state).toBe('NEW');
  }

  finish(lane: number, fails: boolean): void {
    const batch = this.batcher.lanes[lane];
    if (batch === null || batch === undefined) return;
    finish(this.batcher, batch);
    for (const request of batch.requests) {
      if (request.state !== 'RUNNING') continue;
      if (fails && request.runs === 1) retryAlone(batch.queue, request);
      else {
        request.state = 'ENDED';
        request.ends++;
      }
    }
  }

  cancel(pick: number): void {
    const request = this.accepted[pick % Math.max(1, this.accepted.length)];
    if (request === undefined || request.state === 'ENDED') return;
    cancel(request);
    request.ends++;
  }

  swept(): Request[] {
    const expired: Request[] = [];
    sweep(this.batcher, this.nowUs, expired);
    for (const request of expired) expect(request.deadlineUs).toBeLessThanOrEqual(this.nowUs);
    return expired;
  }

  end(requests: Request[]): void {
    for (const request of requests) request.ends++;
  }

  dispatch(): void {
    const expired: Request[] = [];
    for (;;) {
      const batch = nextBatch(this.batcher, this.nowUs, expired);
      if (batch === null) break;
      this.check(batch);
    }
    this.end(expired);
    this.invariants();
  }

  check(batch: Batch<Request>): void {
    const cap = CAPS[this.queues.indexOf(batch.queue)] as number;
    expect(batch.queue.lanes).toContain(batch.lane);
    expect(batch.rows).toBe(batch.requests.reduce((sum, r) => sum + r.rows, 0));
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
    for (const queue of this.queues) {
      const free = queue.lanes.some((lane) => this.batcher.lanes[lane] === null);
      if (free) expect(queue.length).toBe(0);
      const waiting = this.accepted.filter((r) => r.queue === queue && r.state === 'WAITING');
      expect(queue.length).toBe(waiting.length);
      expect(queue.rows).toBe(waiting.reduce((sum, r) => sum + Math.max(1, r.rows), 0));
      expect(queue.bytes).toBe(waiting.length);
    }
  }
}

describe('the batcher', () => {
  test('ends every accepted request exactly once, and keeps caps, shapes, deadlines and work conservation', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const world = new World();
        for (const e of events) world.play(e);
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
    const batcher: Batcher<Request> = createBatcher(1);
    const queue = addQueue(batcher, { maxBatchRows: 0, lanes: [0], queueRows: 1, queueBytes: 1000 });
    const [first, second, third] = [0, 1, 2].map((id) => new Request(id, 1, '', id, Number.POSITIVE_INFINITY));
    expect(arrive(batcher, queue, first as Request)).toBe(true);
    expect(arrive(batcher, queue, second as Request)).toBe(true);
    expect(arrive(batcher, queue, third as Request)).toBe(false);
    const batch = nextBatch(batcher, 5, []) as Batch<Request>;
    finish(batcher, batch);
    nextBatch(batcher, 6, []);
    expect(arrive(batcher, queue, third as Request)).toBe(true);
  });

  test('shares what is queued among the lanes that are free', () => {
    const batcher: Batcher<Request> = createBatcher(3);
    const queue = addQueue(batcher, { maxBatchRows: 8, lanes: [0, 1, 2], queueRows: 20, queueBytes: 1000 });
    batcher.up[2] = false;
    for (let id = 0; id < 7; id++) arrive(batcher, queue, new Request(id, 1, '', id, Number.POSITIVE_INFINITY));
    expect([nextBatch(batcher, 10, [])?.rows, nextBatch(batcher, 10, [])?.rows]).toEqual([4, 3]);
    expect(nextBatch(batcher, 10, [])).toBeNull();
  });

  test('starts the oldest request first, whichever model it is for', () => {
    const batcher: Batcher<Request> = createBatcher(1);
    const spec = { maxBatchRows: 4, lanes: [0], queueRows: 10, queueBytes: 1000 };
    const [early, late] = [addQueue(batcher, spec), addQueue(batcher, spec)];
    arrive(batcher, late, new Request(1, 1, '', 20, Number.POSITIVE_INFINITY));
    arrive(batcher, early, new Request(2, 1, '', 10, Number.POSITIVE_INFINITY));
    expect(nextBatch(batcher, 30, [])?.queue).toBe(early);
  });
});
