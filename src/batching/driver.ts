/**
 * Gives a scheduler its time and its lanes: starts what may start at the end of each loop tick, hands results over, and
 * sweeps deadlines. Knows nothing of tensors, what a batch is made of is its caller's; and nothing of who travels with whom.
 */

import type { Clock } from '../core/clock.ts';
import { type Lane, RunError, type RunRequest, type RunResult } from '../core/instance.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { Batch, Queue, QueueSpec, Refusal, Scheduler, Traveller } from './travel.ts';

/** How late a deadline may be noticed at most, milliseconds: one coarse timer serves them all. */
const SWEEP_MS = 5;

/**
 * How often the sockets are looked at before a batch starts, while each look brings several requests more. What already
 * lies in the kernel has arrived: taking it along costs a system call and no waiting.
 */
const MOST_LOOKS = 4;

/** A queue without a lane for longer than this is lost: its requests end, and none are taken until a lane is back. */
const LOST_MS = 2_000;

/** What the driver asks of whoever owns the requests. */
export interface Passage<T extends Traveller> {
  /** The batch as a run on this lane. @throws {RunError} where the batch cannot be put together */
  board(batch: Batch<T>): RunRequest;
  /** The run went well: every request of the batch that has not ended is to be answered. */
  arrived(batch: Batch<T>, result: RunResult): void;
  /** A request that will not be run (again): its run failed for good. */
  failed(request: T, error: RunError): void;
  /** A request whose deadline passed. */
  expired(request: T): void;
  /** A request that only stood by, refused for the sake of somebody who came. */
  displaced(request: T): void;
  /** The batch has left the lane, whatever became of it; its memory may be taken back. */
  left(batch: Batch<T>): void;
}

/** Drives one scheduler over the lanes of the process. */
export class Driver<T extends Traveller & { attempts: number }> {
  readonly #clock: Clock;
  readonly #lanes: readonly Lane[];
  readonly #scheduler: Scheduler<T>;
  readonly #passage: Passage<T>;
  readonly #log: (batch: Batch<T>, error: RunError) => void;
  readonly #expired: T[] = [];
  readonly #displaced: T[] = [];
  readonly #onLook = () => this.#look();
  #ticking = false;
  /** Requests that the last look at the sockets brought, and looks since the first of them. */
  #came = 0;
  #looks = 0;
  #running = 0;
  #sweeper: NodeJS.Timeout | null = null;
  #idle: (() => void)[] = [];
  /** Every queue: its listener, and the timer while it has no lane. */
  readonly #queues = new Map<Queue, { onLost: (lost: boolean) => void; timer: NodeJS.Timeout | null }>();

  /** @param log is told of every failed run, with a text that may hold paths. */
  constructor(
    clock: Clock,
    lanes: readonly Lane[],
    scheduler: Scheduler<T>,
    passage: Passage<T>,
    log: (batch: Batch<T>, error: RunError) => void,
  ) {
    this.#clock = clock;
    this.#lanes = lanes;
    this.#scheduler = scheduler;
    this.#passage = passage;
    this.#log = log;
  }

  /** A model version comes into service. @param onLost told when it has had no lane for too long, and has one again */
  open(spec: QueueSpec, onLost: (lost: boolean) => void = () => undefined): Queue {
    const queue = this.#scheduler.open(spec);
    this.#queues.set(queue, { onLost, timer: null });
    this.#watchLanes(queue);
    return queue;
  }

