/**
 * Every family of metrics that is the gateway's own: its name, its type, its meaning, and how its samples are read when
 * somebody scrapes. README's table is made equal to it. Labels come from the registry, the error table and the limit table
 * alone, so that no client can make a series.
 */

import type { ErrorCode } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import type { Placement } from '../core/model.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { FastHistogram } from './fast.ts';
import { SCHEDULER_FAMILIES } from './scheduler-families.ts';
import type { TargetGauges, TargetMetrics, WatchedTarget } from './target.ts';

const US_PER_S = 1e6;

/** Figures of the gateway as they stand now. */
export interface Readings {
  readonly versions: { readonly version: string; readonly node: string; readonly onnxruntime: string };
  readonly arenaUsedBytes: number;
  readonly arenaCapacityBytes: number;
  /** Memory of request bodies that come in pieces. */
  readonly gatheredBytes: number;
  readonly connections: { readonly inference: number; readonly admin: number };
  /** Connections closed because there were too many, so far. */
  readonly surplusConnections: number;
  readonly requestsInFlight: number;
  /** Time that the front thread let requests wait in the kernel, microseconds. */
  readonly restedUs: number;
  /** Pictures that wait for a decode thread, that are on one, and that were given up because theirs does not come to an end. */
  readonly decodes: { readonly waiting: number; readonly running: number; readonly stuck: number };
  readonly lanes: readonly { readonly placement: Placement; readonly up: boolean; readonly busy: boolean }[];
  readonly models: readonly { readonly model: string; readonly version: string; readonly ready: boolean }[];
  /** Pictures of the schedulers of versions in service. */
  readonly schedulers: readonly { readonly model: string; readonly version: string; readonly view: SchedulerView }[];
  /** Log lines lost so far. */
  readonly logLinesDropped: number;
  /** How often the supervisor started the process again; and why the last time, empty where it never did. */
  readonly restarts: number;
  readonly lastRestartCause: string;
}

/** What is counted besides the model versions' own. */
export interface Totals {
  readonly rejections: Record<ErrorCode, number>;
  readonly limits: Record<Limit, number>;
  bytesIn: number;
  bytesOut: number;
  lanesLost: number;
  workerFaults: number;
}

/** All that one scrape reads. */
export interface Scrape {
  readonly now: Readings;
  readonly totals: Totals;
  readonly targets: readonly WatchedTarget[];
  /** Delay of the event loop since the last scrape, 99th percentile, seconds. */
  readonly loopDelayS: number;
  /** Time that the event loop did not wait, since the start, seconds. */
  readonly loopActiveS: number;
}

/** One value of a family. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the family's: the parts of a histogram. */
  readonly metricName?: string;
}

