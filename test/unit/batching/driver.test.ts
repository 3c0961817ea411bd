import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Driver, type Passage } from '../../../src/batching/driver.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import type { Batch, Queue, Traveller, TravelState } from '../../../src/batching/travel.ts';
import { type Lane, RunError, type RunRequest, type RunResult } from '../../../src/core/instance.ts';
import { knownCurve } from '../../support/known-curve.ts';

class Request implements Traveller {
  readonly name: string;
  rows = 1;
  bytes = 4;
  shapeKey = '';
  arrivalUs = 0;
  deadlineUs = Number.POSITIVE_INFINITY;
  alone = false;
  attempts = 0;
  state: TravelState = 'NEW';
  place: unknown = null;
  flow: unknown = null;
  tenant = '';
  priority = 2;
  previous: this | null = null;
  next: this | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

/** A lane that runs for as long as the test wants. */
class ScriptedLane implements Lane {
  readonly id = 0;
  readonly ready = true;
  readonly waiting: { resolve: (result: RunResult) => void; reject: (error: RunError) => void }[] = [];

  load = () => Promise.reject(new Error('not scripted'));
  unload = () => Promise.resolve();
  run = (_request: RunRequest) =>
    new Promise<RunResult>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
    });
}

/** Writes down what becomes of everybody. */
class Diary implements Passage<Request> {
  readonly boarded: string[][] = [];
  readonly lines: string[] = [];
  broken = false;
  /** Requests of a batch that memory is left for. */
  room = Number.POSITIVE_INFINITY;

  board(batch: Batch<Request>): RunRequest {
    if (this.broken) throw new Error('cannot be put together');
    if (batch.requests.length > this.room) throw new RunError('OUT_OF_MEMORY', 'no block is left');
    this.boarded.push(batch.requests.map(({ name }) => name));
    return { session: 0, inputs: [], outputs: [] };
  }
  arrived(batch: Batch<Request>): void {
    for (const request of batch.requests) {
      if (request.state !== 'RUNNING') continue;
      request.state = 'ENDED';
      this.lines.push(`answered ${request.name}`);
    }
  }
  failed(request: Request, error: RunError): void {
    this.lines.push(`failed ${request.name} ${error.failure}`);
  }
  expired(request: Request): void {
    this.lines.push(`expired ${request.name}`);
  }
  displaced(request: Request): void {
    this.lines.push(`displaced ${request.name}`);
  }
  left(): void {}
}

