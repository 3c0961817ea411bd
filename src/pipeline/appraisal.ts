/**
 * What a version turns out to be before it serves: whether it is what is said of it, whether it takes batches, how many threads
 * it needs, how long its batches take, and where it runs at first. From runs on zeros on the lane that holds it, or from what
 * was kept of an earlier start.
 */

import { LatencyCurve } from '../batching/curve.ts';
import type { Lane, SessionSpec } from '../core/instance.ts';
import type { ModelPolicy, Placement } from '../core/model.ts';
import type { CurvePoint } from '../core/scheduling.ts';
import type { Signature } from '../core/tensor.ts';
import { disagreements } from '../preprocess/agreement.ts';
import { type FoundVersion, UnloadableError } from '../registry/repository.ts';
import { MOST_MODEL_INPUTS } from './intake.ts';
import { firstPlacement } from './placement.ts';
import { curveOf, type ProfilePoint, profile } from './profile.ts';
import type { KeptProfile, ProfileStore } from './profile-store.ts';
import { settleThreads } from './threads.ts';
import type { Trial } from './trial.ts';

/** Batch cap of a model that states none, rows (Triton clients see it as `max_batch_size`). */
const DEFAULT_BATCH_ROWS = 1024;

/** Rows of the batch that decides where a model runs, where the cap allows. */
const MEASURED_ROWS = 32;

/** Runs of one row that tell whether more threads are needed, and time after which no other is begun, microseconds. */
const ROW_RUNS = 4;
const ROW_BUDGET_US = 60_000;

/** What an appraisal works with. */
export interface AppraisalParts {
  readonly profiles: ProfileStore;
  /** Cores for threads of ONNX Runtime. */
  readonly cores: number;
  /** Tests and benches force a placement by this seam; null = decide by measurement. */
  readonly placement: Placement | null;
}

/** A version that is loaded on one lane. */
export interface Candidate {
  readonly model: string;
  readonly version: string;
  readonly found: FoundVersion;
  readonly signature: Signature;
  readonly loaded: SessionSpec;
  readonly lane: Lane;
  /** Runs it there. */
  readonly trial: Trial;
}

/** What was found out about a version. */
export interface Appraisal {
  /** As it is loaded now: with the threads it needs. */
  readonly spec: SessionSpec;
  /** Most rows of a batch; 0 = it takes none. */
  readonly maxBatchSize: number;
  readonly profiled: Profiled;
  /** The batch whose time decided, microseconds in ONNX Runtime; Infinity where none could be run. */
  readonly measured: { readonly rows: number; readonly runUs: number };
  /** What the way to a worker and back adds at least, microseconds. */
  readonly hopUs: number;
}

/** What was found out about the time of a version's batches. */
export interface Profiled {
  /** Where it is kept. */
  readonly key: string;
  /** Rows ascending; empty where the model does not run on zeros. */
  readonly points: readonly ProfilePoint[];
  readonly placement: Placement;
  /** What is known before the first batch, where it runs. */
  readonly prior: readonly CurvePoint[];
}

/** `max_batch_size`, and the time of the run that showed it, microseconds (0 = none was needed). */
interface TriedBatches {
  readonly maxBatchSize: number;
  readonly spentUs: number;
}

/**
 * Tries a version out, and loads it anew on its lane where it needs other threads.
 * @throws {UnloadableError} where it is not what its manifest or model.yaml says, cannot meet its target, or the arena has no room
 *   for a batch of it
 */
export async function appraise(parts: AppraisalParts, candidate: Candidate): Promise<Appraisal> {
  const { signature, trial, found } = candidate;
  checkSignature(candidate);
  const tried = await triedBatches(trial, signature, found.policy);
  const { maxBatchSize } = tried;
  const spec = await withThreads(parts.cores, candidate, () => rowUs(trial, maxBatchSize));
  const profiled = await profileOf(parts, candidate, spec, tried);
  const { points } = profiled;
  return { spec, maxBatchSize, profiled, measured: measured(points, maxBatchSize), hopUs: hopUs(points) };
}

function checkSignature({ model, version, signature, found }: Candidate): void {
  if (signature.inputs.length > MOST_MODEL_INPUTS) throw new UnloadableError('the model has too many inputs');
  for (const name of found.labels.keys()) {
    if (!signature.outputs.some((output) => output.name === name)) {
      throw new UnloadableError(`model.yaml has labels for '${name}', which is no output`);
    }
  }
  const { policy, labels } = found;
  const mistakes = disagreements({ model, version, policy, signature, labels });
  if (mistakes.length > 0) throw new UnloadableError(mistakes.join('\n'));
  if (found.manifest === null) return;
  if (describe(found.manifest.signature) !== describe(signature)) {
    throw new UnloadableError('the signature of model.onnx is not the one of its manifest');
  }
}

function describe(signature: Signature): string {
  const tensors = [signature.inputs, signature.outputs];
  return JSON.stringify(tensors.map((side) => side.map((t) => [t.name, t.datatype.name, t.shape])));
}

/** Time of one row in ONNX Runtime, microseconds; Infinity where nothing valid is known to be run. */
export async function rowUs(trial: Trial, maxBatchSize: number): Promise<number> {
  return (await trial.run(1, maxBatchSize > 0))?.runUs ?? Number.POSITIVE_INFINITY;
}

/** More threads than one only where the target asks for them and model.yaml does not say. */
async function withThreads(
  cores: number,
  { found, loaded, lane }: Candidate,
  run: () => Promise<number>,
): Promise<SessionSpec> {
  const { session, slo } = found.policy;
  if (session.intraOpThreads !== null || slo === null) return loaded;
  const measure = () => least(run);
  return settleThreads(lane, loaded, { rowUs: await measure(), sloUs: slo.p99Ms * 1000, cores }, measure);
}

