/** The lane on the front thread, for models whose batch is quicker than the way to a worker and back. */

import {
  type Lane,
  RunError,
  type RunRequest,
  type RunResult,
  type SessionInfo,
  type SessionSpec,
} from '../core/instance.ts';
import { Session } from './session.ts';

/** Runs sessions where the requests come in. Its caller keeps batches short: nothing else moves meanwhile. */
export class InlineLane implements Lane {
  readonly id = -1;
  readonly ready = true;
  readonly #arena: SharedArrayBuffer;
  readonly #marks: Uint32Array;
  readonly #mark: number;
  readonly #sessions = new Map<number, Session>();

  /** @param marks where it says what it runs, in slot `mark` */
  constructor(arena: SharedArrayBuffer, marks: Uint32Array = new Uint32Array(1), mark = 0) {
    this.#arena = arena;
    this.#marks = marks;
    this.#mark = mark;
  }

  async load(spec: SessionSpec): Promise<SessionInfo> {
    this.#marks[this.#mark] = spec.session;
    // Loads before its first await.
    const opening = Session.open(spec, this.#arena);
    this.#marks[this.#mark] = 0;
    const session = await opening;
    this.#sessions.set(spec.session, session);
    return session.info;
  }

  async unload(session: number): Promise<void> {
    await this.#sessions.get(session)?.release();
    this.#sessions.delete(session);
  }

  run(request: RunRequest): Promise<RunResult> {
    const session = this.#sessions.get(request.session);
    if (session === undefined) {
      return Promise.reject(new RunError('INSTANCE_LOST', `session ${request.session} is not loaded inline`));
    }
    this.#marks[this.#mark] = request.session;
    // Runs before it returns.
    const result = session.run(request);
    this.#marks[this.#mark] = 0;
    return result;
  }
}