/** A batch takes a hundred microseconds, however large it is. */
const SPEC = { lanes: [0], queueRows: 100, queueBytes: 1000, sloUs: 0, curve: knownCurve(() => 100) };
const RESULT: RunResult = { outputs: [], runUs: 1 };
const turn = () => new Promise((resolve) => setImmediate(resolve));
const tick = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('the driver', () => {
  let nowUs: number;
  let lane: ScriptedLane;
  let diary: Diary;
  let scheduler: PlanScheduler<Request>;
  let driver: Driver<Request>;
  let queue: Queue;
  let logged: string[];

  beforeEach(() => {
    nowUs = 0;
    lane = new ScriptedLane();
    diary = new Diary();
    logged = [];
    scheduler = new PlanScheduler(1);
    driver = new Driver({ nowUs: () => nowUs }, [lane], scheduler, diary, (_, { failure }) => logged.push(failure));
    queue = driver.open({ ...SPEC, maxBatchRows: 4 });
  });

  afterEach(() => driver.dispose());

  function submit(name: string, deadlineUs = Number.POSITIVE_INFINITY): Request {
    const request = new Request(name);
    request.deadlineUs = deadlineUs;
    expect(driver.submit(queue, request)).toBeNull();
    return request;
  }

  async function end(how: 'well' | RunError): Promise<void> {
    const run = lane.waiting.shift();
    if (how === 'well') run?.resolve(RESULT);
    else run?.reject(how);
    await tick();
  }

  it('starts a lone request at the end of its tick', async () => {
    submit('a');
    await turn();
    expect(diary.boarded).toEqual([['a']]);
  });

  it('looks at the sockets again while each look brings several, at most four times', async () => {
    queue = driver.open({ ...SPEC, maxBatchRows: 100 });
    for (let look = 0; look < 4; look++) {
      submit(`${look}a`);
      submit(`${look}b`);
      expect(diary.boarded).toEqual([]);
      await turn();
    }
    expect(diary.boarded).toEqual([['0a', '0b', '1a', '1b', '2a', '2b', '3a', '3b']]);
  });

  it('lets the requests of one loop tick travel together, up to the cap, without a delay', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) submit(name);
    expect(diary.boarded).toEqual([]);
    await tick();
    expect(diary.boarded).toEqual([['a', 'b', 'c', 'd']]);
    submit('f');
    await end('well');
    expect(diary.boarded).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f'],
    ]);
  });

  it('starts a lone request at the end of its tick: nobody is waited for', async () => {
    submit('a');
    await tick();
    expect(diary.boarded).toEqual([['a']]);
  });

  it('never runs a request whose deadline passed while it waited, nor one whose client has gone', async () => {
    submit('running');
    await tick();
    submit('late', 10_000);
    const gone = submit('gone');
    submit('patient');
    nowUs = 10_000;
    driver.cancel(gone);
    await end('well');
    expect(diary.boarded).toEqual([['running'], ['patient']]);
    expect(diary.lines).toEqual(['answered running', 'expired late']);
  });

  it('tells of a deadline while the model is busy, and does not answer again when it is done', async () => {
    submit('running', 10_000);
    await tick();
    submit('waiting', 10_000);
    nowUs = 10_000;
    // The one thing here that is real time: the coarse sweep.
    while (diary.lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(diary.lines.sort()).toEqual(['expired running', 'expired waiting']);
    await end('well');
    expect(diary.lines).toHaveLength(2);
    expect(diary.boarded).toEqual([['running']]);
  });

  it('runs a batch that failed again one by one, and only the guilty one fails', async () => {
    for (const name of ['a', 'guilty', 'c']) submit(name);
    await tick();
    await end(new RunError('EXECUTION_FAILED', 'no'));
    await end('well');
    await end(new RunError('EXECUTION_FAILED', 'no'));
    await end('well');
    expect(diary.boarded).toEqual([['a', 'guilty', 'c'], ['a'], ['guilty'], ['c']]);
    expect(diary.lines).toEqual(['answered a', 'failed guilty EXECUTION_FAILED', 'answered c']);
  });

  it('does not run a lone request again that the model refused', async () => {
    submit('guilty');
    await tick();
    await end(new RunError('EXECUTION_FAILED', 'no'));
    expect(diary.lines).toEqual(['failed guilty EXECUTION_FAILED']);
    expect(diary.boarded).toHaveLength(1);
  });

  it('gives a request whose thread died one more try, and not two', async () => {
    submit('a');
    await tick();
    await end(new RunError('INSTANCE_LOST', 'died'));
    await end(new RunError('INSTANCE_LOST', 'died'));
    expect(diary.boarded).toEqual([['a'], ['a']]);
    expect(diary.lines).toEqual(['failed a INSTANCE_LOST']);
  });

  it('ends what waits for a lane that stays away, takes nothing meanwhile, and goes on when it is back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const told: boolean[] = [];
      queue = driver.open({ ...SPEC, maxBatchRows: 4 }, (lost) => told.push(lost));
      driver.laneChanged(0, false);
      submit('waits');
      vi.advanceTimersByTime(1_900);
      expect(diary.lines).toEqual([]);
      vi.advanceTimersByTime(200);
      expect([diary.lines, told]).toEqual([['failed waits INSTANCE_LOST'], [true]]);
      expect(driver.foresee(queue, '', 1, 4, Number.POSITIVE_INFINITY, nowUs)?.kind).toBe('lost');
      expect(driver.submit(queue, new Request('refused'))?.kind).toBe('lost');
      await driver.idle();
      driver.laneChanged(0, true);
      expect(told).toEqual([true, false]);
      submit('b');
      await tick();
      expect(diary.boarded).toEqual([['b']]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('loses nothing to a lane that is back in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      driver.laneChanged(0, false);
      submit('a');
      vi.advanceTimersByTime(1_900);
      driver.laneChanged(0, true);
      vi.advanceTimersByTime(5_000);
      await tick();
      expect(diary.boarded).toEqual([['a']]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('does not run again for a caller who went away meanwhile', async () => {
    const gone = submit('gone');
    submit('b');
    await tick();
    driver.cancel(gone);
    await end(new RunError('INSTANCE_LOST', 'died'));
    await end('well');
    expect(diary.boarded).toEqual([['gone', 'b'], ['b']]);
    expect(diary.lines).toEqual(['answered b']);
  });

  it('gives a lane that lost its thread no work until it is back', async () => {
    driver.laneChanged(0, false);
    submit('a');
    await tick();
    expect(diary.boarded).toEqual([]);
    driver.laneChanged(0, true);
    await tick();
    expect(diary.boarded).toEqual([['a']]);
  });

  it('fails a batch that cannot be put together, and goes on with the next', async () => {
    diary.broken = true;
    submit('a');
    await tick();
    expect(diary.lines).toEqual(['failed a EXECUTION_FAILED']);
    diary.broken = false;
    submit('b');
    await tick();
    await end('well');
    expect(diary.lines).toEqual(['failed a EXECUTION_FAILED', 'answered b']);
  });

  it('runs those one by one whose batch finds no memory, and refuses at once who finds none alone', async () => {
    diary.room = 1;
    submit('a');
    submit('b');
    await tick();
    await tick();
    await end('well');
    await end('well');
    expect(diary.boarded).toEqual([['a'], ['b']]);
    expect(diary.lines).toEqual(['answered a', 'answered b']);
    diary.room = 0;
    submit('c');
    await tick();
    expect(diary.lines.slice(2)).toEqual(['failed c OUT_OF_MEMORY']);
    expect(logged).toEqual([]);
  });

  it('is idle when nothing waits and nothing runs', async () => {
    let idle = false;
    submit('a');
    await tick();
    void driver.idle().then(() => {
      idle = true;
    });
    await tick();
    expect(idle).toBe(false);
    await end('well');
    expect(idle).toBe(true);
    await driver.idle();
  });

  it('is idle once the last who waited was given up, or has gone', async () => {
    driver.laneChanged(0, false);
    const gone = submit('gone');
    await tick();
    const once = driver.idle();
    driver.cancel(gone);
    await once;
    driver.laneChanged(0, true);
    submit('late', 10_000);
    driver.laneChanged(0, false);
    await tick();
    const again = driver.idle();
    nowUs = 10_000;
    await again;
    expect(diary.lines).toEqual(['expired late']);
  });

  it('asks for no batch on behalf of who was refused', async () => {
    queue = driver.open({ ...SPEC, queueRows: 1, maxBatchRows: 1 });
    submit('runs');
    await tick();
    submit('waits');
    await tick();
    const next = vi.spyOn(scheduler, 'next');
    expect(driver.submit(queue, new Request('refused'))?.kind).toBe('queueRows');
    await tick();
    expect(next).not.toHaveBeenCalled();
  });
});
