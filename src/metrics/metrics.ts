/** What the gateway tells Prometheus: the only importer of prom-client, which writes the text and knows the process. */

import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { ERRORS, type ErrorCode, type GatewayError } from '../core/error.ts';
import { LIMITS, type Limit } from '../core/limit.ts';
import { FAMILIES, type Family, type Readings, type Scrape, type Totals } from './families.ts';
import type { WatchedTarget } from './target.ts';

/** Milliseconds between two looks at the event loop. */
const LOOP_RESOLUTION_MS = 20;

/** Of prom-client's own: what Node calls internal, under two names each; `nodejs_active_resources` says the same. */
const LEFT_OUT = ['handles', 'requests'].flatMap((what) => [`nodejs_active_${what}`, `nodejs_active_${what}_total`]);

/** All figures of one gateway. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #read: () => Readings;
  readonly #targets: WatchedTarget[] = [];
  readonly #totals: Totals = {
    rejections: zeros<ErrorCode>(Object.keys(ERRORS) as ErrorCode[]),
    limits: zeros<Limit>(LIMITS),
    bytesIn: 0,
    bytesOut: 0,
    lanesLost: 0,
    workerFaults: 0,
  };
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  /** What the scrape under way reads. */
  #scrape: Scrape | null = null;

  /** @param read the gateway as it stands when it is scraped. */
  constructor(read: () => Readings) {
    this.#read = read;
    for (const family of FAMILIES) this.#register(family);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LOOP_RESOLUTION_MS });
    for (const name of LEFT_OUT) this.#registry.removeSingleMetric(name);
    this.#loop.enable();
  }

  /** A model version comes into service: its series begin. */
  watch(target: WatchedTarget): void {
    this.#targets.push(target);
  }

  /** A model version leaves service: its series end. */
  unwatch(model: string, version: string): void {
    const index = this.#targets.findIndex((t) => t.labels.model === model && t.labels.version === version);
    if (index >= 0) this.#targets.splice(index, 1);
  }

  /** A request was answered, whatever it was for. */
  answered(bytesIn: number, bytesOut: number, error: GatewayError | null): void {
    this.#totals.bytesIn += bytesIn;
    this.#totals.bytesOut += bytesOut;
    if (error === null) return;
    this.#totals.rejections[error.code]++;
    if (error.limit !== null) this.#totals.limits[error.limit]++;
  }

  /** A worker thread ended by itself. */
  laneLost(): void {
    this.#totals.lanesLost++;
  }

  /** A worker thread failed outside a task, or said something that answers nothing. */
  workerFault(): void {
    this.#totals.workerFaults++;
  }

  /** `text/plain; version=0.0.4; charset=utf-8` */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  text(): Promise<string> {
    this.#scrape = {
      now: this.#read(),
      totals: this.#totals,
      targets: this.#targets,
      loopDelayS: this.#loop.percentile(99) / 1e9,
      loopActiveS: performance.eventLoopUtilization().active / 1e3,
    };
    this.#loop.reset();
    return this.#registry.metrics();
  }

  /** Stops watching the event loop. */
  dispose(): void {
    this.#loop.disable();
    this.#registry.clear();
  }

  #register({ name, type, help, samples }: Family): void {
    const get = async () => {
      const values = this.#scrape === null ? [] : samples(this.#scrape);
      return { name, help, type, aggregator: 'sum', values };
    };
    this.#registry.registerMetric({ name, help, type, aggregator: 'sum', get, reset: () => undefined } as never);
  }
}

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}
