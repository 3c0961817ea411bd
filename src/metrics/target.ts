/** The figures of one model version in service: counted where requests pass, read when somebody scrapes. */

import type { ErrorCode } from '../core/error.ts';
import { DURATION_BOUNDS_US, FastHistogram, ROW_BOUNDS } from './fast.ts';

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

/** What stands in a model version now, read when somebody asks. */
export interface TargetGauges {
  readonly queueRows: number;
  readonly queueBytes: number;
  /** Requests run again after a failed batch, so far. */
  readonly retries: number;
  /** Lanes that hold it. */
  readonly instances: number;
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
