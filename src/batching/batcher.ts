/**
 * Who travels with whom: a deterministic state machine over queues and lanes, without I/O and without a clock of its own.
 * Each function is one event; what it returns (or appends to the list it is given) is the action. The driver owns time.
 *
 * Rules: work-conserving, no batching delay. A free lane takes what is queued, oldest request first; where several are free
 * they share it. A batch never mixes shape keys, never exceeds the cap (a larger request runs alone), and a request is never
 * split.
 *
 *   waiting:  head <-> r <-> r <-> tail      an intrusive list, so that a cancel in the middle is constant time
 */

import type { Curve } from '../core/scheduling.ts';

/** Where a request stands. It is WAITING once, RUNNING at most twice (a retry), ENDED once. */
export type TravelState = 'NEW' | 'WAITING' | 'RUNNING' | 'ENDED';

/** What the batcher must know of a request. It owns `state`, the links and `batch` while the request is in its hands. */
export interface Traveller {
  /** Rows it brings, >= 0; 0 counts as 1. */
  rows: number;
  /** Arena bytes it holds. */
  bytes: number;
  /** Requests travel together only where this is equal. */
  shapeKey: string;
  arrivalUs: number;
  /** Absolute; Infinity where the caller named none. */
  deadlineUs: number;
  /** Whether it must run in a batch of its own: the retry after a failed batch. */
  alone: boolean;
  state: TravelState;
  queue: Queue<this> | null;
  previous: this | null;
  next: this | null;
}

/** What a queue is made from. */
export interface QueueSpec {
  /** Most rows of one batch; 0 where requests of this model never share one. */
  readonly maxBatchRows: number;
  /** Lanes that hold an instance at first. */
  readonly lanes: readonly number[];
  /** Bound on rows waiting beyond what free instances take at once: stops a flood from becoming latency. */
  readonly queueRows: number;
  /** The same in arena bytes: stops few huge requests from taking the arena. */
  readonly queueBytes: number;
  /** How long its batches take: learned by whoever runs them. */
  readonly curve?: Curve;
}

/** The requests of one model version that wait for an instance. */
export interface Queue<T> {
  readonly spec: QueueSpec;
  /** Lanes that take its batches now, and most rows of one there. */
  lanes: readonly number[];
  batchRows: number;
  head: T | null;
  tail: T | null;
  rows: number;
  bytes: number;
  length: number;
  /** Requests that were put back after a failed batch, since the beginning. */
  retries: number;
  /** No lane has been up for too long: nothing is taken until one is. */
  lost: boolean;
}

/** One batch under way on a lane. */
export interface Batch<T> {
  readonly queue: Queue<T>;
  readonly lane: number;
  readonly requests: T[];
  readonly rows: number;
  readonly startedUs: number;
}

/** Everything there is: queues, and what each lane does. */
export interface Batcher<T> {
  readonly queues: Queue<T>[];
  /** The batch that each lane runs, null where it is free. */
  readonly lanes: (Batch<T> | null)[];
  /** Whether the lane may be given work (a thread being replaced may not). */
  readonly up: boolean[];
}

/** An empty batcher of `lanes` lanes, all up and free. */
export function createBatcher<T>(lanes: number): Batcher<T> {
  return { queues: [], lanes: new Array(lanes).fill(null), up: new Array(lanes).fill(true) };
}

/** A model version comes into service. */
export function addQueue<T>(batcher: Batcher<T>, spec: QueueSpec): Queue<T> {
  const { lanes, maxBatchRows: batchRows } = spec;
  const empty = { head: null, tail: null, rows: 0, bytes: 0, length: 0, retries: 0, lost: false };
  const queue: Queue<T> = { spec, lanes, batchRows, ...empty };
  batcher.queues.push(queue);
  return queue;
}

/** A model version leaves service. Its queue must be empty. */
export function removeQueue<T>(batcher: Batcher<T>, queue: Queue<T>): void {
  if (queue.length > 0) throw new Error('a queue with waiting requests cannot be removed');
  const index = batcher.queues.indexOf(queue);
  if (index >= 0) batcher.queues.splice(index, 1);
}

/** Lanes of the queue that could start a batch now. */
export function freeLanes<T>(batcher: Batcher<T>, queue: Queue<T>): number {
  let free = 0;
  for (const lane of queue.lanes) if (batcher.up[lane] && batcher.lanes[lane] === null) free++;
  return free;
}

/**
 * Whether `rows` and `bytes` more fit: the bound, plus what free instances take at once. A request that finds nothing
 * waiting and a lane free always fits.
 */
export function hasRoom<T>(batcher: Batcher<T>, queue: Queue<T>, rows: number, bytes: number): boolean {
  if (queue.lost) return false;
  const free = freeLanes(batcher, queue);
  if (free > 0 && queue.length === 0) return true;
  const atOnce = free * Math.max(1, queue.batchRows);
  return (
    queue.rows + Math.max(1, rows) <= queue.spec.queueRows + atOnce && queue.bytes + bytes <= queue.spec.queueBytes
  );
}

