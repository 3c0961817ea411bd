/** What happens to a gateway, as its log and its counters tell it. Decides nothing and holds nothing up. */

import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/error.ts';
import type { RunError } from '../core/instance.ts';
import type { ModelVersion, ServedFacts } from '../core/model.ts';
import type { SchedulerView } from '../core/scheduling.ts';
import type { StartTimes } from '../core/timeline.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Logger } from '../logging/logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Target } from '../pipeline/target.ts';

/** Tells of one gateway. */
export class Events {
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #clock: Clock;

  constructor(log: Logger, metrics: Metrics, clock: Clock) {
    this.#log = log;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Every startup model has settled. */
  started(startMs: StartTimes): void {
    this.#log.info({ startMs }, 'started');
  }

  /** No startup model can be found. */
  foundNoFolder(error: unknown): void {
    this.#log.error({ err: error }, 'the models folder cannot be read');
  }

  /** @param taken most connections of the inference listener. @param openFiles most files of the process */
  fewerConnections(configured: number, taken: number, openFiles: number): void {
    const line = { configured, taken, openFiles };
    this.#log.warn(line, 'fewer connections than configured: the process may not open more files (ulimit -n)');
  }

  /** @param error null where it was answered as asked for */
  answered(exchange: Exchange, status: number, error: GatewayError | null): void {
    this.#metrics.answered(exchange.bytesIn, exchange.bytesOut, error);
    const { infer } = exchange;
    // Whoever was answered has its time already; a reading of the clock is for the others.
    const known = infer !== null && error === null;
    this.#log.request(exchange, status, error, known ? infer.totalUs : this.#clock.nowUs() - exchange.startedUs);
  }

  /** A batch failed, with all who were in it. */
  runFailed({ model, version }: Target, rows: number, error: RunError): void {
    this.#log.warn({ model, version, rows, failure: error.failure, reason: error.message }, 'a batch failed');
  }

  /** A worker thread did what none of its tasks accounts for. */
  workerFailed(reason: string): void {
    this.#metrics.workerFault();
    this.#log.error({ reason }, 'a worker thread failed');
  }

  /** A thread that decodes pictures ended, or failed in a way that is no picture's fault. */
  decoderFailed(error: unknown): void {
    this.#log.error({ err: error }, 'a decode thread failed');
  }

  /** A lane lost its thread, or has one again. */
  laneChanged(lane: number, up: boolean, reason: string): void {
    if (!up) this.#metrics.laneLost();
    this.#log.warn({ lane, up, reason }, up ? 'a lane is back' : 'a lane lost its thread');
  }

  /** A folder of the models folder is no model. */
  modelSkipped(name: string): void {
    this.#log.warn({ model: name }, 'a folder whose name cannot be served was skipped');
  }

  /** A version is READY or FAILED. @param view what its scheduler knows, where it has one. @param cause why it FAILED */
  versionSettled(settled: ModelVersion, view: SchedulerView | null, cause: unknown): void {
    const { model, version, state, reason, facts } = settled;
    if (state !== 'READY') {
      this.#log.error({ model, version, reason, err: cause }, 'model unavailable');
      return;
    }
    const { provider, passedOver, placement, measuredUs, measuredRows, maxBatchSize } = facts as ServedFacts;
    const target = view === null ? {} : { targetMs: view.targetUs / 1000, targetSource: view.targetSource };
    const line = { model, version, provider, placement, measuredUs, measuredRows, maxBatchSize, ...target };
    if (passedOver === '') this.#log.info(line, 'model ready');
    else this.#log.warn({ ...line, reason: passedOver }, 'model ready, not on the provider it prefers');
  }

  /** A version lost its last worker, or has one again. */
  versionLost({ model, version, state, reason }: ModelVersion): void {
    this.#log.warn({ model, version, state, reason }, 'model lost or back');
  }

  /** A version has other lanes now. */
  versionMoved({ model, version, facts }: Target, reason: string): void {
    const { placement, instances, batchRows } = facts;
    this.#log.info({ model, version, placement, instances, batchRows, reason }, 'model runs elsewhere');
  }

  /** A version stays where it is. */
  versionNotMoved({ model, version }: Target, lane: number, error: unknown): void {
    this.#log.warn({ model, version, lane, err: error }, 'a model could not be loaded on another lane');
  }

  /** The next start will measure again. */
  profileNotKept(error: unknown): void {
    this.#log.warn({ err: error }, 'a profile could not be kept: stateDir cannot be written');
  }
}
