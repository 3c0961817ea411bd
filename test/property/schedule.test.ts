import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NONE } from '../../src/load/chains.ts';
import { DOWN, type Fate, Schedule } from '../../src/load/schedule.ts';
import { given, play } from '../support/virtual-run.ts';

const RUNS = 400;

const gaps = fc.array(fc.oneof(fc.nat(30), fc.nat(300)), { minLength: 1, maxLength: 120 });

/** Rising times from gaps; gaps of 0 are arrivals at one moment. */
function rising(steps: readonly number[]): number[] {
  let sum = 0;
  return steps.map((gap) => {
    sum += gap;
    return sum;
  });
}

/** What each arrival waits where `servers` serve in order of arrival (Lindley; Kiefer and Wolfowitz for several). */
function waits(times: readonly number[], services: readonly number[], servers: number): number[] {
  const freeUs = new Array<number>(servers).fill(0);
  return times.map((us, i) => {
    const first = freeUs.indexOf(Math.min(...freeUs));
    const startUs = Math.max(us, freeUs[first] as number);
    freeUs[first] = startUs + (services[i] as number);
    return startUs - us;
  });
}

function played(times: readonly number[], services: readonly number[], servers: number): number[] {
  const found: number[] = [];
  let at = 0;
  play(
    given(times),
    servers,
    () => services[at++] as number,
    (waitUs) => found.push(waitUs),
  );
  return found;
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('time' as const), us: fc.nat(400) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      pick: fc.nat(99),
      fate: fc.constantFrom<Fate>('kept', 'kept', 'closed', 'unreachable'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), pick: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const), us: fc.nat(150_000) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Drives a schedule with connections that end, break and close as they like, and checks every answer of it. */
class Model {
  readonly schedule: Schedule;
  readonly times: readonly number[];
  readonly busy = new Map<number, number>();
  readonly free = new Set<number>();
  nowUs = 0;
  next = 0;

  constructor(times: readonly number[], connections: number) {
    this.times = times;
    this.schedule = new Schedule(given(times), connections, Number.POSITIVE_INFINITY);
    for (let c = 0; c < connections; c += 2) this.#open(c);
  }

  apply(action: Step): void {
    if (action.kind === 'time' || action.kind === 'pause') this.nowUs += action.us;
    if (action.kind === 'end') this.#end(action.pick, action.fate);
    if (action.kind === 'lose') this.#lose(action.pick);
    this.#send();
  }

  #open(connection: number): void {
    this.schedule.opened(connection, this.nowUs);
    this.free.add(connection);
  }

  #end(pick: number, fate: Fate): void {
    const connection = [...this.busy.keys()][pick % this.busy.size];
    if (connection === undefined) return;
    this.busy.delete(connection);
    this.schedule.ended(connection, this.nowUs, fate);
    if (fate === 'kept') this.free.add(connection);
  }

  #lose(pick: number): void {
    const connection = [...this.free][pick % this.free.size];
    if (connection === undefined) return;
    this.free.delete(connection);
    this.schedule.lost(connection, this.nowUs);
  }

  #send(): void {
    for (;;) {
      const expected = this.schedule.nextUs();
      const connection = this.schedule.due(this.nowUs);
      expect(connection === NONE).toBe(expected > this.nowUs);
      if (connection === NONE) break;
      this.#check(connection);
    }
    expect(this.schedule.inFlight).toBe(this.busy.size);
    expect(this.schedule.given).toBe(this.next);
  }

  /** The arrival after the last one, on a connection that carries nothing; or none is left that could carry it. */
  #check(connection: number): void {
    const intended = this.times[this.next++] as number;
    if (connection === DOWN) {
      expect(this.busy.size + this.free.size).toBe(0);
      return;
    }
    expect(this.busy.has(connection)).toBe(false);
    expect(this.schedule.intendedUs(connection)).toBe(intended);
    expect(this.schedule.readyUs(connection)).toBeGreaterThanOrEqual(intended);
    expect(this.schedule.readyUs(connection)).toBeLessThanOrEqual(this.nowUs);
    if (this.free.size > 0) expect(this.free.has(connection)).toBe(true);
    this.free.delete(connection);
    this.busy.set(connection, intended);
  }
}

describe('the schedule of an open loop', () => {
  test('waits are those of the recursion, exactly, for any arrivals, services and connections', () => {
    const property = fc.property(
      gaps,
      fc.integer({ min: 1, max: 9 }),
      fc.infiniteStream(fc.nat(500)),
      (steps, n, stream) => {
        const times = rising(steps);
        const services = times.map(() => stream.next().value as number);
        expect(played(times, services, n)).toEqual(waits(times, services, n));
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });

  test('a stall is in the waits of all that arrive meanwhile', () => {
    const times = rising(new Array<number>(2000).fill(1000));
    const services = times.map((_, i) => (i === 500 ? 1_000_000 : 100));
    const found = played(times, services, 1);
    expect(Math.max(...found)).toBe(999_000);
    expect(found.filter((us) => us > 500_000).length).toBeGreaterThan(500);
    expect(found[499]).toBe(0);
    expect(found.at(-1)).toBe(0);
  });

  test('every arrival is given out once and in order, whatever connections do, and never on a busy one', () => {
    const property = fc.property(
      gaps,
      fc.integer({ min: 1, max: 6 }),
      fc.array(step, { maxLength: 200 }),
      (raw, n, steps) => {
        const model = new Model(rising(raw), n);
        for (const action of steps) model.apply(action);
        expect(model.schedule.given + model.schedule.abandon()).toBe(raw.length);
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });
});
