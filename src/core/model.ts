/** What exists: models, their versions and states, and the frozen picture of them that the data plane reads. */

import type { ImageDeclaration, OutputDeclaration } from './image.ts';
import type { SessionOptions } from './instance.ts';
import type { CurvePoint } from './scheduling.ts';
import type { Signature } from './tensor.ts';

/** Life of a model version. Only READY ones answer; a LOST one was READY and has no worker at the moment. */
export type VersionState = 'LOADING' | 'READY' | 'LOST' | 'DRAINING' | 'UNLOADED' | 'FAILED';

/** Where a model version's batches run. */
export type Placement = 'inline' | 'worker';

/** What the operator says of a model (model.yaml), with every default filled in. */
export interface ModelPolicy {
  /** Most rows of a batch; 0 = never batched; null = not stated. */
  readonly maxBatchRows: number | null;
  /** The latency target: `p99Ms` milliseconds from a request's first byte. null = none stated. */
  readonly slo: { readonly p99Ms: number } | null;
  /** Fewest and most workers that run it; `max` null = as many as there are. */
  readonly instances: { readonly min: number; readonly max: number | null };
  readonly queueRows: number | null;
  readonly queueBytes: number | null;
  /** `intraOpThreads` null = chosen from measurement. */
  readonly session: Omit<SessionOptions, 'intraOpThreads'> & { readonly intraOpThreads: number | null };
  /** Output name to the file (relative to the model's folder) with one label a line. */
  readonly labels: Readonly<Record<string, string>>;
  /** How an image becomes a row of an input; null = the model takes tensors only. */
  readonly preprocess: ImageDeclaration | null;
  /** Output name to what of it is answered to an image. */
  readonly postprocess: Readonly<Record<string, OutputDeclaration>>;
}

/** What is known of a version while it serves: what its files say, and where it runs now. */
export interface ServedFacts {
  readonly signature: Signature;
  /** `max_batch_size` on the wire: 0 where the model has no batch dimension or is never batched. */
  readonly maxBatchSize: number;
  readonly placement: Placement;
  /** Rows at which inline batches are cut; equal to the batch cap for workers. */
  readonly batchRows: number;
  /** Time of a batch of `measuredRows` rows, measured at load, microseconds. */
  readonly measuredRows: number;
  readonly measuredUs: number;
  /** Times of batches of several sizes where it runs, known before the first request: rows ascending, may be empty. */
  readonly profile: readonly CurvePoint[];
  /** Instances that run now. */
  readonly instances: number;
  /** Fewest and most of them that may run it, as load wants. */
  readonly instanceRange: { readonly min: number; readonly max: number };
  /** Threads of ONNX Runtime in each instance; 0 = as many as there are cores. */
  readonly intraOpThreads: number;
  readonly provider: string;
  /** Why the provider that the file prefers did not take it; empty where it did. */
  readonly passedOver: string;
  /** Labels per output index; null where the output has none. */
  readonly labels: readonly (readonly string[] | null)[];
}

/** One immutable version of a model. A change of state is a new object in a new snapshot. */
export interface ModelVersion {
  readonly model: string;
  readonly version: string;
  readonly state: VersionState;
  /** Why it is not READY; empty otherwise. May be shown to callers: holds no paths. */
  readonly reason: string;
  /** null until it has been READY once. */
  readonly facts: ServedFacts | null;
  /** The data plane's handle; -1 until READY. */
  readonly target: number;
}

/** A model and its versions, ascending by number. */
export interface Model {
  readonly name: string;
  readonly versions: readonly ModelVersion[];
}

/** The frozen picture of everything; replaced as a whole, never changed. */
export interface Snapshot {
  readonly models: ReadonlyMap<string, Model>;
  /** Whether every startup model has settled (READY or FAILED). */
  readonly settled: boolean;
}

/** A snapshot of nothing. */
export const EMPTY_SNAPSHOT: Snapshot = Object.freeze({ models: new Map(), settled: false });