/** A request arrives; false where the queue is full, and then nothing has changed. */
export function arrive<T extends Traveller>(batcher: Batcher<T>, queue: Queue<T>, request: T): boolean {
  if (!hasRoom(batcher, queue, request.rows, request.bytes)) return false;
  link(queue, request, queue.tail);
  return true;
}

/** A request whose batch failed goes back to the front, to run in a batch of its own. */
export function retryAlone<T extends Traveller>(queue: Queue<T>, request: T): void {
  request.alone = true;
  queue.retries++;
  link(queue, request, null);
}

/** The caller has gone, or was answered: a waiting request leaves the queue, a running one ends when its batch does. */
export function cancel<T extends Traveller>(request: T): void {
  if (request.state === 'WAITING') unlink(request);
  request.state = 'ENDED';
}

/**
 * The next batch to start, or null where nothing can start. Call it until it says null.
 * Requests found past their deadline on the way are ended and appended to `expired`.
 */
export function nextBatch<T extends Traveller>(batcher: Batcher<T>, nowUs: number, expired: T[]): Batch<T> | null {
  for (let lane = 0; lane < batcher.lanes.length; lane++) {
    if (batcher.lanes[lane] !== null || !batcher.up[lane]) continue;
    const queue = oldestFor(batcher, lane, nowUs, expired);
    if (queue === null) continue;
    const batch = take(queue, lane, fairShare(batcher, queue), nowUs, expired);
    batcher.lanes[lane] = batch;
    return batch;
  }
  return null;
}

/** A batch has ended, well or badly: its lane is free. What becomes of its requests is the driver's to say. */
export function finish<T>(batcher: Batcher<T>, batch: Batch<T>): void {
  if (batcher.lanes[batch.lane] !== batch) throw new Error(`lane ${batch.lane} does not run this batch`);
  batcher.lanes[batch.lane] = null;
}

/** Ends every request, waiting or running, whose deadline has passed, and appends it to `expired`. */
export function sweep<T extends Traveller>(batcher: Batcher<T>, nowUs: number, expired: T[]): void {
  for (const queue of batcher.queues) {
    for (let request = queue.head; request !== null; ) {
      const following: T | null = request.next;
      if (request.deadlineUs <= nowUs) expire(request, expired);
      request = following;
    }
  }
  for (const batch of batcher.lanes) {
    if (batch === null) continue;
    for (const request of batch.requests) {
      if (request.state === 'RUNNING' && request.deadlineUs <= nowUs) expire(request, expired);
    }
  }
}

function oldestFor<T extends Traveller>(
  batcher: Batcher<T>,
  lane: number,
  nowUs: number,
  expired: T[],
): Queue<T> | null {
  let best: Queue<T> | null = null;
  for (const queue of batcher.queues) {
    if (!queue.lanes.includes(lane)) continue;
    while (queue.head !== null && queue.head.deadlineUs <= nowUs) expire(queue.head, expired);
    if (queue.head === null) continue;
    if (best === null || queue.head.arrivalUs < (best.head as T).arrivalUs) best = queue;
  }
  return best;
}

/** Rows for one of several free lanes: none stands idle while another takes everything. */
function fairShare<T>(batcher: Batcher<T>, queue: Queue<T>): number {
  return Math.min(queue.batchRows, Math.ceil(queue.rows / freeLanes(batcher, queue)));
}

function take<T extends Traveller>(
  queue: Queue<T>,
  lane: number,
  share: number,
  nowUs: number,
  expired: T[],
): Batch<T> {
  const first = queue.head as T;
  const requests: T[] = [first];
  let rows = first.rows;
  let candidate = first.next;
  unlink(first);
  first.state = 'RUNNING';
  const cap = first.alone ? 0 : share;
  while (candidate !== null && rows < cap) {
    const following: T | null = candidate.next;
    if (candidate.deadlineUs <= nowUs) expire(candidate, expired);
    else if (candidate.shapeKey === first.shapeKey && !candidate.alone) {
      if (rows + candidate.rows > cap) break;
      rows += candidate.rows;
      unlink(candidate);
      candidate.state = 'RUNNING';
      requests.push(candidate);
    }
    candidate = following;
  }
  return { queue, lane, requests, rows, startedUs: nowUs };
}

function expire<T extends Traveller>(request: T, expired: T[]): void {
  cancel(request);
  expired.push(request);
}

/** Puts `request` behind `after`, or at the front where `after` is null. */
function link<T extends Traveller>(queue: Queue<T>, request: T, after: T | null): void {
  const before = after === null ? queue.head : after.next;
  request.state = 'WAITING';
  request.queue = queue;
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
  const queue = request.queue as Queue<T>;
  if (request.previous === null) queue.head = request.next;
  else request.previous.next = request.next;
  if (request.next === null) queue.tail = request.previous;
  else request.next.previous = request.previous;
  request.previous = null;
  request.next = null;
  queue.rows -= Math.max(1, request.rows);
  queue.bytes -= request.bytes;
  queue.length--;
}
