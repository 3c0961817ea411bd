/** Entry of a worker thread: the sessions that live on it, and the three things it can be asked. */

import { getPriority, setPriority } from 'node:os';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { RunError, type RunResult } from '../core/instance.ts';
import { loadBinding } from '../native/load.ts';
import type { Reply, Task, ThreadData } from './messages.ts';
import { Session } from './session.ts';

/**
 * How much nicer than the process a worker is (nice(2); Linux counts it per thread). Where both want a core, the front thread
 * has three quarters of it and hardly waits: a request that is not read in time is late whatever the scheduler promised.
 */
const NICER = 5;

// Elsewhere it would be the process's.
if (process.platform === 'linux') setPriority(Math.min(19, getPriority() + NICER));

const sessions = new Map<number, Session>();
const { arena, marked } = workerData as ThreadData;
const binding = marked ? loadBinding() : null;

/** Carries out one task; a fault of the model is answered, not thrown: what is thrown is a fault of this thread. */
export default async function perform(task: Task): Promise<Reply> {
  try {
    if (task.kind === 'run') return answer(await open(task.request.session).run(task.request));
    if (task.kind === 'load') {
      binding?.claimCrashMark(task.lane);
      const session = await Session.open(task.spec, arena);
      sessions.set(task.spec.session, session);
      return { fault: null, info: session.info, result: null };
    }
    await sessions.get(task.session)?.release();
    sessions.delete(task.session);
    return { fault: null, info: null, result: null };
  } catch (error) {
    if (error instanceof RunError) return { fault: { failure: error.failure, message: error.message } };
    throw error;
  }
}

function open(id: number): Session {
  const session = sessions.get(id);
  if (session === undefined) throw new RunError('INSTANCE_LOST', `session ${id} is not loaded on this thread`);
  return session;
}

/** Buffers that ONNX Runtime made change hands instead of being copied again. */
function answer(result: RunResult): Reply {
  const reply: Reply = { fault: null, info: null, result };
  const buffers = result.outputs.flatMap((o) => (o?.bytes ? [o.bytes.buffer as ArrayBuffer] : []));
  if (buffers.length === 0) return reply;
  return move({ [transferableSymbol]: buffers, [valueSymbol]: reply } as never) as never;
}
