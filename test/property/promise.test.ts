/**
 * The promise theorem of the scheduler: where batches take exactly what the curve says, nobody who was admitted with a
 * deadline is late, whatever comes and whoever goes. With it: no free lane while something waits for it, every request ends
 * exactly once, and the door refuses nobody who would be taken, and who is refused for want of time is told of a finish that
 * is too late, and when to come again. Who stood by and gave way is not late, and not served either.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlanQueue } from '../../src/batching/plan-queue.ts';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import type { Batch, Refusal } from '../../src/batching/travel.ts';
import type { Curve, CurvePoint } from '../../src/core/scheduling.ts';
import { BareRequest } from '../support/traveller.ts';

const SEED = Number(process.env.SEED ?? 20_261_125);
const RUNS = Number(process.env.RUNS ?? 2_000);
console.log(`SEED=${SEED}`);

/** The truth, known from the start; nothing can be learned of it. */
class KnownCurve implements Curve {
  readonly revision = 0;
  readonly spread = 0;
  readonly shifts = 0;
  readonly ignored = 0;
  readonly mostRows: number;
  readonly #us: (rows: number) => number;

  constructor(mostRows: number, us: (rows: number) => number) {
    this.mostRows = Math.max(1, mostRows);
    this.#us = us;
  }

  at(rows: number): number {
    return this.#us(Math.max(1, rows));
  }

  observe(): void {}

  knownAbove(rows: number): number {
    return rows < this.mostRows ? rows + 1 : 0;
  }

  points(): readonly (CurvePoint & { readonly batches: number })[] {
    return [];
  }
}

class Visitor extends BareRequest {
  ends = 0;
  readonly queue: number;

  constructor({ queue, rows, shape, tenant, priority }: Arrival, arrivalUs: number, deadlineUs: number) {
    super({ rows, shapeKey: `s${shape}`, tenant: `t${tenant}`, priority, arrivalUs, deadlineUs });
    this.queue = queue;
  }
}

interface Arrival {
  readonly gapUs: number;
  readonly queue: number;
  readonly rows: number;
  /** Time it has, in times of a batch of its rows alone; 0 = it names no deadline. */
  readonly patience: number;
  readonly shape: number;
  readonly tenant: number;
  readonly priority: number;
  /** After it has come, so many earlier ones back somebody leaves; 0 = nobody. */
  readonly leaves: number;
}

interface Model {
  readonly maxBatchRows: number;
  readonly oneUs: number;
  readonly rowUs: number;
  /** Rows of a tile; times rise in steps of it. */
  readonly tile: number;
  readonly sloUs: number;
  /** Lanes as bits. */
  readonly lanes: number;
  /** Which of them it names first. */
  readonly first: number;
}

interface Scenario {
  readonly lanes: number;
  readonly models: readonly Model[];
  readonly arrivals: readonly Arrival[];
  /** Whether the scheduler is asked for batches after every event, or once all events of a moment have been told. */
  readonly eager: boolean;
}

/** Plays a scenario; every event of it at whole microseconds. */
class Play {
  readonly #scheduler: PlanScheduler<Visitor>;
  readonly #queues: PlanQueue<Visitor>[];
  readonly #endUs: number[];
  readonly #running: (Batch<Visitor, PlanQueue<Visitor>> | null)[];
  readonly #eager: boolean;
  readonly visitors: Visitor[] = [];
  admitted = 0;
  /** Of these, who stood by and gave way. */
  displaced = 0;
  readonly late: string[] = [];
  readonly idle: string[] = [];
  /** Refused at the door, and taken when they came all the same. */
  readonly wronged: string[] = [];
  /** Told of a finish that would have been in time, or to come again at once. */
  readonly misled: string[] = [];

