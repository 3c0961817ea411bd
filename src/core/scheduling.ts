/** What a scheduler knows and decides, as plain data: what is learned, foreseen and shown of it. */

/** One point of a learned curve: a batch of so many rows takes so long. */
export interface CurvePoint {
  readonly rows: number;
  readonly us: number;
}

/** What is known of the time that batches of one model version take on one kind of instance. */
export interface Curve {
  /**
   * Expected time of a batch from its start until its results are visible, microseconds: finite, above 0, never falling with
   * `rows`. Constant time, no allocation. Rows above `mostRows` are extrapolated.
   */
  at(rows: number): number;
  /** A batch took `us`. What no batch can take (NaN, 0, below 0, longer than an hour) is counted and otherwise ignored. */
  observe(rows: number, us: number): void;
  /** The smallest size above `rows` whose time was measured or observed; 0 where there is none. */
  knownAbove(rows: number): number;
  /** Most rows that it keeps apart. */
  readonly mostRows: number;
  /** Counts up whenever `at` moved so far that what was derived from it is to be derived anew. */
  readonly revision: number;
  /** How far a slow batch (one in fifty) lies above what was expected, as a ratio, >= 0: 0.25 is a quarter longer. */
  readonly spread: number;
  /** Sudden changes of speed noticed so far. */
  readonly shifts: number;
  /** Observations ignored so far. */
  readonly ignored: number;
  /** The points that were learned, for people: rows ascending, with the batches seen of each (0 = only profiled). */
  points(): readonly (CurvePoint & { readonly batches: number })[];
}

/** Where a latency target comes from: model.yaml, the deadlines that callers send, or the measured service time. */
export type TargetSource = 'slo' | 'callers' | 'measured';

/** What waits of one tenant in one class. */
export interface WaitingFlow {
  readonly priority: number;
  readonly tenant: string;
  readonly requests: number;
  readonly rows: number;
  /** Age of its oldest request, microseconds. */
  readonly oldestUs: number;
}

/** One decision with its reason. */
export interface Decision {
  readonly atUs: number;
  readonly what: string;
}

/** The scheduler of one model version, as a picture. Figures only; nothing here is shared with it. */
export interface SchedulerView {
  /** The latency target, microseconds, and whose it is. Only a stated one refuses anybody. */
  readonly targetUs: number;
  readonly targetSource: TargetSource;
  readonly curve: readonly (CurvePoint & { readonly batches: number })[];
  readonly shifts: number;
  /** Smallest batch beyond which rows per second hardly grow, whatever the target. */
  readonly kneeRows: number;
  /** Most rows of a batch now. */
  readonly batchRows: number;
  /** What predictions are stretched by, a ratio >= 0, and whether it is at its bound. */
  readonly guard: number;
  readonly guardSaturated: boolean;
  readonly offeredRowsPerS: number;
  readonly servedRowsPerS: number;
  /** Rows per second at the target with the instances that run now: where other models share their lanes, what they leave. */
  readonly capacityRowsPerS: number;
  /** Rows per second that could be added if all else goes on as it does. */
  readonly headroomRowsPerS: number;
  /** Lanes that take its batches now. */
  readonly lanes: readonly number[];
  readonly queuedRequests: number;
  readonly queuedRows: number;
  readonly waiting: readonly WaitingFlow[];
  /**
   * Requests so far: taken, of these refused afterwards for the sake of who came later, refused at once for the others' sake,
   * refused as impossible, late though taken.
   */
  readonly admitted: number;
  readonly displaced: number;
  readonly refused: number;
  readonly impossible: number;
  readonly late: number;
  /** The latest decisions, newest first. */
  readonly decisions: readonly Decision[];
}