/** Metrics of one name. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: (scrape: Scrape) => readonly Sample[];
}

/** All of them, in the order in which they are shown. */
export const FAMILIES: readonly Family[] = [
  family('counter', 'penstock_requests_total', 'Inference requests by outcome: OK or the error code', outcomes),
  perTarget('counter', 'penstock_rows_total', 'Rows of the requests answered with 200', ({ metrics }) => metrics.rows),
  seconds('penstock_request_duration_seconds', 'From the first byte to the answer, for 200s', (m) => m.requestUs),
  seconds('penstock_queue_duration_seconds', 'From the first byte to the start of the batch', (m) => m.queueUs),
  seconds(
    'penstock_decode_duration_seconds',
    'From the last byte of the pictures of a request to their rows, for models that take pictures',
    (m) => m.decodeUs,
  ),
  seconds('penstock_run_duration_seconds', 'Time of a batch inside ONNX Runtime', (m) => m.runUs),
  histogram('penstock_batch_rows', 'Rows of a batch', 1, (m) => m.batchRows),
  gauge('penstock_queue_rows', 'Rows waiting for an instance', (g) => g.queueRows),
  gauge('penstock_queue_bytes', 'Bytes of input waiting for an instance', (g) => g.queueBytes),
  gauge('penstock_instances', 'Lanes that take batches of the model', (g) => g.instances),
  gauge('penstock_instances_min', 'Fewest instances that it may have', (g) => g.instancesMin),
  gauge('penstock_instances_max', 'Most instances that it may have', (g) => g.instancesMax),
  gauge('penstock_ring_rows', 'Rows of the ring in use, for models whose rows are of fixed size', (g) => ringOf(g, 0)),
  gauge('penstock_ring_capacity_rows', 'Rows that the ring has', (g) => ringOf(g, 1)),
  family(
    'counter',
    'penstock_head_lookups_total',
    'Look-ups of request heads: hit = seen before, miss = had to be parsed',
    ({ targets }) =>
      targets.flatMap(({ labels, gauges }) => {
        const { headHits, headMisses } = gauges();
        return [
          { labels: { ...labels, result: 'hit' }, value: headHits },
          { labels: { ...labels, result: 'miss' }, value: headMisses },
        ];
      }),
  ),
  perTarget(
    'counter',
    'penstock_retries_total',
    'Requests run again after their batch failed',
    (t) => t.gauges().retries,
  ),
  ...SCHEDULER_FAMILIES,
  family('gauge', 'penstock_model_ready', 'Whether the version is READY: 1 or 0', ({ now }) =>
    now.models.map(({ model, version, ready }) => ({ labels: { model, version }, value: ready ? 1 : 0 })),
  ),
  one(
    'gauge',
    'penstock_requests_in_flight',
    'Inference requests begun and not answered',
    (s) => s.now.requestsInFlight,
  ),
  family(
    'gauge',
    'penstock_decodes',
    'Pictures that wait for a decode thread, that are on one, and that were given up and still keep one',
    ({ now }) => counts('state', now.decodes),
  ),
  family(
    'counter',
    'penstock_rejections_total',
    'Requests of any kind refused or failed, by error code',
    ({ totals }) => counts('code', totals.rejections),
  ),
  family(
    'counter',
    'penstock_limit_rejections_total',
    'Refusals by the limit that was run into; headerBytes is refused by the wire unseen and stays 0',
    ({ totals, now }) => counts('limit', { ...totals.limits, connections: now.surplusConnections }),
  ),
  byPlacement('penstock_lanes_up', 'Lanes that take work', ({ up }) => up),
  byPlacement('penstock_lanes_busy', 'Lanes that run a batch', ({ busy }) => busy),
  one('counter', 'penstock_lanes_lost_total', 'Worker threads that ended by themselves', (s) => s.totals.lanesLost),
  one(
    'counter',
    'penstock_worker_faults_total',
    'Errors of worker threads outside a task, and messages from them that answer nothing',
    (s) => s.totals.workerFaults,
  ),
  one('gauge', 'penstock_arena_bytes', 'Bytes of the arena in use, rings included', (s) => s.now.arenaUsedBytes),
  one('gauge', 'penstock_arena_capacity_bytes', 'Bytes of the arena', (s) => s.now.arenaCapacityBytes),
  family('gauge', 'penstock_connections', 'Open connections', ({ now }) => counts('listener', now.connections)),
  one('counter', 'penstock_body_bytes_in_total', 'Bytes of inference request bodies read', (s) => s.totals.bytesIn),
  one('counter', 'penstock_body_bytes_out_total', 'Bytes of answer bodies written', (s) => s.totals.bytesOut),
  one('gauge', 'penstock_gathered_bytes', 'Bytes of request bodies that came in part', (s) => s.now.gatheredBytes),
  one(
    'counter',
    'penstock_log_lines_dropped_total',
    'Log lines lost: nobody read them, or the disk was full',
    (s) => s.now.logLinesDropped,
  ),
  one(
    'gauge',
    'penstock_event_loop_delay_p99_seconds',
    'Delay of the front thread, 99th percentile since the last scrape',
    (s) => s.loopDelayS,
  ),
  one(
    'counter',
    'penstock_event_loop_active_seconds_total',
    'Time that the front thread did not wait; its rate is the utilisation',
    (s) => s.loopActiveS - s.now.restedUs / US_PER_S,
  ),
  one(
    'counter',
    'penstock_front_rest_seconds_total',
    'Time that the front thread let requests wait in the kernel, since batches took every core',
    (s) => s.now.restedUs / US_PER_S,
  ),
  one(
    'counter',
    'penstock_restarts_total',
    'Times the supervisor started the server process again',
    (s) => s.now.restarts,
  ),
  family(
    'gauge',
    'penstock_last_restart_info',
    '1; why the last time: a signal, exit and a code, or none',
    ({ now }) => [{ labels: { cause: now.lastRestartCause === '' ? 'none' : now.lastRestartCause }, value: 1 }],
  ),
  family('gauge', 'penstock_build_info', '1, with the versions as labels', ({ now }) => [
    { labels: now.versions, value: 1 },
  ]),
];

