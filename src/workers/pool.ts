/** The worker threads: a fixed number of lanes, each with a thread of its own. */

import type { Lane } from '../core/instance.ts';
import type { CrashMarks } from '../native/crash-marks.ts';
import { WorkerLane } from './lane.ts';

const ENTRY = new URL(`./thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** What a pool is made from. */
export interface WorkerPoolOptions {
  readonly slots: number;
  readonly arena: SharedArrayBuffer;
  readonly marks: CrashMarks;
  /** Told of every thread that died and came back; lane -1 for an error that is nobody's task. */
  readonly onLaneChange: (lane: number, up: boolean, reason: string) => void;
  /** Module of the threads; tests give one that wraps the real one and dies on request. */
  readonly entry?: URL;
}

/** The lanes on worker threads. */
export class WorkerPool {
  readonly lanes: readonly Lane[];
  readonly #lanes: readonly WorkerLane[];

  constructor({ slots, arena, marks, onLaneChange, entry = ENTRY }: WorkerPoolOptions) {
    const threadData = { arena, marked: marks.kept };
    const onError = (error: Error) => onLaneChange(-1, false, error.message);
    this.#lanes = Array.from(
      { length: slots },
      (_, id) => new WorkerLane({ id, entry, threadData, marks: marks.slots, onChange: onLaneChange, onError }),
    );
    this.lanes = this.#lanes;
  }

  /** Loads that wait for a thread which is not there are given up: the process is to end. */
  stopWaiting(): void {
    for (const lane of this.#lanes) lane.stopWaiting();
  }

  /** Waits for the tasks that run, then ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }
}
