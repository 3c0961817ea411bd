/**
 * What others call dynamic batching, behind our own seam: a batch starts when it is full or its oldest request has waited so
 * long, first come first served, in a bounded queue; who has passed his deadline is dropped. It predicts nothing and refuses
 * nobody for time. BM-8 sweeps its two settings by hand and measures ours against the best it finds.
 */

import type { Batch, Queue, QueueSpec, Refusal, RefusalKind, Scheduler, Traveller } from '../../src/batching/travel.ts';
import type { SchedulerView } from '../../src/core/scheduling.ts';

/** What an operator sets by hand. */
export interface ManualSettings {
  /** Rows that start a batch at once, and the most of one. */
  readonly rows: number;
  /** How long the oldest request waits for others at most, microseconds; 0: a free lane takes what is there. */
  readonly delayUs: number;
}

/** The waiting requests of one model version, in the order they came. */
export interface ManualQueue<T> extends Queue {
  lanes: readonly number[];
  batchRows: number;
  rows: number;
  bytes: number;
  length: number;
  retries: number;
  admitted: number;
  refused: number;
  head: T | null;
  tail: T | null;
}

type Run<T extends Traveller> = Batch<T, ManualQueue<T>>;

/** Fixed size and delay. */
export class ManualBatcher<T extends Traveller> implements Scheduler<T, ManualQueue<T>> {
  readonly lanes: (Run<T> | null)[];
  readonly up: boolean[];
  readonly #settings: ManualSettings;
  readonly #wakeIn: (us: number) => void;
  readonly #queues: ManualQueue<T>[] = [];
  readonly #refusal: { -readonly [K in keyof Refusal]: Refusal[K] } = {
    kind: 'queueRows',
    predictedUs: 0,
    leftUs: 0,
    retryAfterUs: 1e6,
  };
  /** When `next` was asked for; 0 for never. */
  #wakeUs = 0;

  /** @param wakeIn asks that `next` be called after so many microseconds, not before: a delay ends without another event */
  constructor(lanes: number, settings: ManualSettings, wakeIn: (us: number) => void) {
    this.lanes = new Array(lanes).fill(null);
    this.up = new Array(lanes).fill(true);
    this.#settings = settings;
    this.#wakeIn = wakeIn;
  }

  open(spec: QueueSpec): ManualQueue<T> {
    const counts = { rows: 0, bytes: 0, length: 0, retries: 0, late: 0, admitted: 0, refused: 0, displaced: 0 };
    const batchRows = this.#mostRows(spec.maxBatchRows);
    const queue: ManualQueue<T> = {
      spec,
      lanes: spec.lanes,
      batchRows,
      ...counts,
      lost: false,
      drainUs: 0,
      head: null,
      tail: null,
    };
    this.#queues.push(queue);
    return queue;
  }

  close(queue: ManualQueue<T>): void {
    if (queue.length > 0) throw new Error('a queue with waiting requests cannot be closed');
    this.#queues.splice(this.#queues.indexOf(queue), 1);
  }

  setLanes(queue: ManualQueue<T>, lanes: readonly number[], mostRows: number): void {
    queue.lanes = lanes;
    queue.batchRows = this.#mostRows(mostRows);
  }

  setUp(lane: number, up: boolean): void {
    this.up[lane] = up;
  }

  foresee(queue: ManualQueue<T>, _tenant: string, rows: number, bytes: number): Refusal | null {
    const { queueRows, queueBytes } = queue.spec;
    if (queue.lost) return this.#refuse(queue, 'lost');
    if (queue.length === 0) return null;
    if (queue.rows + Math.max(1, rows) > queueRows) return this.#refuse(queue, 'queueRows');
    return queue.bytes + bytes > queueBytes ? this.#refuse(queue, 'queueBytes') : null;
  }

  arrive(queue: ManualQueue<T>, request: T): Refusal | null {
    const refusal = this.foresee(queue, request.tenant, request.rows, request.bytes);
    if (refusal !== null) return refusal;
    queue.admitted++;
    link(queue, request, queue.tail);
    return null;
  }

  retryAlone(queue: ManualQueue<T>, request: T): void {
    request.alone = true;
    queue.retries++;
    link(queue, request, null);
  }

  cancel(request: T): void {
    if (request.state === 'WAITING') unlink(request);
    request.state = 'ENDED';
  }

  next(nowUs: number, expired: T[]): Run<T> | null {
    for (const queue of this.#queues) {
      for (const lane of queue.lanes) {
        if (!this.up[lane] || this.lanes[lane] !== null) continue;
        this.#dropExpired(queue, nowUs, expired);
        if (!this.#ready(queue, nowUs)) break;
        const batch = this.#take(queue, lane, nowUs);
        this.lanes[lane] = batch;
        return batch;
      }
    }
    return null;
  }

  finish(batch: Run<T>): void {
    this.lanes[batch.lane] = null;
  }

  sweep(nowUs: number, expired: T[]): void {
    for (const queue of this.#queues) {
      for (let request = queue.head; request !== null; ) {
        const following: T | null = request.next;
        if (request.deadlineUs <= nowUs) this.#expire(request, expired);
        request = following;
      }
    }
    for (const batch of this.lanes) {
      for (const request of batch?.requests ?? []) {
        if (request.state === 'RUNNING' && request.deadlineUs <= nowUs) this.#expire(request, expired);
      }
    }
  }

  clear(queue: ManualQueue<T>, ended: T[]): void {
    while (queue.head !== null) this.#expire(queue.head, ended);
  }

  view(queue: ManualQueue<T>): SchedulerView {
    const { spec, lanes, batchRows, length, rows, admitted, refused } = queue;
    return {
      targetUs: spec.sloUs,
      targetSource: spec.sloUs > 0 ? 'slo' : 'measured',
      curve: spec.curve.points(),
      shifts: 0,
      kneeRows: batchRows,
      batchRows,
      guard: 0,
      guardSaturated: false,
      offeredRowsPerS: 0,
      servedRowsPerS: 0,
      capacityRowsPerS: 0,
      headroomRowsPerS: 0,
      lanes,
      queuedRequests: length,
      queuedRows: rows,
      waiting: [],
      admitted,
      displaced: 0,
      refused,
      impossible: 0,
      late: queue.late,
      decisions: [],
    };
  }

  #mostRows(allowed: number): number {
    return Math.max(1, Math.min(this.#settings.rows, allowed));
  }

  /** Full, or old enough; where it is neither, `next` is asked for when it will be. */
  #ready(queue: ManualQueue<T>, nowUs: number): boolean {
    const { head } = queue;
    if (head === null) return false;
    const dueUs = head.arrivalUs + this.#settings.delayUs;
    if (head.alone || queue.rows >= queue.batchRows || dueUs <= nowUs) return true;
    if (this.#wakeUs <= nowUs || dueUs < this.#wakeUs) {
      this.#wakeUs = dueUs;
      this.#wakeIn(dueUs - nowUs);
    }
    return false;
  }

  #take(queue: ManualQueue<T>, lane: number, nowUs: number): Run<T> {
    const first = queue.head as T;
    const requests: T[] = [];
    const most = first.alone ? 0 : queue.batchRows;
    let rows = 0;
    for (let request: T | null = first; request !== null; ) {
      const following: T | null = request.next;
      const together = request === first || (!request.alone && request.shapeKey === first.shapeKey);
      if (together) {
        if (request !== first && rows + request.rows > most) break;
        unlink(request);
        request.state = 'RUNNING';
        requests.push(request);
        rows += request.rows;
      }
      request = following;
    }
    return { queue, lane, requests, rows, startedUs: nowUs };
  }

  #dropExpired(queue: ManualQueue<T>, nowUs: number, expired: T[]): void {
    while (queue.head !== null && queue.head.deadlineUs <= nowUs) this.#expire(queue.head, expired);
  }

  #expire(request: T, expired: T[]): void {
    this.cancel(request);
    expired.push(request);
  }

  #refuse(queue: ManualQueue<T>, kind: RefusalKind): Refusal {
    if (kind !== 'lost') queue.refused++;
    this.#refusal.kind = kind;
    return this.#refusal;
  }
}

/** Puts `request` behind `after`, or at the front where that is null. */
function link<T extends Traveller>(queue: ManualQueue<T>, request: T, after: T | null): void {
  const before = after === null ? queue.head : after.next;
  request.state = 'WAITING';
  request.place = queue;
  request.previous = after;
  request.next = before;
  if (after === null) queue.head = request;
  else after.next = request;
  if (before === null) queue.tail = request;
  else before.previous = request;
  queue.rows += Math.max(1, request.rows);
  queue.bytes += request.bytes;
  queue.length++;
}

function unlink<T extends Traveller>(request: T): void {
  const queue = request.place as ManualQueue<T>;
  if (request.previous === null) queue.head = request.next;
  else request.previous.next = request.next;
  if (request.next === null) queue.tail = request.previous;
  else request.next.previous = request.previous;
  request.previous = null;
  request.next = null;
  request.place = null;
  queue.rows -= Math.max(1, request.rows);
  queue.bytes -= request.bytes;
  queue.length--;
}
