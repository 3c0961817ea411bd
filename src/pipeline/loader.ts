/**
 * Brings a model version into service: loads its sessions, has it appraised, and makes its target. Where it runs later is
 * for the places to say.
 */

import { LatencyCurve } from '../batching/curve.ts';
import type { Driver } from '../batching/driver.ts';
import type { RefusedVersion } from '../config/supervision.ts';
import type { Clock } from '../core/clock.ts';
import type { Lane, SessionInfo, SessionSpec } from '../core/instance.ts';
import type { ModelPolicy, ServedFacts } from '../core/model.ts';
import type { Curve } from '../core/scheduling.ts';
import type { Timeline } from '../core/timeline.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { TargetMetrics } from '../metrics/target.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { CrashMarks } from '../native/crash-marks.ts';
import type { DecodePool } from '../preprocess/decode-pool.ts';
import type { Loader } from '../registry/registry.ts';
import { type FoundVersion, UnloadableError } from '../registry/repository.ts';
import { type Appraisal, type AppraisalParts, appraise, type Profiled, rowUs } from './appraisal.ts';
import type { Loadable } from './lane-sessions.ts';
import { pictureModel } from './picture-model.ts';
import { inlineRows } from './placement.ts';
import type { Places } from './places.ts';
import type { InferRequest } from './request.ts';
import { Target } from './target.ts';
import { INLINE_RANGE, type InstanceBounds, instanceBounds } from './threads.ts';
import { Trial } from './trial.ts';

/** What the loader works with. */
export interface LoaderParts extends AppraisalParts {
  readonly binding: Binding;
  readonly arena: Arena;
  readonly driver: Driver<InferRequest>;
  readonly places: Places;
  /** Worker lanes first, the inline lane last: positions are the driver's lane numbers. */
  readonly lanes: readonly Lane[];
  readonly metrics: Metrics;
  readonly timeline: Timeline;
  readonly clock: Clock;
  readonly jsonDepth: number;
  readonly queueRows: number;
  readonly queueBytes: number;
  /** What is known of a model's batches, where tests know better than what was measured. */
  readonly curve: ((model: string) => Curve) | null;
  readonly marks: CrashMarks;
  /** Of models that take pictures: one has to be proven before, and all start when such a model serves. */
  readonly decoders: Pick<DecodePool, 'prove' | 'start'>;
  /** Told when a target has had no lane for too long, and has one again. */
  readonly onLost: (target: number, lost: boolean) => void;
  /** Versions that ended the process too often. */
  readonly refused: readonly RefusedVersion[];
}

/** A version whose session is on the first of `lanes`. */
interface Loaded {
  readonly model: string;
  readonly version: string;
  readonly found: FoundVersion;
  readonly spec: SessionSpec;
  readonly lanes: readonly number[];
  readonly info: SessionInfo;
}

/** Loads versions onto lanes. */
export class ModelLoader implements Loader {
  readonly #parts: LoaderParts;
  readonly #targets = new Map<number, Target>();
  readonly #learning = new Map<number, { readonly profiled: Profiled; readonly curve: Curve }>();
  #sessions = 0;

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  /** The target of a READY version, or null. */
  target(id: number): Target | null {
    return this.#targets.get(id) ?? null;
  }

  /** What is learned of the times of a READY version's batches, or null. */
  curve(id: number): Curve | null {
    return this.#learning.get(id)?.curve ?? null;
  }

  /** Keeps what was learned in service for the next start. Never fails. */
  async keepLearned(): Promise<void> {
    for (const [id, { profiled, curve }] of this.#learning) {
      const { key, points } = profiled;
      // It may have moved since.
      const placement = this.#targets.get(id)?.facts.placement ?? profiled.placement;
      const known = curve.points();
      if (points.length === 0 || known.every(({ batches }) => batches === 0)) continue;
      const learned = { placement, points: known.map(({ rows, us }) => ({ rows, us })) };
      await this.#parts.profiles.write(key, { points, learned });
    }
  }