function family(type: Family['type'], name: string, help: string, samples: Family['samples']): Family {
  return { type, name, help, samples };
}

function one(type: Family['type'], name: string, help: string, read: (scrape: Scrape) => number): Family {
  return family(type, name, help, (scrape) => [{ labels: {}, value: read(scrape) }]);
}

function perTarget(
  type: Family['type'],
  name: string,
  help: string,
  read: (target: WatchedTarget) => number | null,
): Family {
  return family(type, name, help, ({ targets }) =>
    targets.flatMap((target) => {
      const value = read(target);
      return value === null ? [] : [{ labels: target.labels, value }];
    }),
  );
}

function gauge(name: string, help: string, read: (gauges: TargetGauges) => number | null): Family {
  return perTarget('gauge', name, help, (target) => read(target.gauges()));
}

function ringOf({ ring }: TargetGauges, place: 0 | 1): number | null {
  return ring === null ? null : [ring.heldRows, ring.capacityRows][place];
}

function byPlacement(name: string, help: string, counted: (lane: Readings['lanes'][number]) => boolean): Family {
  return family('gauge', name, help, ({ now }) => {
    const count = (placement: Placement) => now.lanes.filter((l) => l.placement === placement && counted(l)).length;
    return counts('placement', { worker: count('worker'), inline: count('inline') });
  });
}

function counts(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function outcomes({ targets }: Scrape): Sample[] {
  return targets.flatMap(({ labels, metrics }) => [
    { labels: { ...labels, code: 'OK' }, value: metrics.answered },
    ...[...metrics.failures].map(([code, value]) => ({ labels: { ...labels, code }, value })),
  ]);
}

function seconds(name: string, help: string, pick: (metrics: TargetMetrics) => FastHistogram | null): Family {
  return histogram(name, help, US_PER_S, pick);
}

/** A histogram that exists only while it is scraped: prom-client's own costs too much per record. */
function histogram(
  name: string,
  help: string,
  unit: number,
  pick: (metrics: TargetMetrics) => FastHistogram | null,
): Family {
  return family('histogram', name, help, ({ targets }) =>
    targets.flatMap(({ labels, metrics }) => {
      const picked = pick(metrics);
      return picked === null ? [] : histogramSamples(name, labels, picked, unit);
    }),
  );
}

function histogramSamples(name: string, labels: object, { bounds, counts, sum, count }: FastHistogram, unit: number) {
  const samples: Sample[] = [];
  let cumulative = 0;
  bounds.forEach((bound, i) => {
    cumulative += counts[i] as number;
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound / unit }, value: cumulative });
  });
  samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count });
  samples.push({ metricName: `${name}_sum`, labels: { ...labels }, value: sum / unit });
  samples.push({ metricName: `${name}_count`, labels: { ...labels }, value: count });
  return samples;
}
