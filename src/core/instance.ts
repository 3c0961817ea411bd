/**
 * The seam between those who form batches and those who run them: a session loaded on a lane.
 * Everything here is plain data, because it crosses threads: numbers, and strings only for ONNX string tensors.
 */

import type { Signature } from './tensor.ts';

/** One input of a batch: where its numbers lie in the arena, or the strings themselves. */
export interface RunInput {
  /** Byte offset in the arena; ignored where `strings` is given. */
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strings: readonly string[] | null;
}

/** Place for one output that the run fills itself. */
export interface RunOutputPlace {
  readonly offset: number;
  readonly dims: readonly number[];
}

/** One batch for one session. Inputs and outputs stand in the signature's order. */
export interface RunRequest {
  readonly session: number;
  readonly inputs: readonly RunInput[];
  /** null where the size of the output is known only after the run (or it is a string tensor). */
  readonly outputs: readonly (RunOutputPlace | null)[];
}

/** An output that had no place in the arena. */
export interface LooseOutput {
  readonly dims: readonly number[];
  /** The elements in binary form (little-endian), for every datatype but BYTES. */
  readonly bytes: Uint8Array | null;
  readonly strings: readonly string[] | null;
}

/** What a run gives back; `outputs[i]` is null where it was written to its place. */
export interface RunResult {
  readonly outputs: readonly (LooseOutput | null)[];
  /** Time inside ONNX Runtime, microseconds. */
  readonly runUs: number;
}

/**
 * Why a run failed: the model's own fault with this input, the thread that died under it, nothing there to run on, or no
 * memory to put the batch together in.
 */
export type RunFailure = 'EXECUTION_FAILED' | 'WORKER_DIED' | 'INSTANCE_LOST' | 'OUT_OF_MEMORY';

/** A failed run. `message` is for the log: it may hold paths. */
export class RunError extends Error {
  readonly failure: RunFailure;

  constructor(failure: RunFailure, message: string) {
    super(message);
    this.name = 'RunError';
    this.failure = failure;
  }
}

/** How ONNX Runtime is to be set up for one model (model.yaml `session`, defaults of bench/README.md). */
export interface SessionOptions {
  /** In order of preference; `cuda` may carry a device. The next one is tried only where it is listed. */
  readonly executionProviders: readonly { readonly name: 'cpu' | 'cuda'; readonly deviceId: number }[];
  readonly intraOpThreads: number;
  readonly graphOptimization: 'disabled' | 'basic' | 'extended' | 'all';
  /** Free-form ONNX Runtime session configuration entries; values are strings. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** What a lane must know to load a session. Plain data. */
export interface SessionSpec {
  /** Unique in the process; the `session` of its runs. */
  readonly session: number;
  readonly path: string;
  readonly options: SessionOptions;
}

/** What was found in the file. */
export interface SessionInfo {
  /** Read from the model; free dimensions are -1. */
  readonly signature: Signature;
  /** The execution provider that took it. */
  readonly provider: string;
  /** Why a provider that stands before it in the file did not; empty where the first one took it. */
  readonly passedOver: string;
}

/** A place where sessions are loaded and batches run, one at a time: a worker thread, or the front thread itself. */
export interface Lane {
  /** Stable number of the lane; -1 is the front thread (inline). */
  readonly id: number;
  /** Whether it takes work now; false while its thread is being replaced. */
  readonly ready: boolean;
  load(spec: SessionSpec): Promise<SessionInfo>;
  unload(session: number): Promise<void>;
  /** @throws {RunError} (as rejection) EXECUTION_FAILED, WORKER_DIED or INSTANCE_LOST */
  run(request: RunRequest): Promise<RunResult>;
}
