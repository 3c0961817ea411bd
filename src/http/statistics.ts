/** Triton's statistics document, read from the counters that the road keeps: integers only, durations in nanoseconds. */

import { GatewayError } from '../core/error.ts';
import type { ModelVersion, Snapshot } from '../core/model.ts';
import type { TargetMetrics } from '../metrics/target.ts';
import { findModel, findVersion } from '../routing/resolve.ts';

/** Where the counters are. */
export interface StatisticsSource {
  /** Those of a version by its handle; null where it does not serve. */
  readonly metrics: (target: number) => TargetMetrics | null;
  /** Unix time at which the process's clock was 0, milliseconds. */
  readonly epochMs: number;
}

const NS_PER_US = 1000;

/** `GET /v2/models/stats`: every version that serves. */
export function allStatistics(snapshot: Snapshot, source: StatisticsSource): unknown {
  const versions = [...snapshot.models.values()].flatMap((model) => model.versions);
  return { model_stats: statisticsOf(versions, source) };
}

/**
 * `GET /v2/models/M[/versions/V]/stats`: that version, or every one of the model that serves.
 * @throws {GatewayError} MODEL_NOT_FOUND; MODEL_NOT_READY where none serves
 */
export function modelStatistics(
  snapshot: Snapshot,
  model: string,
  version: string | null,
  source: StatisticsSource,
): unknown {
  const asked = version === null ? findModel(snapshot, model).versions : [findVersion(snapshot, model, version)];
  const found = statisticsOf(asked, source);
  if (found.length === 0) throw new GatewayError('MODEL_NOT_READY', `model '${model}' is not ready`);
  return { model_stats: found };
}

function statisticsOf(versions: readonly ModelVersion[], source: StatisticsSource): unknown[] {
  return versions.flatMap((version) => {
    const metrics = source.metrics(version.target);
    return metrics === null ? [] : [versionStatistics(version, metrics, source.epochMs)];
  });
}

/** perf_analyzer reads all eight inference_stats and ends where one is missing or no integer. */
function versionStatistics({ model, version }: ModelVersion, m: TargetMetrics, epochMs: number): unknown {
  const { answered, travelled } = m;
  return {
    name: model,
    version,
    last_inference: m.lastRunUs < 0 ? 0 : Math.round(epochMs + m.lastRunUs / 1000),
    inference_count: m.rows,
    execution_count: m.runUs.count,
    inference_stats: {
      success: duration(answered, m.requestUs.sum),
      fail: duration(m.failed, m.failedUs),
      queue: duration(m.queueUs.count, m.queueUs.sum),
      compute_input: duration(travelled.count, travelled.inputUs),
      compute_infer: duration(travelled.count, travelled.inferUs),
      compute_output: duration(travelled.count, travelled.outputUs),
      cache_hit: duration(0, 0),
      cache_miss: duration(0, 0),
    },
    response_stats: {},
    batch_stats: [...m.batches]
      .sort(([a], [b]) => a - b)
      .map(([rows, times]) => ({
        batch_size: rows,
        compute_input: duration(times.count, times.inputUs),
        compute_infer: duration(times.count, times.inferUs),
        compute_output: duration(times.count, times.outputUs),
      })),
    memory_usage: [],
  };
}

function duration(count: number, us: number): { count: number; ns: number } {
  return { count, ns: us * NS_PER_US };
}
