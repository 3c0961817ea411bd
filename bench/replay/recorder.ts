/** A scheduler that writes down what it is told and what it does, and leaves every decision to the one inside it. */

import { writeFileSync } from 'node:fs';
import type { Batch, Queue, QueueSpec, Refusal, Scheduler, Traveller } from '../../src/batching/travel.ts';
import type { SchedulerView } from '../../src/core/scheduling.ts';
import { type BatchLine, FORMAT, type OfferLine, type RecordHead } from './record.ts';

/** Most lines kept: an hour at a thousand requests a second. What comes after is not recorded. */
const MOST_LINES = 4_000_000;

/** Records the queue that was opened last; models that serve beside it are not in the record. */
export class Recorder<T extends Traveller, Q extends Queue> implements Scheduler<T, Q> {
  readonly lanes: readonly (Batch<T, Q> | null)[];
  readonly up: readonly boolean[];
  readonly #inner: Scheduler<T, Q>;
  readonly #lines: (OfferLine | BatchLine)[] = [];
  #queue: Q | null = null;
  #head: RecordHead | null = null;

  constructor(inner: Scheduler<T, Q>) {
    this.#inner = inner;
    this.lanes = inner.lanes;
    this.up = inner.up;
  }

  /** Writes what was recorded since the last queue was opened. @throws where none was */
  write(file: string): void {
    if (this.#head === null) throw new Error('no queue was opened: there is nothing to write');
    writeFileSync(file, `${[this.#head, ...this.#lines].map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  open(spec: QueueSpec): Q {
    const queue = this.#inner.open(spec);
    const profile = spec.curve.points().map(({ rows, us }) => ({ rows, us }));
    const { maxBatchRows, sloUs } = spec;
    this.#head = { format: FORMAT, lanes: spec.lanes.length, maxBatchRows, sloUs, profile };
    this.#queue = queue;
    this.#lines.length = 0;
    return queue;
  }

  close(queue: Q): void {
    this.#inner.close(queue);
  }

  setLanes(queue: Q, lanes: readonly number[], mostRows: number, nowUs: number): void {
    this.#inner.setLanes(queue, lanes, mostRows, nowUs);
    if (queue !== this.#queue || this.#head === null) return;
    this.#head = { ...this.#head, lanes: lanes.length, maxBatchRows: mostRows };
  }

  setUp(lane: number, up: boolean): void {
    this.#inner.setUp(lane, up);
  }

  foresee(queue: Q, tenant: string, rows: number, bytes: number, deadlineUs: number, nowUs: number): Refusal | null {
    const refusal = this.#inner.foresee(queue, tenant, rows, bytes, deadlineUs, nowUs);
    // Who is not refused here comes again with arrive().
    if (refusal !== null) this.#offered(queue, nowUs, nowUs, deadlineUs, rows, refusal.kind);
    return refusal;
  }

  arrive(queue: Q, request: T, nowUs: number): Refusal | null {
    const refusal = this.#inner.arrive(queue, request, nowUs);
    this.#offered(queue, request.arrivalUs, nowUs, request.deadlineUs, request.rows, refusal?.kind ?? '');
    return refusal;
  }

  retryAlone(queue: Q, request: T): void {
    this.#inner.retryAlone(queue, request);
  }

  cancel(request: T): void {
    this.#inner.cancel(request);
  }

  next(nowUs: number, expired: T[], displaced?: T[]): Batch<T, Q> | null {
    return this.#inner.next(nowUs, expired, displaced);
  }

  finish(batch: Batch<T, Q>, nowUs: number, ran: boolean): void {
    if (batch.queue === this.#queue && ran) this.#ended(batch, nowUs);
    this.#inner.finish(batch, nowUs, ran);
  }

  sweep(nowUs: number, expired: T[]): void {
    this.#inner.sweep(nowUs, expired);
  }

  clear(queue: Q, ended: T[]): void {
    this.#inner.clear(queue, ended);
  }

  view(queue: Q, nowUs: number): SchedulerView {
    return this.#inner.view(queue, nowUs);
  }

  #offered(queue: Q, arrivalUs: number, nowUs: number, deadlineUs: number, rows: number, refused: string): void {
    if (queue !== this.#queue || this.#lines.length >= MOST_LINES) return;
    const deadline = deadlineUs === Number.POSITIVE_INFINITY ? null : deadlineUs;
    this.#lines.push(['offer', arrivalUs, nowUs, deadline, rows, refused]);
  }

  /** Who was swept while it ran is late too: its batch was computed all the same. */
  #ended({ queue, requests, lane, rows, startedUs }: Batch<T, Q>, nowUs: number): void {
    if (this.#lines.length >= MOST_LINES) return;
    let late = 0;
    for (const { deadlineUs } of requests) if (deadlineUs < nowUs) late++;
    this.#lines.push(['batch', startedUs, nowUs, lane, rows, requests.length - late, late, queue.length]);
  }
}