  async load(model: string, version: string, found: FoundVersion): Promise<{ target: number; facts: ServedFacts }> {
    const { policy, files } = found;
    this.#checkRefused(model, version, files);
    const options = { ...policy.session, intraOpThreads: policy.session.intraOpThreads ?? 1 };
    const spec: SessionSpec = { session: ++this.#sessions, path: found.path, options };
    this.#checkInstances(policy);
    const lanes = this.#workerLanes(policy.instances.min, spec.session);
    this.#parts.marks.name({ session: spec.session, model, version, files });
    // Side by side: the first decode thread takes as long to start as the first worker.
    const decodable = this.#checkDecoders(policy);
    // Where both fail the session is told of.
    decodable.catch(() => undefined);
    const info = await explained(() => this.#parts.places.load(lanes[0] as number, spec));
    this.#parts.timeline.markModel(model, version, 'loaded');
    try {
      await decodable;
      return await this.#serve({ model, version, found, spec, lanes, info });
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

  /** @throws {UnloadableError} where it takes pictures and none can be decoded */
  async #checkDecoders({ preprocess }: ModelPolicy): Promise<void> {
    if (preprocess === null) return;
    try {
      await this.#parts.decoders.prove();
    } catch (error) {
      throw new UnloadableError('images cannot be decoded here: the decoder (sharp) does not work; see the log', error);
    }
  }

  async #serve(loaded: Loaded): Promise<{ target: number; facts: ServedFacts }> {
    const { arena, clock, timeline } = this.#parts;
    const { model, version, found, lanes } = loaded;
    const { signature } = loaded.info;
    const { session } = loaded.spec;
    const trialOn = (lane: number) => new Trial({ arena, clock, lane: this.#lane(lane), signature, session });
    const first = lanes[0] as number;
    const candidate = {
      model,
      version,
      found,
      signature,
      loaded: loaded.spec,
      lane: this.#lane(first),
      trial: trialOn(first),
    };
    const appraisal = await appraise(this.#parts, candidate);
    timeline.markModel(model, version, 'measured');
    const { spec, maxBatchSize, profiled } = appraisal;
    const homes = profiled.placement === 'inline' ? [this.#parts.lanes.length - 1] : lanes;
    const settled = { spec, warm: (lane: number) => rowUs(trialOn(lane), maxBatchSize) };
    await this.#settle(settled, lanes, homes);
    const facts = this.#open(loaded, appraisal, settled, homes);
    timeline.markModel(model, version, 'placed');
    return { target: session, facts };
  }

  /** A version whose session is warm on `homes` serves from now on. */
  #open(loaded: Loaded, appraisal: Appraisal, settled: Loadable, homes: readonly number[]): ServedFacts {
    const { model, version, found, info } = loaded;
    const { binding, arena, driver, places, metrics, jsonDepth, queueRows, queueBytes, onLost, decoders } = this.#parts;
    const { policy } = found;
    const { session } = settled.spec;
    const { profiled, maxBatchSize, hopUs } = appraisal;
    const range = this.#bounds(policy, settled.spec);
    const facts = factsOf(found, info, appraisal, homes.length, range);
    const curve = this.#parts.curve?.(model) ?? new LatencyCurve(Math.max(1, maxBatchSize), profiled.prior);
    const room = { queueRows: policy.queueRows ?? queueRows, queueBytes: policy.queueBytes ?? queueBytes };
    const sloUs = (policy.slo?.p99Ms ?? 0) * 1000;
    const wanted = { maxBatchRows: facts.batchRows, lanes: homes, ...room, sloUs, curve };
    const queue = driver.open(wanted, (lost) => onLost(session, lost));
    const pictures = pictureModel(policy, info.signature, found.labels);
    if (pictures !== null) decoders.start();
    const figures = new TargetMetrics(pictures !== null);
    const parts = { binding, arena, model, version, session, facts, queue, metrics: figures, jsonDepth, pictures };
    const target = new Target(parts);
    const movable = this.#parts.placement === null ? curve : null;
    places.add({ target, ...settled, homes, range, hopUs, curve: movable });
    metrics.watch({ labels: { model, version }, metrics: figures, gauges: () => target.gauges() });
    this.#targets.set(session, target);
    this.#learning.set(session, { profiled, curve });
    return facts;
  }

  /** Fewest and most instances of it on workers. */
  #bounds({ instances, session }: ModelPolicy, { options }: SessionSpec): InstanceBounds {
    const workers = this.#parts.lanes.length - 1;
    const chosen = session.intraOpThreads === null && options.intraOpThreads > 1;
    return instanceBounds(instances, workers, chosen ? this.#parts.cores / options.intraOpThreads : workers);
  }

  /** As many worker lanes as asked for, spread so that single-instance models do not all share the first. */
  #workerLanes(instances: number, session: number): number[] {
    const workers = this.#parts.lanes.length - 1;
    const count = Math.min(instances, workers);
    return Array.from({ length: count }, (_, i) => (session + i) % workers);
  }

  #lane(index: number | undefined): Lane {
    return this.#parts.lanes[index ?? 0] as Lane;
  }

  /** Loads the session where it will live, and drops it from the lane it was measured on if that is elsewhere. */
  async #settle(session: Loadable, measuredOn: readonly number[], homes: readonly number[]): Promise<void> {
    const { places } = this.#parts;
    for (const home of homes) if (home !== measuredOn[0]) await explained(() => places.prepare(home, session));
    if (!homes.includes(measuredOn[0] as number)) await this.#lane(measuredOn[0]).unload(session.spec.session);
  }
}

/** What is known of a version on so many lanes. @param range bounds of its instances on workers */
function factsOf(
  found: FoundVersion,
  { signature, provider, passedOver }: SessionInfo,
  { spec, maxBatchSize, profiled, measured }: Appraisal,
  instances: number,
  range: InstanceBounds,
): ServedFacts {
  const { placement, prior } = profiled;
  const { rows, runUs } = measured;
  return {
    signature,
    maxBatchSize,
    placement,
    batchRows: placement === 'inline' ? inlineRows(maxBatchSize, rows, runUs) : maxBatchSize,
    measuredRows: rows,
    measuredUs: Math.round(runUs),
    profile: prior,
    instances,
    instanceRange: placement === 'inline' ? INLINE_RANGE : range,
    intraOpThreads: spec.options.intraOpThreads,
    provider,
    passedOver,
    labels: signature.outputs.map((output) => found.labels.get(output.name) ?? null),
  };
}

/** Failures of a load in words that may be shown; ONNX Runtime's own stay in the log. */
async function explained<R>(load: () => Promise<R>): Promise<R> {
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
