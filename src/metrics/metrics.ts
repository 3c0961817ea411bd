/**
 * What the gateway tells Prometheus: the only importer of prom-client. Labels come from the registry and the error table
 * alone, so that no client can make a series.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ErrorCode } from '../core/error.ts';
import { DURATION_BOUNDS_US, FastHistogram, ROW_BOUNDS } from './fast.ts';

const US_PER_S = 1e6;

/** Milliseconds between two looks at the event loop. */
const LOOP_RESOLUTION_MS = 20;

/** One model version's figures, resolved once when it comes into service. */
export class TargetMetrics {
  readonly requestUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly queueUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly runUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly batchRows = new FastHistogram(ROW_BOUNDS);
  /** Requests answered with 200, and the rows they brought. */
  answered = 0;
  rows = 0;
  readonly failures = new Map<ErrorCode, number>();

  /** A request answered after `totalUs`. */
  ok(totalUs: number, rows: number): void {
    this.answered++;
    this.rows += rows;
    this.requestUs.record(totalUs);
  }

  /** A request that ended in an error. */
  error(code: ErrorCode): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }
}

/** Figures that are read when somebody asks. */
export interface MetricSources {
  readonly arenaBytes: () => number;
  /** Log lines lost so far. */
  readonly logLinesDropped: () => number;
  /** How often the supervisor started the process again. */
  readonly restarts: number;
  /** Of the last time: a signal's name or `exit N`; empty where there was none. */
  readonly lastRestartCause: string;
}

interface Watched {
  readonly labels: { readonly model: string; readonly version: string };
  readonly metrics: TargetMetrics;
  readonly queueRows: () => number;
}

/** All figures of one gateway. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #watched: Watched[] = [];
  readonly #rejections: Counter<'code'>;
  readonly #lanesLost: Counter;
  readonly #workerFaults: Counter;
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

  constructor(sources: MetricSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LOOP_RESOLUTION_MS });
    this.#loop.enable();
    this.#rejections = new Counter({
      name: 'penstock_rejections_total',
      help: 'Requests refused or failed, by error code',
      labelNames: ['code'],
      registers,
    });
    this.#lanesLost = new Counter({
      name: 'penstock_lanes_lost_total',
      help: 'Worker threads that ended by themselves and were replaced',
      registers,
    });
    this.#workerFaults = new Counter({
      name: 'penstock_worker_faults_total',
      help: 'Errors of worker threads outside a task, and messages from them that answer nothing',
      registers,
    });
    this.#restarts(sources);
    this.#gauge('penstock_arena_bytes', 'Bytes of the arena in use', sources.arenaBytes);
    this.#total('penstock_log_lines_dropped_total', 'Log lines lost: nobody read them', sources.logLinesDropped);
    this.#gauge(
      'penstock_event_loop_delay_p99_seconds',
      'Delay of the front thread, 99th percentile since the last scrape',
      () => {
        const p99 = this.#loop.percentile(99) / 1e9;
        this.#loop.reset();
        return p99;
      },
    );
    this.#perTarget();
  }

  /** The figures of a model version that comes into service. @param queueRows rows that wait for it now */
  forTarget(model: string, version: string, queueRows: () => number): TargetMetrics {
    const metrics = new TargetMetrics();
    this.#watched.push({ labels: { model, version }, metrics, queueRows });
    return metrics;
  }

  /** A model version leaves service: its series end. */
  dropTarget(model: string, version: string): void {
    const index = this.#watched.findIndex((w) => w.labels.model === model && w.labels.version === version);
    if (index >= 0) this.#watched.splice(index, 1);
  }

  /** A request that was answered with an error, whatever it was for. */
  rejected(code: ErrorCode): void {
    this.#rejections.inc({ code });
  }

  /** A worker thread ended by itself. */
  laneLost(): void {
    this.#lanesLost.inc();
  }

  /** A worker thread failed outside a task, or said something that answers nothing. */
  workerFault(): void {
    this.#workerFaults.inc();
  }

  /** `text/plain; version=0.0.4; charset=utf-8` */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Stops watching the event loop. */
  dispose(): void {
    this.#loop.disable();
    this.#registry.clear();
  }

  #restarts({ restarts, lastRestartCause }: MetricSources): void {
    this.#total('penstock_restarts_total', 'Times the supervisor started the server process again', () => restarts);
    const info = new Gauge({
      name: 'penstock_last_restart_info',
      help: 'Always 1; the cause of the last restart: a signal, or exit and a code',
      labelNames: ['cause'],
      registers: [this.#registry],
    });
    if (lastRestartCause !== '') info.set({ cause: lastRestartCause }, 1);
  }

  #perTarget(): void {
    const seconds = (name: string, help: string, pick: (m: TargetMetrics) => FastHistogram) =>
      this.#histogram(name, help, US_PER_S, pick);
    seconds('penstock_request_duration_seconds', 'From the first byte to the answer, for 200s', (m) => m.requestUs);
    seconds('penstock_queue_duration_seconds', 'From the first byte to the start of the batch', (m) => m.queueUs);
    seconds('penstock_run_duration_seconds', 'Time of a batch inside ONNX Runtime', (m) => m.runUs);
    this.#histogram('penstock_batch_rows', 'Rows of a batch', 1, (m) => m.batchRows);
    const watched = this.#watched;
    new Gauge({
      name: 'penstock_queue_rows',
      help: 'Rows waiting for an instance',
      labelNames: ['model', 'version'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, queueRows } of watched) this.set(labels, queueRows());
      },
    });
    new Counter({
      name: 'penstock_requests_total',
      help: 'Inference requests by model version and outcome (OK or the error code)',
      labelNames: ['model', 'version', 'code'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, metrics } of watched) {
          this.inc({ ...labels, code: 'OK' }, metrics.answered);
          for (const [code, count] of metrics.failures) this.inc({ ...labels, code }, count);
        }
      },
    });
  }

  /** A histogram that exists only while it is scraped: prom-client's own costs too much per record. */
  #histogram(name: string, help: string, unit: number, pick: (metrics: TargetMetrics) => FastHistogram): void {
    this.#registry.registerMetric({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      get: async () => ({
        name,
        help,
        type: 'histogram',
        aggregator: 'sum',
        values: this.#watched.flatMap(({ labels, metrics }) => histogramValues(name, labels, pick(metrics), unit)),
      }),
      reset: () => undefined,
    } as never);
  }

  /** A counter that somebody else counts. */
  #total(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}

function histogramValues(name: string, labels: object, histogram: FastHistogram, unit: number): object[] {
  const values: object[] = [];
  let cumulative = 0;
  histogram.bounds.forEach((bound, i) => {
    cumulative += histogram.counts[i] as number;
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound / unit }, value: cumulative });
  });
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: histogram.count });
  values.push({ metricName: `${name}_sum`, labels, value: histogram.sum / unit });
  values.push({ metricName: `${name}_count`, labels, value: histogram.count });
  return values;
}