  constructor(scenario: Scenario) {
    const { lanes } = scenario;
    this.#eager = scenario.eager;
    this.#scheduler = new PlanScheduler<Visitor>(lanes);
    this.#running = new Array(lanes).fill(null);
    this.#endUs = new Array(lanes).fill(Number.POSITIVE_INFINITY);
    const all = Array.from({ length: lanes }, (_, lane) => lane);
    this.#queues = scenario.models.map((model) => {
      const chosen = all.filter((lane) => (model.lanes >> lane) & 1);
      const own = chosen.length > 0 ? chosen : all;
      const us = (rows: number) => model.oneUs + model.rowUs * (Math.ceil(rows / model.tile) * model.tile - 1);
      return this.#scheduler.open({
        maxBatchRows: model.maxBatchRows,
        lanes: own.map((_, i) => own[(i + model.first) % own.length] as number),
        queueRows: 1e6,
        queueBytes: 1e6,
        sloUs: model.sloUs,
        curve: new KnownCurve(model.maxBatchRows, us),
      });
    });
  }

  run(arrivals: readonly Arrival[]): this {
    let nowUs = 1000;
    for (const arrival of arrivals) {
      this.#until(nowUs + arrival.gapUs, arrival.gapUs > 0);
      nowUs += arrival.gapUs;
      this.#arrive(arrival, nowUs);
      if (this.#eager) this.#dispatch(nowUs);
    }
    this.#dispatch(nowUs);
    this.#until(Number.MAX_SAFE_INTEGER, true);
    return this;
  }

  /** What ends until then, itself included; at each moment the ends first. */
  #until(untilUs: number, dispatch: boolean): void {
    if (dispatch && !this.#eager) this.#dispatch(this.#nowUs);
    for (;;) {
      const nowUs = Math.min(...this.#endUs);
      if (!(nowUs <= untilUs)) return;
      this.#nowUs = nowUs;
      for (let lane = 0; lane < this.#endUs.length; lane++) {
        if (this.#endUs[lane] !== nowUs) continue;
        this.#finish(lane, nowUs);
        if (this.#eager) this.#dispatch(nowUs);
      }
      if (nowUs < untilUs) this.#dispatch(nowUs);
    }
  }

  #nowUs = 1000;

  #arrive(arrival: Arrival, nowUs: number): void {
    this.#nowUs = nowUs;
    const queue = this.#queues[arrival.queue % this.#queues.length] as PlanQueue<Visitor>;
    const ownUs = queue.spec.curve.at(arrival.rows);
    const leftUs = arrival.patience === 0 ? Number.POSITIVE_INFINITY : Math.floor(ownUs * arrival.patience);
    const visitor = new Visitor(arrival, nowUs, nowUs + leftUs);
    this.visitors.push(visitor);
    const known = queue.flows.known(visitor.tenant, visitor.priority) !== null;
    const { tenant, rows, deadlineUs } = visitor;
    const turnedAway = !this.#takes(this.#scheduler.foresee(queue, tenant, rows, 1, deadlineUs, nowUs), nowUs);
    const taken = this.#takes(this.#scheduler.arrive(queue, visitor, nowUs), nowUs);
    // Who asks again may be the next of a crowd to stand by.
    const standsBy = (visitor.place as { firm?: unknown } | null)?.firm === null;
    if (known && turnedAway && taken && !standsBy) this.wronged.push(`request ${this.visitors.length - 1} at ${nowUs}`);
    if (taken) this.admitted++;
    else visitor.ends++;
    const leaving = arrival.leaves > 0 ? this.visitors.at(-1 - arrival.leaves) : undefined;
    if (leaving?.state !== 'WAITING') return;
    this.#scheduler.cancel(leaving);
    leaving.ends++;
  }

  /** Whether that is no refusal; one for want of time must name a time that is too late, and when to come again. */
  #takes(refusal: Refusal | null, nowUs: number): boolean {
    if (refusal === null) return true;
    const { kind, predictedUs, leftUs, retryAfterUs } = refusal;
    if (kind !== 'busy' || (predictedUs > leftUs && retryAfterUs > 0)) return false;
    this.misled.push(
      `request ${this.visitors.length - 1} at ${nowUs}: in ${predictedUs} of ${leftUs}, again in ${retryAfterUs}`,
    );
    return false;
  }

  #dispatch(nowUs: number): void {
    const expired: Visitor[] = [];
    const displaced: Visitor[] = [];
    // What ends at its deadline is in time: nobody looks at deadlines before all ends of the moment have been told.
    if (!this.#endUs.includes(nowUs)) this.#scheduler.sweep(nowUs, expired);
    for (;;) {
      const batch = this.#scheduler.next(nowUs, expired, displaced);
      if (batch === null) break;
      this.#running[batch.lane] = batch;
      this.#endUs[batch.lane] = nowUs + batch.queue.spec.curve.at(batch.rows);
    }
    for (const visitor of expired) this.#end(visitor, `given up at ${nowUs}`);
    this.displaced += displaced.length;
    for (const visitor of displaced) this.#end(visitor, '');
    for (const queue of this.#queues) {
      const lane = queue.lanes.find((lane) => this.#running[lane] === null);
      if (lane !== undefined && queue.length > 0) this.idle.push(`lane ${lane} at ${nowUs}`);
    }
  }

  #finish(lane: number, nowUs: number): void {
    const batch = this.#running[lane] as Batch<Visitor, PlanQueue<Visitor>>;
    this.#running[lane] = null;
    this.#endUs[lane] = Number.POSITIVE_INFINITY;
    for (const visitor of batch.requests) {
      if (visitor.state === 'RUNNING') this.#end(visitor, nowUs > visitor.deadlineUs ? `finished at ${nowUs}` : '');
    }
    this.#scheduler.finish(batch, nowUs, true);
  }

  #end(visitor: Visitor, late: string): void {
    visitor.ends++;
    visitor.state = 'ENDED';
    const index = this.visitors.indexOf(visitor);
    if (late !== '')
      this.late.push(`request ${index}, come at ${visitor.arrivalUs}, due at ${visitor.deadlineUs}: ${late}`);
  }
}

