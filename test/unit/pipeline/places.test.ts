import { beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/core/clock.ts';
import type { Lane, RunResult, SessionInfo, SessionSpec } from '../../../src/core/instance.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import type { Curve } from '../../../src/core/scheduling.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Places } from '../../../src/pipeline/places.ts';
import type { Target } from '../../../src/pipeline/target.ts';
import { Usage } from '../../../src/pipeline/usage.ts';

const LOOK_US = 100_000;

interface Loading {
  readonly spec: SessionSpec;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/** A lane whose loads end when the test says so. */
class ScriptedLane implements Lane {
  readonly id: number;
  ready = true;
  readonly sessions = new Set<number>();
  readonly #loads: Loading[] = [];

  constructor(id: number) {
    this.id = id;
  }

  load(spec: SessionSpec): Promise<SessionInfo> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.sessions.add(spec.session);
        resolve({} as SessionInfo);
      };
      this.#loads.push({ spec, done, fail: reject });
    });
  }

  async unload(session: number): Promise<void> {
    this.sessions.delete(session);
  }

  run(): Promise<RunResult> {
    throw new Error('these tests run nothing');
  }

  /** Sessions being loaded. */
  get loading(): number[] {
    return this.#loads.map(({ spec }) => spec.session);
  }

  async loaded(error?: Error): Promise<void> {
    const { done, fail } = this.#loads.shift() as Loading;
    if (error === undefined) done();
    else fail(error);
    await settled();
  }
}

/** Every promise that can be kept now has been. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

let nowUs = 0;
const clock: Clock = { nowUs: () => nowUs };
let lanes: ScriptedLane[] = [];
let usage: Usage[] = [];
let places: Places;
let told: string[] = [];
let failures: string[] = [];
let runs: string[] = [];

beforeEach(() => {
  nowUs = 0;
  told = [];
  failures = [];
  runs = [];
  lanes = [0, 1, 2, -1].map((id) => new ScriptedLane(id));
  usage = lanes.map(() => new Usage());
  const setLanes = (queue: object, on: readonly number[], batchRows: number) => {
    Object.assign(queue, { lanes: on, batchRows });
  };
  places = new Places({
    clock,
    driver: { setLanes, lanes: () => lanes.map(({ ready }) => ({ up: ready, batch: null })) },
    lanes,
    usage,
    onMoved: ({ model, facts }) => told.push(`${model} ${facts.placement} x${facts.instances}`),
    onFailed: ({ model }, lane, error) => failures.push(`${model} ${lane} ${(error as Error).message}`),
  });
});

/** A version in service at `homes`. */
function serve(model: string, session: number, homes: number[], max: number, curve: Curve | null = null): Target {
  const placement = homes[0] === 3 ? 'inline' : 'worker';
  const facts = { placement, maxBatchSize: 64, batchRows: 16, measuredRows: 32 } as ServedFacts;
  const queue = { lanes: homes, batchRows: 64, length: 0, refused: 0, displaced: 0 };
  const metrics = new TargetMetrics();
  const target = { model, session, facts, queue, metrics, usage: new Usage() } as unknown as Target;
  for (const home of homes) lanes[home]?.sessions.add(session);
  const warm = async (lane: number) => {
    runs.push(`${model} on ${lane}`);
    return 10_000;
  };
  const spec = { session } as SessionSpec;
  places.add({ target, spec, homes, range: { min: 1, max }, hopUs: 0, curve, warm });
  return target;
}

/** A batch of it runs for a while and others wait for it. */
function waits(target: Target): void {
  target.usage.began(nowUs);
  nowUs += LOOK_US;
  target.usage.ended(nowUs - LOOK_US, nowUs, true);
}

async function looks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    nowUs += LOOK_US;
    places.look();
    await settled();
  }
}

