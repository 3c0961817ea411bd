/**
 * Brings a model version into service: loads its sessions, learns its interface, measures it, decides where it runs, and
 * makes its target. The decision is taken once, at load.
 */

import { LatencyCurve } from '../batching/curve.ts';
import type { Driver } from '../batching/driver.ts';
import type { RefusedVersion } from '../config/supervision.ts';
import type { Clock } from '../core/clock.ts';
import type { Lane, SessionInfo, SessionSpec } from '../core/instance.ts';
import type { ModelPolicy, Placement, ServedFacts } from '../core/model.ts';
import type { CurvePoint } from '../core/scheduling.ts';
import type { Signature } from '../core/tensor.ts';
import type { Timeline } from '../core/timeline.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { TargetMetrics } from '../metrics/target.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { CrashMarks } from '../native/crash-marks.ts';
import type { Loader } from '../registry/registry.ts';
import { type FoundVersion, UnloadableError } from '../registry/repository.ts';
import { MOST_MODEL_INPUTS } from './intake.ts';
import { curveOf, type ProfilePoint, profile } from './profile.ts';
import type { ProfileStore } from './profile-store.ts';
import type { InferRequest } from './request.ts';
import { Target } from './target.ts';
import { Trial } from './trial.ts';

/** Batch cap of a model that states none, rows (Triton clients see it as `max_batch_size`). */
const DEFAULT_BATCH_ROWS = 1024;

/** Rows of the batch that decides where a model runs, where the cap allows. */
const MEASURED_ROWS = 32;

/**
 * A batch that takes less runs on the front thread: the way to a worker and back would cost as much. About 200 us on a
 * quiet machine; what is measured on a shared one is rather more, and so is the way to a worker.
 */
const INLINE_US = 250;

/** Inline batches are cut at this length, so that the loop is never held for longer. */
const INLINE_BATCH_US = 500;

/** What the loader works with. */
export interface LoaderParts {
  readonly binding: Binding;
  readonly arena: Arena;
  readonly driver: Driver<InferRequest>;
  /** Worker lanes first, the inline lane last: positions are the driver's lane numbers. */
  readonly lanes: readonly Lane[];
  readonly metrics: Metrics;
  readonly timeline: Timeline;
  readonly clock: Clock;
  readonly profiles: ProfileStore;
  readonly jsonDepth: number;
  readonly queueRows: number;
  readonly queueBytes: number;
  /** Tests and benches force a placement by this seam; null = decide by measurement. */
  readonly placement: Placement | null;
  readonly marks: CrashMarks;
  /** Told when a target has had no lane for too long, and has one again. */
  readonly onLost: (target: number, lost: boolean) => void;
  /** Versions that ended the process too often. */
  readonly refused: readonly RefusedVersion[];
}

/** What was found out about the time of a version's batches. */
interface Profiled {
  /** Where it is kept. */
  readonly key: string;
  /** Rows ascending; empty where the model does not run on zeros. */
  readonly points: readonly ProfilePoint[];
  readonly placement: Placement;
  /** What is known before the first batch, where it runs. */
  readonly prior: readonly CurvePoint[];
}

/** Loads versions onto lanes. */
export class ModelLoader implements Loader {
  readonly #parts: LoaderParts;
  readonly #targets = new Map<number, Target>();
  readonly #learning = new Map<number, { readonly profiled: Profiled; readonly curve: LatencyCurve }>();
  #sessions = 0;

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  /** The target of a READY version, or null. */
  target(id: number): Target | null {
    return this.#targets.get(id) ?? null;
  }

  /** What is learned of the times of a READY version's batches, or null. */
  curve(id: number): LatencyCurve | null {
    return this.#learning.get(id)?.curve ?? null;
  }

  /** Keeps what was learned in service for the next start. Never fails. */
  async keepLearned(): Promise<void> {
    for (const { profiled, curve } of this.#learning.values()) {
      const { key, points, placement } = profiled;
      const known = curve.points();
      if (points.length === 0 || known.every(({ batches }) => batches === 0)) continue;
      const learned = { placement, points: known.map(({ rows, us }) => ({ rows, us })) };
      await this.#parts.profiles.write(key, { points, learned });
    }
  }

