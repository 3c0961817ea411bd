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
  readonly #sessions = new Map<number, Session>();

  constructor(arena: SharedArrayBuffer) {
    this.#arena = arena;
  }

  async load(spec: SessionSpec): Promise<SessionInfo> {
    const session = await Session.open(spec, this.#arena);
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
    return session.run(request);
  }
}
