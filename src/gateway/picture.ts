/** What a gateway is at this moment, read from its parts when somebody scrapes or looks. Changes nothing. */

import type { Config } from '../config/schema.ts';
import type { Supervision } from '../config/supervision.ts';
import type { Clock } from '../core/clock.ts';
import type { ModelVersion, Placement } from '../core/model.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { Timeline } from '../core/timeline.ts';
import type { GatherLedger } from '../http/body.ts';
import { debugDocument } from '../http/debug.ts';
import type { Listeners } from '../http/listeners.ts';
import type { Logger } from '../logging/logger.ts';
import type { Readings } from '../metrics/families.ts';
import type { Arena } from '../native/arena.ts';
import type { InferRoad } from '../pipeline/infer.ts';
import type { Target } from '../pipeline/target.ts';
import type { DecodePool } from '../preprocess/decode-pool.ts';
import type { Registry } from '../registry/registry.ts';
import { ONNX_RUNTIME_VERSION } from '../workers/session.ts';

/** The parts that are looked at. */
export interface PictureParts {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly arena: Arena;
  readonly gathered: GatherLedger;
  readonly road: InferRoad;
  readonly decoders: DecodePool;
  readonly registry: Registry;
  readonly listeners: Listeners;
  readonly timeline: Timeline;
  readonly supervision: Supervision | null;
  /** The data plane's object of a READY version. */
  readonly target: (id: number) => Target | null;
  readonly draining: () => boolean;
}

/** The picture of one gateway. */
export class Picture {
  readonly #parts: PictureParts;

  constructor(parts: PictureParts) {
    this.#parts = parts;
  }

  /** Figures for metrics. */
  readings(): Readings {
    const { version, arena, gathered, road, decoders, registry, listeners, log, supervision } = this.#parts;
    const lanes = road.driver.lanes();
    // The inline lane is the last one.
    const placement = (lane: number): Placement => (lane === lanes.length - 1 ? 'inline' : 'worker');
    const versions = [...registry.snapshot.models.values()].flatMap((model) => model.versions);
    return {
      versions: { version, node: process.versions.node, onnxruntime: ONNX_RUNTIME_VERSION },
      arenaUsedBytes: arena.allocatedBytes,
      gatheredBytes: gathered.taken,
      arenaCapacityBytes: arena.bytes.length,
      connections: listeners.connections,
      surplusConnections: listeners.surplusConnections,
      requestsInFlight: road.inFlight,
      restedUs: road.rest.totalUs,
      decodes: { waiting: decoders.waiting, running: decoders.running, stuck: decoders.stuck },
      lanes: lanes.map(({ up, batch }, lane) => ({ placement: placement(lane), up, busy: batch !== null })),
      models: versions.map(({ model, version: name, state }) => ({ model, version: name, ready: state === 'READY' })),
      schedulers: versions.flatMap((found) => {
        const view = this.view(found);
        return view === null ? [] : [{ model: found.model, version: found.version, view }];
      }),
      logLinesDropped: log.dropped,
      restarts: supervision?.restarts ?? 0,
      lastRestartCause: supervision?.lastCause ?? '',
    };
  }

  /** What is known of the scheduler of a version; null where it is not in service. */
  view({ state, target: id }: ModelVersion): SchedulerView | null {
    const target = state === 'READY' ? this.#parts.target(id) : null;
    return target === null ? null : this.#parts.road.driver.view(target.queue);
  }

  /** All of it, for eyes. */
  document(): unknown {
    const { clock, draining, config, registry, road, target, timeline } = this.#parts;
    return debugDocument({
      nowUs: clock.nowUs(),
      draining: draining(),
      config,
      readings: this.readings(),
      snapshot: registry.snapshot,
      lanes: road.driver.lanes(),
      target,
      view: (version) => this.view(version),
      startMs: timeline.times,
    });
  }
}