  async load(model: string, version: string, found: FoundVersion): Promise<{ target: number; facts: ServedFacts }> {
    const { policy, files } = found;
    this.#checkRefused(model, version, files);
    const spec: SessionSpec = { session: ++this.#sessions, path: found.path, options: policy.session };
    this.#checkInstances(policy);
    const lanes = this.#workerLanes(policy.instances.max, spec.session);
    this.#parts.marks.name({ session: spec.session, model, version, files });
    const info = await explained(() => this.#lane(lanes[0]).load(spec));
    this.#parts.timeline.markModel(model, version, 'loaded');
    try {
      return await this.#serve(model, version, found, spec, lanes, info);
    } catch (error) {
      for (const lane of lanes) await this.#lane(lane).unload(spec.session);
      throw error;
    }
  }

  /** @throws {UnloadableError} for what ended the process too often and has not been changed since */
  #checkRefused(model: string, version: string, files: string): void {
    const found = this.#parts.refused.find((r) => r.model === model && r.version === version && r.files === files);
    if (found === undefined) return;
    throw new UnloadableError(
      `it ran each time the server process died, several times in a row (${found.cause}); it is loaded again when its files change or the server is started anew`,
    );
  }

  /** @throws {UnloadableError} where more instances are asked for than there is room for */
  #checkInstances({ instances }: ModelPolicy): void {
    const workers = this.#parts.lanes.length - 1;
    if (instances.min <= workers) return;
    throw new UnloadableError(`instances is at least ${instances.min}, but workers is ${workers}`);
  }

  async #serve(
    model: string,
    version: string,
    found: FoundVersion,
    spec: SessionSpec,
    lanes: readonly number[],
    info: SessionInfo,
  ): Promise<{ target: number; facts: ServedFacts }> {
    const { binding, arena, driver, metrics, jsonDepth, queueRows, queueBytes, clock } = this.#parts;
    checkSignature(info.signature, found);
    const { session } = spec;
    const trial = new Trial({ arena, clock, lane: this.#lane(lanes[0]), signature: info.signature, session });
    const { maxBatchSize, spentUs } = await triedBatches(trial, info.signature, found.policy);
    const profiled = await this.#profile(trial, found, maxBatchSize, spentUs);
    this.#parts.timeline.markModel(model, version, 'measured');
    checkTarget(found.policy, profiled, maxBatchSize);
    const { placement, prior } = profiled;
    const { rows, runUs } = measured(profiled.points, maxBatchSize);
    const homes = placement === 'inline' ? [this.#parts.lanes.length - 1] : lanes;
    await this.#settle(spec, lanes, homes);
    const batchRows = placement === 'inline' ? inlineRows(maxBatchSize, rows, runUs) : maxBatchSize;
    const facts: ServedFacts = {
      signature: info.signature,
      maxBatchSize,
      placement,
      batchRows,
      measuredRows: rows,
      measuredUs: Math.round(runUs),
      profile: prior,
      instances: homes.length,
      instanceRange: rangeOf(found.policy, homes.length),
      provider: info.provider,
      passedOver: info.passedOver,
      labels: info.signature.outputs.map((output) => found.labels.get(output.name) ?? null),
    };
    const bounds = {
      queueRows: found.policy.queueRows ?? queueRows,
      queueBytes: found.policy.queueBytes ?? queueBytes,
    };
    const onLost = (lost: boolean) => this.#parts.onLost(session, lost);
    const curve = new LatencyCurve(Math.max(1, maxBatchSize), prior);
    const sloUs = (found.policy.slo?.p99Ms ?? 0) * 1000;
    const queue = driver.open({ maxBatchRows: batchRows, lanes: homes, ...bounds, sloUs, curve }, onLost);
    const figures = new TargetMetrics();
    const parts = { binding, arena, model, version, session, facts, queue, metrics: figures, jsonDepth };
    const target = new Target(parts);
    metrics.watch({ labels: { model, version }, metrics: figures, gauges: () => target.gauges() });
    this.#targets.set(session, target);
    this.#learning.set(session, { profiled, curve });
    this.#parts.timeline.markModel(model, version, 'placed');
    return { target: session, facts };
  }

  /** As many worker lanes as asked for, spread so that single-instance models do not all share the first. */
  #workerLanes(instances: number | null, session: number): number[] {
    const workers = this.#parts.lanes.length - 1;
    const count = Math.min(instances ?? workers, workers);
    return Array.from({ length: count }, (_, i) => (session + i) % workers);
  }

  #lane(index: number | undefined): Lane {
    return this.#parts.lanes[index ?? 0] as Lane;
  }

  /** Loads the session where it will live, and drops it from the lane it was measured on if that is elsewhere. */
  async #settle(spec: SessionSpec, measuredOn: readonly number[], homes: readonly number[]): Promise<void> {
    for (const home of homes) if (home !== measuredOn[0]) await explained(() => this.#lane(home).load(spec));
    if (!homes.includes(measuredOn[0] as number)) await this.#lane(measuredOn[0]).unload(spec.session);
  }

  /** What was kept of an earlier start, else a short profile. */
  async #profile(trial: Trial, found: FoundVersion, maxBatchSize: number, spentUs: number): Promise<Profiled> {
    const { profiles } = this.#parts;
    const most = Math.max(1, maxBatchSize);
    const key = await profiles.key(found.path, found.policy.session, most);
    const kept = await profiles.read(key);
    const points = kept?.points ?? (await profile((rows) => trial.run(rows, maxBatchSize > 0), most, spentUs));
    if (kept === null && points.length > 0) await profiles.write(key, { points, learned: null });
    // The first run of a session is slow: nobody's request should be it.
    if (kept !== null && spentUs === 0) await trial.run(1, maxBatchSize > 0);
    const placement = this.#parts.placement ?? (runsInline(points, maxBatchSize) ? 'inline' : 'worker');
    const learned = kept?.learned?.placement === placement ? kept.learned.points : null;
    return { key, points, placement, prior: learned ?? curveOf(points, placement === 'inline') };
  }
}