  /** A model version with an empty queue leaves service. */
  close(queue: Queue): void {
    this.#scheduler.close(queue);
    clearTimeout(this.#queues.get(queue)?.timer ?? undefined);
    this.#queues.delete(queue);
  }

  /** The lanes that take its batches from now on, of at most `mostRows`; what runs elsewhere is finished there. */
  setLanes(queue: Queue, lanes: readonly number[], mostRows: number): void {
    this.#scheduler.setLanes(queue, lanes, mostRows, this.#clock.nowUs());
    this.#watchLanes(queue);
    if (queue.length > 0) this.wake();
  }

  /** Whether such a request would be taken now; null = yes. Read the refusal at once. */
  foresee(
    queue: Queue,
    tenant: string,
    rows: number,
    bytes: number,
    deadlineUs: number,
    nowUs: number,
  ): Refusal | null {
    return this.#scheduler.foresee(queue, tenant, rows, bytes, deadlineUs, nowUs);
  }

  /** A request enters its queue; null = it is taken. Read the refusal at once. */
  submit(queue: Queue, request: T): Refusal | null {
    const refusal = this.#scheduler.arrive(queue, request, this.#clock.nowUs());
    if (refusal !== null) return refusal;
    this.wake();
    if (request.deadlineUs !== Number.POSITIVE_INFINITY) this.#watch();
    this.#came++;
    return null;
  }

  /** The caller has gone. */
  cancel(request: T): void {
    this.#scheduler.cancel(request);
    this.#tellIdle();
  }

  /** What is known of a queue now. */
  view(queue: Queue): SchedulerView {
    return this.#scheduler.view(queue, this.#clock.nowUs());
  }

  /** A lane lost its thread, or has it again. */
  laneChanged(lane: number, up: boolean): void {
    this.#scheduler.setUp(lane, up);
    for (const queue of this.#queues.keys()) if (queue.lanes.includes(lane)) this.#watchLanes(queue);
    if (up) this.wake();
  }

  /** Requests of one loop tick travel together: batches start when its reading is done. */
  wake(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setImmediate(this.#onLook);
  }

  /** Whether all that has come was looked at: no batch can start before something else happens. */
  get settled(): boolean {
    return !this.#ticking;
  }

  /** What every lane does now, by its number. */
  lanes(): { readonly up: boolean; readonly batch: Batch<T> | null }[] {
    const { up, lanes } = this.#scheduler;
    return lanes.map((batch, lane) => ({ up: up[lane] === true, batch }));
  }

  #watchLanes(queue: Queue): void {
    const watch = this.#queues.get(queue) as { onLost: (lost: boolean) => void; timer: NodeJS.Timeout | null };
    if (!queue.lanes.some((lane) => this.#scheduler.up[lane])) {
      watch.timer ??= setTimeout(() => this.#lose(queue, watch.onLost), LOST_MS).unref();
      return;
    }
    clearTimeout(watch.timer ?? undefined);
    watch.timer = null;
    if (!queue.lost) return;
    queue.lost = false;
    watch.onLost(false);
  }

  #lose(queue: Queue, onLost: (lost: boolean) => void): void {
    queue.lost = true;
    const ended: T[] = [];
    this.#scheduler.clear(queue, ended);
    for (const request of ended) this.#passage.failed(request, new RunError('INSTANCE_LOST', 'no lane is up'));
    onLost(true);
    this.#tellIdle();
  }

  /** When nothing waits and nothing runs. */
  async idle(): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Stops the timers. */
  dispose(): void {
    this.#unwatch();
    for (const { timer } of this.#queues.values()) clearTimeout(timer ?? undefined);
  }

  #isIdle(): boolean {
    return this.#running === 0 && !this.#ticking && !this.#waiting();
  }

  #waiting(): boolean {
    for (const queue of this.#queues.keys()) if (queue.length > 0) return true;
    return false;
  }

  /** A lone request starts at once; where several came together, more are likely to lie behind them. */
  #look(): void {
    const more = this.#came > 1 && ++this.#looks < MOST_LOOKS;
    this.#came = 0;
    if (more) setImmediate(this.#onLook);
    else this.#tick();
  }

  #tick(): void {
    this.#ticking = false;
    this.#looks = 0;
    const nowUs = this.#clock.nowUs();
    for (;;) {
      const batch = this.#scheduler.next(nowUs, this.#expired, this.#displaced);
      if (batch === null) break;
      this.#start(batch);
    }
    this.#tellExpired();
    this.#tellIdle();
  }

  #start(batch: Batch<T>): void {
    this.#running++;
    let run: Promise<RunResult>;
    try {
      run = this.#lanes[batch.lane].run(this.#passage.board(batch));
    } catch (error) {
      run = Promise.reject(asRunError(error));
    }
    run.then(
      (result) => this.#ended(batch, result, null),
      (error: RunError) => this.#ended(batch, null, error),
    );
  }

  #ended(batch: Batch<T>, result: RunResult | null, error: RunError | null): void {
    this.#running--;
    this.#scheduler.finish(batch, this.#clock.nowUs(), result !== null);
    if (result !== null) this.#passage.arrived(batch, result);
    else this.#recover(batch, error as RunError);
    this.#passage.left(batch);
    if (this.#waiting()) this.wake();
    this.#tellIdle();
  }

  /**
   * Nobody pays for his neighbour: a batch that failed is run again request by request. Alone, a request that fails inside
   * ONNX Runtime is guilty, and one that finds no memory is refused; one whose thread died under it gets one more try.
   */
  #recover(batch: Batch<T>, error: RunError): void {
    // What is refused for want of room is counted by its limit, and would fill the log when it is least wanted.
    if (error.failure !== 'OUT_OF_MEMORY') this.#log(batch, error);
    const shared = batch.requests.length > 1;
    const final = error.failure === 'EXECUTION_FAILED' || error.failure === 'OUT_OF_MEMORY';
    for (const request of batch.requests.toReversed()) {
      if (request.state !== 'RUNNING') continue;
      const again = request.attempts === 0 && (shared || !final);
      request.attempts++;
      if (again) this.#scheduler.retryAlone(batch.queue, request);
      else {
        request.state = 'ENDED';
        this.#passage.failed(request, error);
      }
    }
  }

  #unwatch(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  #watch(): void {
    if (this.#sweeper !== null) return;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  #sweep(): void {
    if (this.#isIdle()) {
      this.#unwatch();
      return;
    }
    this.#scheduler.sweep(this.#clock.nowUs(), this.#expired);
    this.#tellExpired();
    this.#tellIdle();
  }

  #tellExpired(): void {
    if (this.#expired.length > 0) for (const request of this.#expired.splice(0)) this.#passage.expired(request);
    if (this.#displaced.length > 0) for (const request of this.#displaced.splice(0)) this.#passage.displaced(request);
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function asRunError(error: unknown): RunError {
  if (error instanceof RunError) return error;
  return new RunError('EXECUTION_FAILED', error instanceof Error ? error.message : String(error));
}
