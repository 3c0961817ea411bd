/**
 * What a scheduler was told and did in a real run, in a file: a line of JSON for the queue, then one for every request that was
 * offered and one for every batch. It is all that a simulator needs to play the run again.
 */

import { readFileSync } from 'node:fs';
import type { CurvePoint } from '../../src/core/scheduling.ts';

/** In the first line. */
export const FORMAT = 'penstock-schedule/1';

/** The first line: of the queue that was recorded. Times are microseconds of one clock. */
export interface RecordHead {
  readonly format: typeof FORMAT;
  readonly lanes: number;
  readonly maxBatchRows: number;
  readonly sloUs: number;
  /** What the curve held when the queue was opened. */
  readonly profile: readonly CurvePoint[];
}

/** A request that was offered: when its first byte was read, when it was judged, its deadline (null for none), its rows. */
export type OfferLine = readonly [
  kind: 'offer',
  arrivalUs: number,
  judgedUs: number,
  deadlineUs: number | null,
  rows: number,
  refused: string,
];

/**
 * A batch that ended: when it was started and ended, its rows, how many requests of it ended inside their deadline and after
 * it, and how many waited when it did.
 */
export type BatchLine = readonly [
  kind: 'batch',
  startedUs: number,
  endedUs: number,
  lane: number,
  rows: number,
  good: number,
  late: number,
  waiting: number,
];

/** A whole record. */
export interface ScheduleRecord {
  readonly head: RecordHead;
  readonly offers: readonly OfferLine[];
  readonly batches: readonly BatchLine[];
}

/** Reads a file. @throws where it is none of ours */
export function readRecord(file: string): ScheduleRecord {
  const [first = '', ...lines] = readFileSync(file, 'utf8').split('\n');
  const head = JSON.parse(first) as RecordHead;
  if (head.format !== FORMAT) throw new Error(`${file} is no record of a schedule`);
  const offers: OfferLine[] = [];
  const batches: BatchLine[] = [];
  for (const line of lines) {
    if (line === '') continue;
    const parsed = JSON.parse(line) as OfferLine | BatchLine;
    if (parsed[0] === 'offer') offers.push(parsed);
    else batches.push(parsed);
  }
  return { head, offers, batches };
}
