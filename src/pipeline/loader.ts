/**
 * Brings a model version into service: loads its sessions, learns its interface, measures it, decides where it runs, and
 * makes its target. The decision is taken once, at load.
 */

import type { Driver } from '../batching/driver.ts';
import type { RefusedVersion } from '../config/supervision.ts';
import {
  type Lane,
  RunError,
  type RunRequest,
  type RunResult,
  type SessionInfo,
  type SessionSpec,
} from '../core/instance.ts';
import type { ModelPolicy, Placement, ServedFacts } from '../core/model.ts';
import { elementCount, type Signature } from '../core/tensor.ts';
import type { Timeline } from '../core/timeline.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { TargetMetrics } from '../metrics/target.ts';
import { type Arena, aligned } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { CrashMarks } from '../native/crash-marks.ts';
import type { Loader } from '../registry/registry.ts';
import { type FoundVersion, UnloadableError } from '../registry/repository.ts';
import { measureRun } from '../workers/measure.ts';
import { MOST_MODEL_INPUTS } from './intake.ts';
import type { InferRequest } from './request.ts';
import { Target } from './target.ts';

/** Batch cap of a model that states none, rows (Triton clients see it as `max_batch_size`). */
const DEFAULT_BATCH_ROWS = 1024;

/** Rows of the batch that is measured, where the cap allows. */
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

/** Loads versions onto lanes. */
export class ModelLoader implements Loader {
  readonly #parts: LoaderParts;
  readonly #targets = new Map<number, Target>();
  #sessions = 0;

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  /** The target of a READY version, or null. */
  target(id: number): Target | null {
    return this.#targets.get(id) ?? null;
  }

  async load(model: string, version: string, found: FoundVersion): Promise<{ target: number; facts: ServedFacts }> {
    const { policy, files } = found;
    this.#checkRefused(model, version, files);
    const spec: SessionSpec = { session: ++this.#sessions, path: found.path, options: policy.session };
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

  async #serve(
    model: string,
    version: string,
    found: FoundVersion,
    spec: SessionSpec,
    lanes: readonly number[],
    info: SessionInfo,
  ): Promise<{ target: number; facts: ServedFacts }> {
    const { binding, arena, driver, metrics, jsonDepth, queueRows, queueBytes } = this.#parts;
    checkSignature(info.signature, found);
    const maxBatchSize = await this.#maxBatchSize(info.signature, found.policy, lanes[0], spec.session);
    const rows = maxBatchSize === 0 ? 1 : Math.min(MEASURED_ROWS, maxBatchSize);
    const measuredUs = await measureRun(async () => {
      const result = await this.#tryRun(info.signature, rows, maxBatchSize > 0, lanes[0], spec.session);
      return result?.runUs ?? Number.POSITIVE_INFINITY;
    });
    this.#parts.timeline.markModel(model, version, 'measured');
    const placement = this.#parts.placement ?? (measuredUs < INLINE_US ? 'inline' : 'worker');
    const homes = placement === 'inline' ? [this.#parts.lanes.length - 1] : lanes;
    await this.#settle(spec, lanes, homes);
    const batchRows = placement === 'inline' ? inlineRows(maxBatchSize, rows, measuredUs) : maxBatchSize;
    const facts: ServedFacts = {
      signature: info.signature,
      maxBatchSize,
      placement,
      batchRows,
      measuredRows: rows,
      measuredUs: Math.round(measuredUs),
      instances: homes.length,
      instanceRange: rangeOf(found.policy, homes.length),
      provider: info.provider,
      passedOver: info.passedOver,
      labels: info.signature.outputs.map((output) => found.labels.get(output.name) ?? null),
    };
    const { session } = spec;
    const bounds = {
      queueRows: found.policy.queueRows ?? queueRows,
      queueBytes: found.policy.queueBytes ?? queueBytes,
    };
    const onLost = (lost: boolean) => this.#parts.onLost(session, lost);
    const queue = driver.open({ maxBatchRows: batchRows, lanes: homes, ...bounds }, onLost);
    const figures = new TargetMetrics();
    const parts = { binding, arena, model, version, session, facts, queue, metrics: figures, jsonDepth };
    const target = new Target(parts);
    metrics.watch({ labels: { model, version }, metrics: figures, gauges: () => target.gauges() });
    this.#targets.set(session, target);
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

  async #maxBatchSize(
    signature: Signature,
    policy: ModelPolicy,
    lane: number | undefined,
    session: number,
  ): Promise<number> {
    if (policy.maxBatchRows === 0) return 0;
    const tensors = [...signature.inputs, ...signature.outputs];
    const free = signature.inputs.length > 0 && tensors.every((spec) => spec.shape.length > 0 && spec.shape[0] === -1);
    if (free && (await this.#followsRows(signature, lane, session))) return policy.maxBatchRows ?? DEFAULT_BATCH_ROWS;
    if (policy.maxBatchRows === null) return 0;
    throw new UnloadableError('maxBatchRows is set, but the model has no batch dimension; set it to 0');
  }

  /** A free first dimension is the batch only if two rows in give two rows out, everywhere. */
  async #followsRows(signature: Signature, lane: number | undefined, session: number): Promise<boolean> {
    const result = await this.#tryRun(signature, 2, true, lane, session);
    return result?.outputs.every((output) => output?.dims[0] === 2) ?? false;
  }

  async #tryRun(
    signature: Signature,
    rows: number,
    batched: boolean,
    lane: number | undefined,
    session: number,
  ): Promise<RunResult | null> {
    const { run, block } = this.#emptyRun(signature, rows, batched, session);
    try {
      return await this.#lane(lane).run(run);
    } catch (error) {
      // Zeros may be no valid input of this model: then nothing is learned of it.
      if (error instanceof RunError) return null;
      throw error;
    } finally {
      this.#parts.arena.free(block);
    }
  }

  /** A run on zeros (empty strings), free inner dimensions 1. */
  #emptyRun(signature: Signature, rows: number, batched: boolean, session: number): { run: RunRequest; block: number } {
    const dims = signature.inputs.map((spec) => spec.shape.map((d, i) => (i === 0 && batched ? rows : d < 0 ? 1 : d)));
    const sizes = signature.inputs.map((spec, i) => aligned(elementCount(dims[i] as number[]) * spec.datatype.size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const block = this.#parts.arena.allocate(total);
    if (block < 0)
      throw new UnloadableError('the arena is too small for a batch of this model; raise limits.arenaBytes');
    this.#parts.arena.bytes.fill(0, block, block + total);
    let at = block;
    const inputs = signature.inputs.map((spec, i) => {
      const offset = at;
      at += sizes[i] as number;
      const count = elementCount(dims[i] as number[]);
      return { offset, dims: dims[i] as number[], strings: spec.datatype.size > 0 ? null : new Array(count).fill('') };
    });
    return { run: { session, inputs, outputs: signature.outputs.map(() => null) }, block };
  }
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
