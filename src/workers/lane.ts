/**
 * A lane: one piscina of one thread, one task at a time. A running task is never aborted and a busy thread never terminated:
 * either would abort the whole process while ONNX Runtime is in `run`. A thread that dies is replaced, and the lane comes
 * back with its sessions loaded. piscina replaces a thread that has run; after one that died while booting it never makes
 * another, so the lane makes a piscina anew.
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
import type { Reply, Task, ThreadData } from './messages.ts';

/**
 * Milliseconds before a lane whose thread died is loaded again: doubles while it keeps dying. So many deaths, each within
 * `forgottenAfter` of the one before, are a crash loop, which rests for `most`.
 */
const BACKOFF_MS = { first: 100, most: 5_000, forgottenAfter: 60_000 };
const CRASH_LOOP_DEATHS = 5;

/** Sent to a new thread: its answer shows that it has booted. */
const GREETING: Task = { kind: 'unload', session: 0 };

/** What a lane is made from. */
export interface WorkerLaneParts {
  readonly id: number;
  readonly entry: URL;
  readonly threadData: ThreadData;
  /** Where it says what it runs, in the slot of its number. */
  readonly marks: Uint32Array;
  readonly onChange: (lane: number, up: boolean, reason: string) => void;
  readonly onError: (error: Error) => void;
}

/** The pause after `deaths` deaths in a row, milliseconds. */
export function restMs(deaths: number): number {
  return deaths >= CRASH_LOOP_DEATHS ? BACKOFF_MS.most : BACKOFF_MS.first * 2 ** (deaths - 1);
}

/** A worker thread and the sessions that live on it. */
export class WorkerLane implements Lane {
  readonly id: number;
  ready = false;
  readonly #parts: WorkerLaneParts;
  readonly #loaded = new Map<number, SessionSpec>();
  readonly #waitingUp: { resume: () => void; refuse: (error: RunError) => void }[] = [];
  #pool: Piscina;
  /** Id of the thread that serves it now; -1 while there is none. */
  #thread = -1;
  #tail: Promise<unknown> = Promise.resolve();
  #deaths = 0;
  #lastDeathMs = Number.NEGATIVE_INFINITY;
  #rebuilding: NodeJS.Timeout | null = null;
  #stopping = false;
  #closed = false;

  constructor(parts: WorkerLaneParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#pool = this.#makePool(false);
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
    const { result } = await this.#inTurn({ kind: 'run', request });
    if (result?.outputs?.length !== request.outputs.length) throw malformed();
    return result;
  }

  /** Loads that wait for a thread are refused from now on. */
  stopWaiting(): void {
    this.#stopping = true;
    for (const { refuse } of this.#waitingUp.splice(0)) refuse(this.#lost());
  }

  /** Waits for the task that runs, then ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#rebuilding !== null) clearTimeout(this.#rebuilding);
    this.stopWaiting();
    await this.#tail;
    await this.#pool.destroy();
  }

  /** @param rested whether the pause after a death is over already */
  #makePool(rested: boolean): Piscina {
    const pool = new Piscina({
      filename: this.#parts.entry.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      workerData: this.#parts.threadData,
    });
    pool.on('error', this.#parts.onError);
    pool.on('workerCreate', (worker: { id: number }) => void this.#bind(pool, worker.id, rested));
    pool.on('workerDestroy', (worker: { id: number }) => this.#threadEnded(pool, worker.id));
    return pool;
  }

  async #bind(pool: Piscina, thread: number, rested: boolean): Promise<void> {
    if (pool !== this.#pool || this.#thread >= 0) return;
    this.#thread = thread;
    const again = this.#deaths > 0;
    if (again && !rested) await new Promise((resolve) => setTimeout(resolve, restMs(this.#deaths)).unref());
    if (this.#closed || this.#thread !== thread) return;
    await this.#comeUp(thread);
    if (again && this.ready) this.#parts.onChange(this.id, true, 'a new thread took its place');
  }

  /** Loads what the lane had before, on its new thread. */
  async #comeUp(thread: number): Promise<void> {
    await this.#inTurn(GREETING).catch(() => undefined);
    for (const spec of [...this.#loaded.values()]) {
      if (this.#thread !== thread) return;
      await this.#loadAgain(spec);
    }
    if (this.#thread !== thread) return;
    this.ready = true;
    for (const { resume } of this.#waitingUp.splice(0)) resume();
  }

  /** What is unloaded while the lane has no thread is not there afterwards either. */
  async #loadAgain(spec: SessionSpec): Promise<void> {
    const { session } = spec;
    if (!this.#loaded.has(session)) return;
    try {
      await this.#inTurn({ kind: 'load', spec, lane: this.id });
      if (!this.#loaded.has(session)) await this.#inTurn({ kind: 'unload', session });
    } catch {
      // Its runs will fail with INSTANCE_LOST and name the session; the other sessions of the lane go on.
    }
  }

  /**
   * A thread that has exited says -1 when asked for its id, and one that threw is told of twice, before it exits and after;
   * so it is the living that tell whether ours is still there.
   */
  #threadEnded(pool: Piscina, ended: number): void {
    if (pool !== this.#pool || this.#closed) return;
    const living = new Set(pool.threads.map((thread) => thread.threadId));
    living.delete(ended);
    if (this.#thread >= 0 && !living.has(this.#thread)) this.#goDown('its thread ended');
    // piscina makes the next thread, if it makes one, behind this event.
    setImmediate(() => {
      if (pool === this.#pool && pool.threads.length === 0) this.#rebuild();
    });
  }

  #rebuild(): void {
    if (this.#closed || this.#rebuilding !== null) return;
    if (this.#thread < 0) this.#goDown('its thread ended before it had started');
    const old = this.#pool;
    this.#rebuilding = setTimeout(() => {
      this.#rebuilding = null;
      this.#pool = this.#makePool(true);
      old.destroy().catch(this.#parts.onError);
    }, restMs(this.#deaths)).unref();
  }

  #goDown(reason: string): void {
    this.ready = false;
    this.#thread = -1;
    const nowMs = performance.now();
    this.#deaths = nowMs - this.#lastDeathMs > BACKOFF_MS.forgottenAfter ? 1 : this.#deaths + 1;
    this.#lastDeathMs = nowMs;
    this.#parts.onChange(this.id, false, reason);
  }

  #up(): Promise<void> {
    if (this.ready) return Promise.resolve();
    if (this.#stopping) return Promise.reject(this.#lost());
    return new Promise((resume, refuse) => this.#waitingUp.push({ resume, refuse }));
  }

  #lost(): RunError {
    return new RunError('INSTANCE_LOST', `lane ${this.id} has no thread`);
  }

  /** One task at a time: the next is sent when the one before has ended. */
  async #inTurn(task: Task): Promise<Reply & { fault: null }> {
    const turn = this.#tail.then(() => this.#send(task));
    this.#tail = turn.catch(() => undefined);
    const reply = await turn;
    if (reply?.fault === undefined) throw malformed();
    if (reply.fault !== null) throw new RunError(reply.fault.failure, reply.fault.message);
    return reply;
  }

  async #send(task: Task): Promise<Reply> {
    this.#parts.marks[this.id] = sessionOf(task);
    try {
      return (await this.#pool.run(task)) as Reply;
    } catch (error) {
      throw new RunError('WORKER_DIED', error instanceof Error ? error.message : String(error));
    } finally {
      this.#parts.marks[this.id] = 0;
    }
  }
}

function malformed(): RunError {
  return new RunError('EXECUTION_FAILED', 'the worker answered something that is no answer');
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
