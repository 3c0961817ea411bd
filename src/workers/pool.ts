/**
 * The worker threads: a fixed number of lanes, each bound to one piscina thread, one task at a time.
 * A running task is never aborted and a busy thread never terminated: either would abort the whole process while ONNX
 * Runtime is in `run`. A thread that dies by itself is replaced by piscina; its lane comes back with its sessions loaded.
 */

import { Piscina } from 'piscina';
import { datatype } from '../core/datatype.ts';
import {
  type Lane,
  RunError,
  type RunRequest,
  type RunResult,
  type SessionInfo,
  type SessionSpec,
} from '../core/instance.ts';
import type { TensorSpec } from '../core/tensor.ts';
import type { CrashMarks } from '../native/crash-marks.ts';
import type { Reply, Task, ThreadData } from './messages.ts';

const ENTRY = new URL(`./thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Milliseconds before a lane whose thread died is loaded again; doubles while it keeps dying. */
const BACKOFF_MS = { first: 100, most: 5_000, forgottenAfter: 60_000 };

/** What a pool is made from. */
export interface WorkerPoolOptions {
  readonly slots: number;
  readonly arena: SharedArrayBuffer;
  readonly marks: CrashMarks;
  /** Told of every thread that died and came back. */
  readonly onLaneChange: (lane: number, up: boolean, reason: string) => void;
  /** Module of the threads; tests give one that wraps the real one and dies on request. */
  readonly entry?: URL;
}

/** The lanes on worker threads. */
export class WorkerPool {
  readonly lanes: readonly Lane[];
  readonly #pool: Piscina;
  readonly #lanes: WorkerLane[];
  readonly #onLaneChange: WorkerPoolOptions['onLaneChange'];
  readonly #marks: Uint32Array;
  #sending: WorkerLane | null = null;
  #closing = false;

  constructor(options: WorkerPoolOptions) {
    const threadData: ThreadData = { arena: options.arena, marked: options.marks.kept };
    this.#marks = options.marks.slots;
    this.#onLaneChange = options.onLaneChange;
    this.#lanes = Array.from(
      { length: options.slots },
      (_, id) => new WorkerLane(id, (lane, task) => this.#send(lane, task)),
    );
    this.lanes = this.#lanes;
    this.#pool = new Piscina({
      filename: (options.entry ?? ENTRY).href,
      minThreads: options.slots,
      maxThreads: options.slots,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      workerData: threadData,
      // Tasks are sent one by one and only to an idle lane, so the task being placed is always the one being sent.
      loadBalancer: (_task, workers) => workers.find((worker) => worker.id === this.#sending?.thread) ?? null,
    });
    this.#pool.on('error', (error: Error) => this.#onLaneChange(-1, false, error.message));
    this.#pool.on('workerCreate', (worker: { id: number }) => void this.#bind(worker.id));
    this.#pool.on('workerDestroy', (worker: { id: number }) => this.#unbindDead(worker.id));
  }

  /** Waits for the tasks that run, then ends the threads. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#lanes.map((lane) => lane.settled()));
    await this.#pool.destroy();
  }

  async #send(lane: WorkerLane, task: Task): Promise<Reply> {
    this.#sending = lane;
    this.#marks[lane.id] = sessionOf(task);
    try {
      const answer = this.#pool.run(task);
      this.#sending = null;
      return (await answer) as Reply;
    } catch (error) {
      throw new RunError('INSTANCE_LOST', error instanceof Error ? error.message : String(error));
    } finally {
      this.#marks[lane.id] = 0;
    }
  }

  async #bind(thread: number): Promise<void> {
    const lane = this.#lanes.find((candidate) => candidate.thread < 0);
    if (lane === undefined) return;
    const again = lane.deaths > 0;
    lane.thread = thread;
    if (again) {
      await new Promise((resolve) => setTimeout(resolve, lane.backoffMs()));
      if (this.#closing || lane.thread !== thread) return;
    }
    await lane.comeUp();
    if (again && lane.ready) this.#onLaneChange(lane.id, true, 'a new thread took its place');
  }

  /**
   * A thread that has exited says -1 when asked for its id, so the lane that lost its own is found among the living. One
   * that threw is told of before it exits: it still has its id, and is still among the threads.
   */
  #unbindDead(destroyed: number): void {
    const living = new Set(this.#pool.threads.map((thread) => thread.threadId));
    living.delete(destroyed);
    for (const lane of this.#lanes) {
      if (lane.thread < 0 || living.has(lane.thread)) continue;
      lane.goDown();
      if (!this.#closing) this.#onLaneChange(lane.id, false, 'its thread ended');
    }
  }
}

class WorkerLane implements Lane {
  readonly id: number;
  ready = false;
  /** Thread id that serves it now; -1 while there is none. */
  thread = -1;
  deaths = 0;
  readonly #send: (lane: WorkerLane, task: Task) => Promise<Reply>;
  readonly #loaded = new Map<number, SessionSpec>();
  readonly #waitingUp: (() => void)[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #lastDeathMs = 0;

  constructor(id: number, send: (lane: WorkerLane, task: Task) => Promise<Reply>) {
    this.id = id;
    this.#send = send;
  }

  async load(spec: SessionSpec): Promise<SessionInfo> {
    await this.#up();
    const reply = await this.#inTurn({ kind: 'load', spec, lane: this.id });
    this.#loaded.set(spec.session, spec);
    return interned(reply.info as SessionInfo);
  }

  async unload(session: number): Promise<void> {
    this.#loaded.delete(session);
    if (this.ready) await this.#inTurn({ kind: 'unload', session });
  }

  async run(request: RunRequest): Promise<RunResult> {
    if (!this.ready) throw new RunError('INSTANCE_LOST', `lane ${this.id} has no thread`);
    return (await this.#inTurn({ kind: 'run', request })).result as RunResult;
  }

  /** Loads what the lane had before, on its new thread. */
  async comeUp(): Promise<void> {
    const thread = this.thread;
    for (const spec of this.#loaded.values()) {
      try {
        await this.#inTurn({ kind: 'load', spec, lane: this.id });
      } catch {
        // Its runs will fail with INSTANCE_LOST and name the session; the other sessions of the lane go on.
      }
      if (this.thread !== thread) return;
    }
    this.ready = true;
    for (const resume of this.#waitingUp.splice(0)) resume();
  }

  goDown(): void {
    this.ready = false;
    this.thread = -1;
    const nowMs = performance.now();
    this.deaths = nowMs - this.#lastDeathMs > BACKOFF_MS.forgottenAfter ? 1 : this.deaths + 1;
    this.#lastDeathMs = nowMs;
  }

  backoffMs(): number {
    return Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** (this.deaths - 1));
  }

  /** When everything sent so far has ended. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  #up(): Promise<void> {
    if (this.ready) return Promise.resolve();
    return new Promise((resolve) => this.#waitingUp.push(resolve));
  }

  /** One task at a time: the next is sent when the one before has ended. */
  async #inTurn(task: Task): Promise<Reply & { fault: null }> {
    const turn = this.#tail.then(() => this.#send(this, task));
    this.#tail = turn.catch(() => undefined);
    const reply = await turn;
    if (reply.fault !== null) throw new RunError(reply.fault.failure, reply.fault.message);
    return reply;
  }
}

function sessionOf(task: Task): number {
  if (task.kind === 'run') return task.request.session;
  return task.kind === 'load' ? task.spec.session : task.session;
}

/** What crossed a thread is a copy: datatypes become the table's own rows again, which are compared by identity. */
function interned(info: SessionInfo): SessionInfo {
  const own = (spec: TensorSpec): TensorSpec => ({ ...spec, datatype: datatype(spec.datatype.name) });
  return { ...info, signature: { inputs: info.signature.inputs.map(own), outputs: info.signature.outputs.map(own) } };
}
