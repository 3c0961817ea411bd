/**
 * `GET /admin/debug`: the whole gateway as one picture, taken in one turn of the event loop. For whoever looks for the
 * reason of something; it may change with every release and holds no body, no tensor and no secret.
 */

import type { Batch } from '../batching/travel.ts';
import { HEADS_KEPT, MAX_SKELETON_BYTES } from '../codec/head.ts';
import type { Config } from '../config/schema.ts';
import type { ModelVersion, Snapshot } from '../core/model.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { StartTimes } from '../core/timeline.ts';
import type { Readings } from '../metrics/families.ts';
import { MAX_INPUTS } from '../native/binding.ts';
import type { InferRequest } from '../pipeline/request.ts';
import type { Target } from '../pipeline/target.ts';
import { MOST_CHUNKS } from './body.ts';

/** What the picture is taken of. */
export interface DebugSources {
  readonly nowUs: number;
  readonly draining: boolean;
  readonly config: Config;
  readonly readings: Readings;
  readonly snapshot: Snapshot;
  readonly lanes: readonly { readonly up: boolean; readonly batch: Batch<InferRequest> | null }[];
  readonly target: (id: number) => Target | null;
  readonly view: (version: ModelVersion) => SchedulerView | null;
  readonly startMs: StartTimes;
}

/** Limits that are constants. */
const CONSTANTS = { chunks: MOST_CHUNKS, skeletonBytes: MAX_SKELETON_BYTES, inputs: MAX_INPUTS, headsKept: HEADS_KEPT };

/** The picture. */
export function debugDocument(sources: DebugSources): unknown {
  const { nowUs, draining, config, readings, snapshot } = sources;
  const { arenaUsedBytes, arenaCapacityBytes, connections, requestsInFlight } = readings;
  return {
    state: draining ? 'draining' : snapshot.settled ? 'serving' : 'loading',
    pid: process.pid,
    uptimeS: Math.round(nowUs / 1e6),
    versions: readings.versions,
    startMs: sources.startMs,
    requestsInFlight,
    decodes: readings.decodes,
    connections,
    arena: { capacityBytes: arenaCapacityBytes, usedBytes: arenaUsedBytes },
    lanes: sources.lanes.map(({ up, batch }, lane) => ({
      lane,
      placement: readings.lanes[lane]?.placement,
      up,
      runs: batch === null ? null : batchPicture(batch, nowUs),
    })),
    models: [...snapshot.models.values()].flatMap((model) => model.versions.map((v) => versionPicture(v, sources))),
    limits: { ...config.limits, ...CONSTANTS },
    config: shown(config),
  };
}

/** Settings are shown by name: one that is added later, and may be a secret, is not until it is put here. */
function shown(config: Config): unknown {
  const { host, port, adminHost, adminPort, models, stateDir, allowedHosts, allowedOrigins, basePath } = config;
  const { strictReadiness, drainTimeoutS, workers, log } = config;
  const places = { host, port, adminHost, adminPort, models, stateDir, allowedHosts, allowedOrigins, basePath };
  return { ...places, strictReadiness, drainTimeoutS, workers, log };
}

function batchPicture({ requests, rows, startedUs }: Batch<InferRequest>, nowUs: number): unknown {
  const { model, version } = (requests[0] as InferRequest).target;
  return { model, version, requests: requests.length, rows, forUs: nowUs - startedUs };
}

function versionPicture(found: ModelVersion, sources: DebugSources) {
  const { model, version, state, reason, facts, target: id } = found;
  const target = sources.target(id);
  if (facts === null || target === null) return { model, version, state, reason };
  const { placement, provider, maxBatchSize, batchRows, measuredRows, measuredUs } = facts;
  return {
    model,
    version,
    state,
    reason,
    placement,
    provider,
    maxBatchSize,
    batchRows,
    measuredRows,
    measuredUs,
    ...serving(target, sources.view(found)),
  };
}

function serving(target: Target, view: SchedulerView | null): unknown & object {
  const { queue, metrics } = target;
  const { ring, headHits, headMisses, retries } = target.gauges();
  const { queueRows, queueBytes } = queue.spec;
  return {
    lanes: queue.lanes,
    queue: {
      requests: queue.length,
      rows: queue.rows,
      mostRows: queueRows,
      bytes: queue.bytes,
      mostBytes: queueBytes,
      oldestUs: queue.length === 0 ? null : Math.max(0, ...(view?.waiting ?? []).map((flow) => flow.oldestUs)),
    },
    ring,
    heads: { hits: headHits, misses: headMisses },
    requests: { answered: metrics.answered, rows: metrics.rows, retries, failed: Object.fromEntries(metrics.failures) },
  };
}
