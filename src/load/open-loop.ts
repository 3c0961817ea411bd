/**
 * An open loop: requests leave at times drawn ahead, whatever the server does, and their latency counts from those times.
 * This is the driver of the schedule: it owns the clock's turns and the connections, and decides nothing about order.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, systemClock } from '../core/clock.ts';
import { arrivals } from './arrivals.ts';
import { NONE } from './chains.ts';
import { Connection, type ConnectionOwner, encodeRequest, type Failure } from './connection.ts';
import type { LoadFigures, LoadPlan } from './figures.ts';
import type { Progress } from './progress.ts';
import { DOWN, Schedule } from './schedule.ts';
import { Tally } from './tally.ts';
import { busySince, Turns } from './turns.ts';

/** Most connections of a load. */
export const MAX_CONNECTIONS = 10_000;
/** Most requests of one run: counting what a dead server left over must end too. */
export const MAX_ARRIVALS = 100_000_000;
/** Time between the end of the sending and the end of the run: what has no answer then is unanswered. */
const DEFAULT_DRAIN_MS = 10_000;
/** How long connections are opened before the first arrival; those that are not open then are opened by requests. */
const WARM_UP_MS = 5000;
/** Opened at once: fewer than a server lets wait to be accepted. */
const WARM_UP_WIDTH = 100;
/** An answer that is not whole by then will not come. */
const DEFAULT_TIMEOUT_MS = 10_000;
/** How often too old requests are looked for, and how often progress is told. */
const WATCH_MS = 20;
const PROGRESS_US = 1_000_000;
/** One read of a socket: the more it takes, the fewer a large answer needs. */
const READ_BUFFER_BYTES = 64 * 1024;

/** What a run may be given besides its plan. */
export interface OpenLoopOptions {
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the sending; what is on connections is awaited, what still waits for one is unanswered. */
  readonly signal?: AbortSignal;
  /** For one answer, from when its request was written; 10 s where it is not given. */
  readonly timeoutMs?: number;
  /** For those that have no answer when the last arrival was due, waiting ones included; 10 s where it is not given. */
  readonly drainMs?: number;
  readonly clock?: Clock;
}

/**
 * Sends what the plan says. `server` of the figures is null: who asks the server fills it.
 * Every arrival is counted once: those due are `ok + late + refused + errors + unanswered`.
 * @throws RangeError where the plan is impossible; never for anything a server does
 */
export async function runOpenLoop(plan: LoadPlan, options: OpenLoopOptions = {}): Promise<LoadFigures> {
  check(plan);
  const run = new OpenLoop(plan, options);
  await run.warmUp();
  return run.run();
}

function check({ loop, requests, connections, durationS }: LoadPlan): void {
  if (loop.kind !== 'open') throw new RangeError('an open loop needs a rate');
  if (requests.length === 0) throw new RangeError('a load needs at least one request');
  if (!(Number.isInteger(connections) && connections >= 1 && connections <= MAX_CONNECTIONS)) {
    throw new RangeError(`connections must be 1 to ${MAX_CONNECTIONS}, and are ${connections}`);
  }
  if (!(durationS > 0)) throw new RangeError(`a load must last longer than ${durationS} s`);
  if (loop.rate * durationS > MAX_ARRIVALS) throw new RangeError(`a run has at most ${MAX_ARRIVALS} requests`);
}

class OpenLoop implements ConnectionOwner {
  readonly #plan: LoadPlan;
  readonly #options: OpenLoopOptions;
  readonly #clock: Clock;
  readonly #timeoutUs: number;
  readonly #drainUs: number;
  readonly #schedule: Schedule;
  readonly #tally: Tally;
  readonly #wires: readonly Buffer[];
  readonly #connections: readonly Connection[];
  /** When the answer began, by connection. */
  readonly #firstByteUs: Float64Array;
  /** One object for every answer: it is read at once. */
  readonly #times = { intendedUs: 0, readyUs: 0, firstByteUs: 0, endUs: 0 };
  readonly #turns: Turns;
  /** Of the clock; no time passes before it is known. */
  #startUs = Number.POSITIVE_INFINITY;
  /** End of the sending, from the start. */
  #endUs: number;
  /** Arrivals of the run that were never given out. */
  #unsent = 0;
  #toldUs = 0;
  /** What this machine ran out of; empty for nothing. */
  #shortage = '';
  #loopBefore = performance.eventLoopUtilization();
  /** Over the sending; null before its end. */
  #busy: number | null = null;
  #finish: () => void = () => undefined;

  constructor(plan: LoadPlan, options: OpenLoopOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timeoutUs = (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) * 1000;
    this.#drainUs = (options.drainMs ?? DEFAULT_DRAIN_MS) * 1000;
    this.#endUs = plan.durationS * 1e6;
    const { rate, arrivals: kind } = plan.loop as Extract<LoadPlan['loop'], { kind: 'open' }>;
    this.#schedule = new Schedule(arrivals(kind, rate, plan.seed), plan.connections, this.#endUs);
    this.#tally = new Tally(plan.deadlineMs, this.#endUs);
    this.#wires = plan.requests.map((request) => encodeRequest(plan.origin, request));
    const read = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const indices = Array.from({ length: plan.connections }, (_, i) => i);
    this.#connections = indices.map((i) => new Connection(i, plan.origin, read, this));
    this.#firstByteUs = new Float64Array(plan.connections);
    this.#turns = new Turns(this.#clock, () => this.#move());
  }

