/** The whole road with an instance that only copies, for BM-1 and BM-9: `MODELS`. Prints its URL; ends on SIGTERM. */

import {
  type Lane,
  RunError,
  type RunRequest,
  type RunResult,
  type SessionInfo,
  type SessionSpec,
} from '../../src/core/instance.ts';
import { elementCount } from '../../src/core/tensor.ts';
import type { Arena } from '../../src/native/arena.ts';
import { InlineLane } from '../../src/workers/inline.ts';
import { serveModels } from './serve.ts';

/** Loads like the inline lane, but a run copies the first bytes of the first input to every output. */
class CopyLane implements Lane {
  readonly id = -1;
  readonly ready = true;
  readonly #arena: Arena;
  readonly #loader: InlineLane;
  readonly #sessions = new Map<number, SessionInfo>();

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#loader = new InlineLane(arena.buffer);
  }

  async load(spec: SessionSpec): Promise<SessionInfo> {
    const info = await this.#loader.load(spec);
    this.#sessions.set(spec.session, info);
    return info;
  }

  unload(session: number): Promise<void> {
    return this.#loader.unload(session);
  }

  async run(request: RunRequest): Promise<RunResult> {
    const info = this.#sessions.get(request.session) as SessionInfo;
    const from = request.inputs[0]?.offset ?? 0;
    for (const [o, place] of request.outputs.entries()) {
      if (place === null) throw new RunError('EXECUTION_FAILED', 'a copy needs a place');
      const bytes = elementCount(place.dims) * (info.signature.outputs[o]?.datatype.size ?? 0);
      this.#arena.bytes.copyWithin(place.offset, from, from + bytes);
    }
    return { outputs: request.outputs.map(() => null), runUs: 0 };
  }
}

const models = process.argv[2] ?? '';
await serveModels(models, '1', {
  placement: 'inline',
  inlineLane: (arena) => new CopyLane(arena),
});
