/** The lanes of a gateway: workers first, the inline one last, and the marks that tell which of them ended the process. */

import type { Config } from '../config/schema.ts';
import type { Lane } from '../core/instance.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import { CrashMarks } from '../native/crash-marks.ts';
import { InlineLane } from '../workers/inline.ts';
import { WorkerPool } from '../workers/pool.ts';
import type { GatewayOptions } from './options.ts';

/** A process that has not ended so long after its drain time hangs, milliseconds. */
const HUNG_AFTER_MS = 1_000;

/** Where batches run. */
export interface Lanes {
  readonly pool: WorkerPool;
  /** The pool's and the inline one: positions are the driver's lane numbers. */
  readonly lanes: readonly Lane[];
  readonly marks: CrashMarks;
}

/**
 * Starts the worker threads. Where there is a supervisor the process ends after it, even one that hangs.
 * @param onLaneChange told of a lane that lost its thread or has one again; lane -1 = a fault outside every lane
 */
export function openLanes(
  binding: Binding,
  arena: Arena,
  { workers, drainTimeoutS }: Config,
  options: GatewayOptions,
  onLaneChange: (lane: number, up: boolean, reason: string) => void,
): Lanes {
  const marks = new CrashMarks(binding, options.supervision?.marksFile ?? -1);
  const entry = options.workerEntry === undefined ? {} : { entry: options.workerEntry };
  const pool = new WorkerPool({ slots: workers, arena: arena.buffer, marks, onLaneChange, ...entry });
  if (marks.kept) {
    // A front thread inside a run that never ends notices nothing: not a signal, and not that the supervisor has died.
    binding.dieAfterParent(drainTimeoutS * 1000 + HUNG_AFTER_MS);
    // The front thread's slot is the one behind the workers'.
    binding.claimCrashMark(workers);
  }
  const inline = options.inlineLane?.(arena) ?? new InlineLane(arena.buffer, marks.slots, workers);
  return { pool, lanes: [...pool.lanes, inline], marks };
}