describe('an instance', () => {
  test('is loaded at once where somebody waited, has run before it counts, and goes after a rest', async () => {
    const target = serve('m', 1, [0], 2);
    waits(target);
    expect(lanes[1]?.loading).toEqual([1]);
    expect([target.queue.lanes, told, runs]).toEqual([[0], [], []]);
    await lanes[1]?.loaded();
    expect([target.queue.lanes, told, runs]).toEqual([[0, 1], ['m worker x2'], ['m on 1']]);
    await looks(98);
    expect(target.queue.lanes).toEqual([0, 1]);
    await looks(3);
    expect([target.queue.lanes, told.at(-1)]).toEqual([[0], 'm worker x1']);
    expect([...(lanes[1] as ScriptedLane).sessions]).toEqual([]);
  });

  test.each(['refused', 'displaced'] as const)('is added where somebody was %s', async (counted) => {
    const { queue } = serve('m', 1, [0], 2);
    Object.assign(queue, { [counted]: 1 });
    await looks(1);
    expect(lanes[1]?.loading).toEqual([1]);
  });

  test('is not added for who was refused elsewhere, as pictures are where decoders are busy', async () => {
    const { metrics } = serve('m', 1, [0], 3);
    for (let i = 0; i < 10; i++) {
      metrics.error('OVERLOADED');
      await looks(1);
    }
    expect(lanes.map(({ loading }) => loading.length)).toEqual([0, 0, 0, 0]);
  });

  test('is put on the idlest lane, and of those that are idle on the one with fewer sessions', async () => {
    serve('a', 1, [1], 1);
    usage[2]?.began(0);
    const target = serve('b', 2, [0], 3);
    await looks(1);
    waits(target);
    expect(lanes.map(({ loading }) => loading.length)).toEqual([0, 1, 0, 0]);
    await lanes[1]?.loaded();
    expect(target.queue.lanes).toEqual([0, 1]);
  });

  test('that cannot be loaded changes nothing and is tried again later, ever more rarely', async () => {
    const target = serve('m', 1, [0], 2);
    const tries: number[] = [];
    for (let i = 0; i < 100; i++) {
      waits(target);
      places.look();
      if (lanes[1]?.loading.length === 0) continue;
      tries.push(Math.round(nowUs / LOOK_US));
      await lanes[1]?.loaded(new Error('no'));
    }
    expect(tries).toEqual([1, 11, 31, 71]);
    expect([target.queue.lanes, told, failures.length]).toEqual([[0], [], 4]);
  });

  test('is not put on a lane without a thread', async () => {
    const target = serve('m', 1, [0], 3);
    (lanes[1] as ScriptedLane).ready = false;
    waits(target);
    expect(lanes.map(({ loading }) => loading.length)).toEqual([0, 0, 1, 0]);
  });

  test('takes the place of one whose lane has lost its thread', async () => {
    const target = serve('m', 1, [0], 3);
    (lanes[0] as ScriptedLane).ready = false;
    await looks(1);
    await lanes[1]?.loaded();
    expect(target.queue.lanes).toEqual([0, 1]);
    (lanes[0] as ScriptedLane).ready = true;
    await looks(101);
    expect(target.queue.lanes.length).toBe(1);
  });
});

describe('while a lane loads', () => {
  test('who has another one goes round it, and who has none stays', async () => {
    const two = serve('two', 1, [0, 1], 2);
    const one = serve('one', 2, [1], 1);
    const failing = expect(places.load(1, { session: 9 } as SessionSpec)).rejects.toThrow('no');
    expect([two.queue.lanes, one.queue.lanes]).toEqual([[0], [1]]);
    void places.load(0, { session: 8 } as SessionSpec);
    expect(two.queue.lanes).toEqual([0, 1]);
    await lanes[0]?.loaded();
    expect(two.queue.lanes).toEqual([0]);
    await lanes[1]?.loaded(new Error('no'));
    await failing;
    expect(two.queue.lanes).toEqual([0, 1]);
  });
});

describe('a version', () => {
  const curve = (us: () => number): Curve => ({
    at: us,
    observe: () => undefined,
    knownAbove: () => 0,
    mostRows: 64,
    revision: 0,
    spread: 0,
    shifts: 0,
    ignored: 0,
    points: () => [],
  });

  test('moves off the front thread and back; it is loaded there before it leaves here', async () => {
    let us = 100;
    const target = serve(
      'm',
      1,
      [3],
      2,
      curve(() => us),
    );
    await looks(20);
    expect(told).toEqual([]);
    us = 600;
    await looks(11);
    expect([lanes[0]?.loading, target.queue.lanes]).toEqual([[1], [3]]);
    await lanes[0]?.loaded();
    expect([target.queue.lanes, target.queue.batchRows, told.at(-1)]).toEqual([[0], 64, 'm worker x1']);
    expect([...(lanes[3] as ScriptedLane).sessions]).toEqual([]);
    us = 50;
    await looks(11);
    await lanes[3]?.loaded();
    expect([target.queue.lanes, target.queue.batchRows, told.at(-1)]).toEqual([[3], 64, 'm inline x1']);
    expect([...(lanes[0] as ScriptedLane).sessions]).toEqual([]);
  });

  test('stays where it is while it cannot be loaded elsewhere', async () => {
    const target = serve(
      'm',
      1,
      [3],
      2,
      curve(() => 5_000),
    );
    await looks(11);
    await lanes[0]?.loaded(new Error('no'));
    expect([target.queue.lanes, told, failures]).toEqual([[3], [], ['m 0 no']]);
    expect([...(lanes[3] as ScriptedLane).sessions]).toEqual([1]);
    await looks(12);
    await lanes[0]?.loaded();
    expect(target.queue.lanes).toEqual([0]);
  });

  test('is not moved any more when the process ends, which waits for the move under way', async () => {
    const [first, second] = [serve('a', 1, [0], 3), serve('b', 2, [0], 3)];
    waits(first);
    let ended = false;
    const end = places.stop().then(() => {
      ended = true;
    });
    waits(second);
    await looks(2);
    expect(lanes.map(({ loading }) => loading)).toEqual([[], [1], [], []]);
    expect(ended).toBe(false);
    await lanes[1]?.loaded();
    await end;
  });
});