const model = fc.record<Model>({
  maxBatchRows: fc.constantFrom(0, 1, 4, 13, 32),
  oneUs: fc.integer({ min: 20, max: 400 }),
  rowUs: fc.constantFrom(0, 1, 4, 20, 100),
  tile: fc.constantFrom(1, 1, 4, 8),
  sloUs: fc.constantFrom(0, 500, 3000),
  lanes: fc.integer({ min: 0, max: 15 }),
  first: fc.nat(3),
});

function arrival(patience: readonly number[], tenants: number): fc.Arbitrary<Arrival> {
  return fc.record<Arrival>({
    gapUs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 150 })),
    queue: fc.nat(1),
    rows: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 9 }) }),
    patience: fc.oneof(
      fc.constantFrom(...patience),
      fc.integer({ min: 10, max: 120 }).map((tenths) => tenths / 10),
    ),
    shape: fc.constantFrom(0, 0, 0, 1),
    tenant: fc.nat(tenants - 1),
    priority: fc.integer({ min: 1, max: 3 }),
    leaves: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }) },
    ),
  });
}

/** Most of it from one tenant, all of it patient enough for a long plan. */
const flood = fc.record<Scenario>({
  lanes: fc.integer({ min: 1, max: 3 }),
  models: fc.array(
    model.map((one) => ({ ...one, maxBatchRows: Math.max(4, one.maxBatchRows), sloUs: 0, lanes: 15 })),
    { minLength: 1, maxLength: 1 },
  ),
  arrivals: fc.array(
    fc
      .tuple(arrival([20, 60], 1), fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
      .map(([one, tenant]) => ({ ...one, gapUs: one.gapUs >> 1, tenant })),
    { minLength: 100, maxLength: 250, size: 'max' },
  ),
  eager: fc.boolean(),
});

function scenario(models: number, everywhere: boolean, patience: readonly number[], tenants: number) {
  const lanes = everywhere ? model.map((one) => ({ ...one, lanes: 15 })) : model;
  return fc.record<Scenario>({
    lanes: fc.integer({ min: 1, max: 4 }),
    models: fc.array(lanes, { minLength: models, maxLength: models }),
    arrivals: fc.array(arrival(patience, tenants), { minLength: 2, maxLength: 120, size: 'max' }),
    eager: fc.boolean(),
  });
}

describe.each([
  ['one model', scenario(1, true, [3], 1)],
  ['one model and best effort', scenario(1, true, [0, 0, 3], 1)],
  ['one model and several tenants', scenario(1, true, [0, 3], 3)],
  ['one model and a flood beside others', flood],
  ['two models on the same lanes', scenario(2, true, [3], 1)],
  ['two models on the same lanes and best effort', scenario(2, true, [0, 3], 3)],
  ['two models on lanes of their own and shared ones', scenario(2, false, [0, 3], 3)],
])(`%s, ${RUNS} runs from seed ${SEED}`, (_, scenarios) => {
  test('nobody admitted is late, no lane is idle while somebody waits for it, everybody ends once', () => {
    let kept = 0;
    fc.assert(
      fc.property(scenarios, (drawn) => {
        const play = new Play(drawn).run(drawn.arrivals);
        kept += play.admitted - play.displaced;
        expect(play.late).toEqual([]);
        expect(play.idle).toEqual([]);
        expect(play.wronged).toEqual([]);
        expect(play.misled).toEqual([]);
        expect(play.visitors.filter(({ ends }) => ends !== 1)).toEqual([]);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    expect(kept).toBeGreaterThan(10 * RUNS);
  }, 20_000);
});