/**
 * What was kept of an earlier start, else a short profile. What was kept may be of a bad moment: it is judged by the target
 * first, and measured anew where that would turn the model or all of its callers away.
 * @throws {UnloadableError} where the model as it is measured now cannot meet its target; nothing of that is kept
 */
async function profileOf(
  { profiles, placement: forced }: AppraisalParts,
  { found, trial }: Candidate,
  spec: SessionSpec,
  { maxBatchSize, spentUs }: TriedBatches,
): Promise<Profiled> {
  const most = Math.max(1, maxBatchSize);
  const { policy } = found;
  const key = await profiles.key(found.path, spec.options, most);
  const kept = await profiles.read(key);
  if (kept !== null) {
    const known = profiledOf(key, kept, forced, maxBatchSize);
    if (keepsTarget(policy, known, most)) {
      // The first run of a session is slow: nobody's request should be it.
      if (spentUs === 0) await trial.run(1, maxBatchSize > 0);
      return known;
    }
  }
  const points = await profile((rows) => trial.run(rows, maxBatchSize > 0), most, spentUs);
  const fresh = profiledOf(key, { points, learned: null }, forced, maxBatchSize);
  checkTarget(policy, fresh, maxBatchSize);
  if (points.length > 0) await profiles.write(key, { points, learned: null });
  return fresh;
}

function profiledOf(
  key: string,
  { points, learned }: KeptProfile,
  forced: Placement | null,
  maxBatchSize: number,
): Profiled {
  const placement = forced ?? firstPlacement(inlineUs(points, maxBatchSize));
  const taught = learned?.placement === placement ? learned.points : null;
  return { key, points, placement, prior: taught ?? curveOf(points, placement === 'inline') };
}

/** Whether one row is in time, both as it was profiled and as the scheduler would believe. */
function keepsTarget({ slo }: ModelPolicy, profiled: Profiled, most: number): boolean {
  const sloUs = slo === null ? Number.POSITIVE_INFINITY : slo.p99Ms * 1000;
  return rowTakesUs(profiled) <= sloUs && new LatencyCurve(most, profiled.prior).at(1) <= sloUs;
}

async function triedBatches(trial: Trial, signature: Signature, policy: ModelPolicy): Promise<TriedBatches> {
  if (policy.maxBatchRows === 0) return { maxBatchSize: 0, spentUs: 0 };
  const tensors = [...signature.inputs, ...signature.outputs];
  const free = signature.inputs.length > 0 && tensors.every((spec) => spec.shape.length > 0 && spec.shape[0] === -1);
  // A free first dimension is the batch only if two rows in give two rows out, everywhere.
  const two = free ? await trial.run(2, true) : null;
  const spentUs = two?.us ?? 0;
  if (two?.outputs.every((output) => output?.dims[0] === 2)) {
    return { maxBatchSize: policy.maxBatchRows ?? DEFAULT_BATCH_ROWS, spentUs };
  }
  if (policy.maxBatchRows === null) return { maxBatchSize: 0, spentUs };
  throw new UnloadableError('maxBatchRows is set, but the model has no batch dimension; set it to 0');
}

/** The batch whose time decides: the largest one profiled of up to 32 rows. */
function measured(points: readonly ProfilePoint[], maxBatchSize: number): { rows: number; runUs: number } {
  const rows = Math.min(MEASURED_ROWS, Math.max(1, maxBatchSize));
  return points.findLast((point) => point.rows <= rows) ?? { rows, runUs: Number.POSITIVE_INFINITY };
}

/** What decides of the front thread. A profile that ends before 32 rows does so because they take long. */
function inlineUs(points: readonly ProfilePoint[], maxBatchSize: number): number {
  const { rows, runUs } = measured(points, maxBatchSize);
  return (runUs * Math.min(MEASURED_ROWS, Math.max(1, maxBatchSize))) / rows;
}

/** What the way to a worker and back adds at least. */
function hopUs(points: readonly ProfilePoint[]): number {
  return points.length === 0 ? 0 : Math.min(...points.map(({ us, runUs }) => Math.max(0, us - runUs)));
}

/** The least of a few runs, the first of which may be slow. */
async function least(run: () => Promise<number>): Promise<number> {
  let us = await run();
  let spentUs = us;
  for (let i = 1; i < ROW_RUNS && spentUs < ROW_BUDGET_US; i++) {
    const again = await run();
    us = Math.min(us, again);
    spentUs += again;
  }
  return us;
}

/** @throws {UnloadableError} where not even one row alone can be answered in time */
function checkTarget({ slo }: ModelPolicy, profiled: Profiled, maxBatchSize: number): void {
  const takesMs = rowTakesUs(profiled) / 1000;
  if (slo === null || takesMs <= slo.p99Ms) return;
  const what = maxBatchSize === 0 ? 'request' : 'row';
  throw new UnloadableError(`slo.p99Ms is ${slo.p99Ms} ms, but one ${what} takes ${inWords(takesMs)} ms`);
}

/** Time of one row alone where it is to run; 0 where that is not known. */
function rowTakesUs({ points, placement }: Profiled): number {
  const one = points[0];
  if (one?.rows !== 1) return 0;
  return placement === 'inline' ? one.runUs : one.us;
}

/** Rounded up, so that it never reads like a target that is met. */
function inWords(ms: number): number {
  const parts = ms < 10 ? 100 : ms < 100 ? 10 : 1;
  return Math.ceil(ms * parts) / parts;
}
