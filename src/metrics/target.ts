/** The figures of one model version in service: counted where requests pass, read when somebody scrapes. */

import type { ErrorCode } from '../core/error.ts';
import { DURATION_BOUNDS_US, FastHistogram, ROW_BOUNDS } from './fast.ts';

/**
 * Batch sizes with times of their own, per model version: callers choose the rows, so that without a bound they could make
 * one entry for each row up to the cap. Batches of further sizes count in every other figure.
 */
const MOST_BATCH_SIZES = 1024;

/** Summed times of what travelled together: joining the inputs, the run, handing the outputs out. */
export class TravelTimes {
  count = 0;
  inputUs = 0;
  inferUs = 0;
  outputUs = 0;

  /** `count` more of which each took these times. */
  add(count: number, inputUs: number, inferUs: number, outputUs: number): void {
    this.count += count;
    this.inputUs += count * inputUs;
    this.inferUs += count * inferUs;
    this.outputUs += count * outputUs;
  }
}

/** One model version's figures, resolved once when it comes into service. */
export class TargetMetrics {
  readonly requestUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly queueUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly runUs = new FastHistogram(DURATION_BOUNDS_US);
  readonly batchRows = new FastHistogram(ROW_BOUNDS);
  /** Of the pictures of a request; null where the model takes tensors only. */
  readonly decodeUs: FastHistogram | null;
  /** Requests answered with 200, and the rows they brought. */
  answered = 0;
  rows = 0;
  readonly failures = new Map<ErrorCode, number>();
  /** Requests that ended in an error, and the time they took until then. */
  failed = 0;
  failedUs = 0;
  /** When the last batch had run, by the process's clock; -1 = never. */
  lastRunUs = -1;
  /** Times of batches, counted once for each of their requests. */
  readonly travelled = new TravelTimes();
  /** The same once for each batch, by its rows. */
  readonly batches = new Map<number, TravelTimes>();

  /** @param pictures whether the model takes them */
  constructor(pictures = false) {
    this.decodeUs = pictures ? new FastHistogram(DURATION_BOUNDS_US) : null;
  }

  /** A request answered after `totalUs`. */
  ok(totalUs: number, rows: number): void {
    this.answered++;
    this.rows += rows;
    this.requestUs.record(totalUs);
  }

  /** A request that ended in an error; `totalUs` is 0 where that was at the door. */
  error(code: ErrorCode, totalUs = 0): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
    this.failed++;
    this.failedUs += totalUs;
  }

  /** A batch of `requests` requests that has run, and what of it is handed out at once was by `nowUs`. */
  batch(requests: number, rows: number, inputUs: number, inferUs: number, outputUs: number, nowUs: number): void {
    this.lastRunUs = nowUs;
    this.runUs.record(inferUs);
    this.batchRows.record(rows);
    this.travelled.add(requests, inputUs, inferUs, outputUs);
    let times = this.batches.get(rows);
    if (times === undefined) {
      if (this.batches.size >= MOST_BATCH_SIZES) return;
      times = new TravelTimes();
      this.batches.set(rows, times);
    }
    times.add(1, inputUs, inferUs, outputUs);
  }

  /** What of such a batch took `outputUs` more to be handed out, since it is answered step by step. */
  handedOutLater(requests: number, rows: number, outputUs: number): void {
    this.travelled.outputUs += requests * outputUs;
    const times = this.batches.get(rows);
    if (times !== undefined) times.outputUs += outputUs;
  }
}

/** What stands in a model version now, read when somebody asks. */
export interface TargetGauges {
  readonly queueRows: number;
  readonly queueBytes: number;
  /** Requests run again after a failed batch, so far. */
  readonly retries: number;
  /** Lanes that take its batches, and between which bounds that number is kept. */
  readonly instances: number;
  readonly instancesMin: number;
  readonly instancesMax: number;
  /** null where its rows are of no fixed size. */
  readonly ring: { readonly heldRows: number; readonly capacityRows: number } | null;
  readonly headHits: number;
  readonly headMisses: number;
}

/** A model version under its labels. */
export interface WatchedTarget {
  readonly labels: { readonly model: string; readonly version: string };
  readonly metrics: TargetMetrics;
  readonly gauges: () => TargetGauges;
}