/** `max_batch_size`, and the time of the run that showed it, microseconds (0 = none was needed). */
async function triedBatches(
  trial: Trial,
  signature: Signature,
  policy: ModelPolicy,
): Promise<{ maxBatchSize: number; spentUs: number }> {
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

/** A profile that ends before 32 rows does so because they take long. */
function runsInline(points: readonly ProfilePoint[], maxBatchSize: number): boolean {
  const { rows, runUs } = measured(points, maxBatchSize);
  return (runUs * Math.min(MEASURED_ROWS, Math.max(1, maxBatchSize))) / rows < INLINE_US;
}

/** @throws {UnloadableError} where not even one row alone can be answered in time */
function checkTarget(policy: ModelPolicy, { points, placement }: Profiled, maxBatchSize: number): void {
  const one = points[0];
  if (policy.slo === null || one?.rows !== 1) return;
  const takesMs = (placement === 'inline' ? one.runUs : one.us) / 1000;
  if (takesMs <= policy.slo.p99Ms) return;
  const what = maxBatchSize === 0 ? 'request' : 'row';
  throw new UnloadableError(`slo.p99Ms is ${policy.slo.p99Ms} ms, but one ${what} takes ${inWords(takesMs)} ms`);
}

/** Rounded up, so that it never reads like a target that is met. */
function inWords(ms: number): number {
  const parts = ms < 10 ? 100 : ms < 100 ? 10 : 1;
  return Math.ceil(ms * parts) / parts;
}

/** What model.yaml says, as far as there are lanes for it. */
function rangeOf({ instances }: ModelPolicy, lanes: number): { min: number; max: number } {
  const max = Math.min(instances.max ?? lanes, lanes);
  return { min: Math.min(instances.min, max), max };
}

function inlineRows(maxBatchSize: number, rows: number, measuredUs: number): number {
  if (maxBatchSize === 0) return 0;
  const perRowUs = Math.max(0.1, measuredUs / rows);
  return Math.max(1, Math.min(maxBatchSize, Math.floor(INLINE_BATCH_US / perRowUs)));
}

function checkSignature(signature: Signature, found: FoundVersion): void {
  if (signature.inputs.length > MOST_MODEL_INPUTS) throw new UnloadableError('the model has too many inputs');
  for (const name of found.labels.keys()) {
    if (!signature.outputs.some((output) => output.name === name)) {
      throw new UnloadableError(`model.yaml has labels for '${name}', which is no output`);
    }
  }
  if (found.manifest === null) return;
  if (describe(found.manifest.signature) !== describe(signature)) {
    throw new UnloadableError('the signature of model.onnx is not the one of its manifest');
  }
}

function describe(signature: Signature): string {
  const tensors = [signature.inputs, signature.outputs];
  return JSON.stringify(tensors.map((side) => side.map((t) => [t.name, t.datatype.name, t.shape])));
}

/** Failures of a load in words that may be shown; ONNX Runtime's own stay in the log. */
async function explained(load: () => Promise<SessionInfo>): Promise<SessionInfo> {
  try {
    return await load();
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    if (text.startsWith('Unsupported data type: 16')) {
      throw new UnloadableError('a tensor is BF16, which onnxruntime-node does not take', error);
    }
    if (text.startsWith('the model asks for ')) throw new UnloadableError(text.split('\n', 1)[0] as string, error);
    throw error;
  }
}