  /** Opens the connections, some at once, for a bounded time. */
  async warmUp(): Promise<void> {
    const left = this.#connections.values();
    let over = false;
    const opener = async () => {
      for (const connection of left) {
        if (over || this.#options.signal?.aborted) return;
        const open = await connection.warmUp();
        if (open && !over) this.#schedule.opened(connection.index, 0);
      }
    };
    const timer = new AbortController();
    const { signal } = this.#options;
    const ends = signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]);
    const patience = delay(WARM_UP_MS, undefined, { signal: ends }).catch(() => undefined);
    await Promise.race([Promise.all(Array.from({ length: WARM_UP_WIDTH }, opener)), patience]);
    over = true;
    timer.abort();
  }

  async run(): Promise<LoadFigures> {
    const { signal } = this.#options;
    const stop = () => this.#stop();
    const cpu = process.cpuUsage();
    this.#loopBefore = performance.eventLoopUtilization();
    this.#startUs = this.#clock.nowUs();
    signal?.addEventListener('abort', stop);
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    await new Promise<void>((resolve) => {
      this.#finish = resolve;
      if (signal?.aborted) stop();
      this.#move();
    });
    const { user, system } = process.cpuUsage(cpu);
    clearInterval(watch);
    signal?.removeEventListener('abort', stop);
    this.#turns.end();
    // Turns are measured by another clock than CPU.
    const figures = this.#figures(Math.max(user + system - this.#turns.idleUs, 0));
    for (const connection of this.#connections) connection.close();
    return figures;
  }

  read(): void {
    this.#turns.worked();
  }

  began(connection: Connection): void {
    this.#firstByteUs[connection.index] = this.#nowUs();
  }

  answered(connection: Connection, kept: boolean): void {
    const { index, answer } = connection;
    const times = this.#times;
    times.intendedUs = this.#schedule.intendedUs(index);
    times.readyUs = this.#schedule.readyUs(index);
    times.firstByteUs = this.#firstByteUs[index] as number;
    times.endUs = this.#nowUs();
    this.#tally.answered(answer, times);
    this.#schedule.ended(index, times.endUs, kept ? 'kept' : 'closed');
    this.#move();
  }

  failed(connection: Connection, failure: Failure): void {
    this.#tally.fail(failure);
    this.#schedule.ended(connection.index, this.#nowUs(), failure === 'connect' ? 'unreachable' : 'closed');
    this.#move();
  }

  lost(connection: Connection): void {
    this.#schedule.lost(connection.index, this.#nowUs());
  }

  short(code: string): void {
    this.#shortage = code;
  }

  #nowUs(): number {
    return Math.max(this.#clock.nowUs() - this.#startUs, 0);
  }

  /** Sends what is due, and sees to it that the loop comes back when the next is. */
  #move(): void {
    this.#turns.worked();
    let nowUs = this.#nowUs();
    for (let next = this.#schedule.due(nowUs); next !== NONE; next = this.#schedule.due(nowUs)) {
      if (next === DOWN) this.#tally.fail('connect');
      else this.#send(next, nowUs);
      nowUs = this.#nowUs();
    }
    if (this.#schedule.exhausted && this.#schedule.inFlight === 0) this.#finish();
    else this.#turns.until(this.#schedule.nextUs() - nowUs);
  }

  #send(index: number, nowUs: number): void {
    const wire = this.#wires[(this.#schedule.given - 1) % this.#wires.length] as Buffer;
    (this.#connections[index] as Connection).send(wire);
    this.#tally.wrote(nowUs - this.#schedule.readyUs(index));
  }

  /** What need not be punctual: answers that do not come, the end of patience, progress. */
  #watch(): void {
    const nowUs = this.#nowUs();
    if (nowUs >= this.#endUs) this.#sendingEnded();
    const oldestUs = nowUs - this.#timeoutUs;
    for (let c = this.#schedule.givenUntil(oldestUs); c !== NONE; c = this.#schedule.givenUntil(oldestUs)) {
      (this.#connections[c] as Connection).giveUp();
    }
    if (nowUs - this.#endUs > this.#drainUs) {
      this.#unsent += this.#schedule.abandon(this.#endUs);
      this.#finish();
    }
    if (nowUs - this.#toldUs < PROGRESS_US) return;
    this.#toldUs = nowUs;
    this.#options.onProgress?.(this.#progress(nowUs));
  }

  #sendingEnded(): number {
    this.#busy ??= busySince(this.#loopBefore, this.#turns.idleUs);
    return this.#busy;
  }

  #stop(): void {
    this.#sendingEnded();
    this.#endUs = Math.min(Math.max(this.#nowUs(), 1), this.#endUs);
    this.#tally.windowUs = this.#endUs;
    this.#unsent += this.#schedule.abandon(this.#endUs);
    this.#move();
  }

  #progress(nowUs: number): Progress {
    const { sent, ok, late, refused, failed, latency } = this.#tally;
    const { inFlight } = this.#schedule;
    const counts = { sent, ok, late, refused, failed, inFlight, waitingUs: this.#schedule.waitingUs(nowUs) };
    return { elapsedS: nowUs / 1e6, ...counts, p50: latency.at(0.5), p99: latency.at(0.99) };
  }

  #figures(cpuUs: number): LoadFigures {
    const due = this.#schedule.given + this.#unsent;
    const unanswered = this.#unsent + this.#schedule.inFlight;
    const busy = this.#sendingEnded();
    const facts = { durationS: this.#endUs / 1e6, due, unanswered, cpuUs, busy, shortage: this.#shortage };
    return this.#tally.figures(this.#plan, facts);
  }
}
