/**
 * What a scheduler itself costs: `NAME REQUESTS LOAD`, LOAD in parts of what the lanes can do, on virtual time, run with
 * --expose-gc and a young generation that holds the whole run. Prints nanoseconds per request (arrive, its part of next and
 * of finish) as the median over blocks; bytes taken from the heap per request in all, per call of arrive, and per batch of
 * what arrive did not take; and what is still held when all is done.
 */

import { PerformanceObserver } from 'node:perf_hooks';
import { LatencyCurve } from '../../src/batching/curve.ts';
import type { Batch } from '../../src/batching/travel.ts';
import { median } from '../../src/load/compare.ts';
import { Random } from '../../src/load/random.ts';
import { BareTraveller, SCHEDULERS } from '../runner/schedulers.ts';

const [name = '', requests = '1000000', load = '0.9'] = process.argv.slice(2);
const LANES = 2;
const BLOCK = 1_000;
/** Requests that come in one turn of the loop, at most; a turn is a microsecond per request. */
const MOST_AT_ONCE = 48;
const MOST_ROWS = 32;
/** Blocks before anything counts: code is compiled. */
const WARM_BLOCKS = 200;
/** Blocks in which the heap is looked at before and after arrivals; their time does not count. */
const WATCHED_BLOCKS = 100;
/** In batches of the most rows. */
const DEADLINE_BATCHES = 10;
const TENANTS = ['', 'a', 'b', 'c'];

/** A request arrives each microsecond: so long a full batch takes where the lanes are as busy as asked. */
const FULL_US = LANES * MOST_ROWS * Number(load);
const batchUs = (rows: number) => FULL_US * (0.4 + (0.6 * rows) / MOST_ROWS);
const DEADLINE_US = DEADLINE_BATCHES * FULL_US;

const make = SCHEDULERS[name];
if (make === undefined) throw new Error(`there is no scheduler '${name}': ${Object.keys(SCHEDULERS).join(', ')}`);

/** Learns in the run as the served one does. */
const learned = new LatencyCurve(
  MOST_ROWS,
  [1, 2, 4, 8, 16, MOST_ROWS].map((rows) => ({ rows, us: batchUs(rows) })),
);
const { scheduler, queue } = make(LANES, {
  maxBatchRows: MOST_ROWS,
  lanes: [0, 1],
  queueRows: 4_096,
  queueBytes: 2 ** 30,
  sloUs: 0,
  curve: learned,
});
const random = new Random(1);
const travellers = Array.from({ length: 8_192 }, (_, i) => new BareTraveller(TENANTS[i % TENANTS.length] as string));
const expired: BareTraveller[] = [];
let at = 0;
/** No whole number, as no clock's is: one of those would never be taken from the heap. */
let nowUs = 1_000_000.25;
let served = 0;
let batches = 0;
let refused = 0;
let late = 0;

/** When each lane ends what it runs. */
const endsUs = new Float64Array(LANES).fill(Number.POSITIVE_INFINITY);

function arrive(arriving: number): void {
  for (let i = 0; i < arriving; i++) {
    const traveller = travellers[at++ % travellers.length] as BareTraveller;
    traveller.again(nowUs, nowUs + DEADLINE_US);
    if (scheduler.arrive(queue, traveller, nowUs) !== null) refused++;
  }
}

/** What can start is started; what runs to its end before the next ones come ends in its time. */
function run(arriving: number): void {
  start();
  const untilUs = nowUs + arriving;
  for (let lane = firstEnd(); (endsUs[lane] as number) <= untilUs; lane = firstEnd()) {
    nowUs = endsUs[lane] as number;
    endsUs[lane] = Number.POSITIVE_INFINITY;
    end(scheduler.lanes[lane] as Batch<BareTraveller>);
    start();
  }
  nowUs = untilUs;
}

/** The lane whose batch ends first. */
function firstEnd(): number {
  let first = 0;
  for (let lane = 1; lane < LANES; lane++) if ((endsUs[lane] as number) < (endsUs[first] as number)) first = lane;
  return first;
}

function start(): void {
  for (let batch = scheduler.next(nowUs, expired); batch !== null; batch = scheduler.next(nowUs, expired)) {
    batches++;
    endsUs[batch.lane] = nowUs + batchUs(batch.rows);
  }
  late += expired.length;
  expired.length = 0;
}

function end(batch: Batch<BareTraveller>): void {
  served += batch.requests.length;
  for (const traveller of batch.requests) traveller.state = 'ENDED';
  scheduler.finish(batch, nowUs, true);
}

function block(): void {
  for (let done = 0; done < BLOCK; ) {
    const arriving = arrivals(BLOCK - done);
    arrive(arriving);
    run(arriving);
    done += arriving;
  }
}

function arrivals(most: number): number {
  return Math.min(most, 1 + Math.floor(random.uniform() * MOST_AT_ONCE));
}

/** Bytes that arrivals alone take, per request. */
function bytesPerArrival(): number {
  let bytes = 0;
  for (let done = 0; done < WATCHED_BLOCKS * BLOCK; ) {
    const arriving = arrivals(BLOCK);
    // What looking takes is known from looking twice.
    const before = process.memoryUsage().heapUsed;
    const ready = process.memoryUsage().heapUsed;
    arrive(arriving);
    bytes += process.memoryUsage().heapUsed - ready - (ready - before);
    run(arriving);
    done += arriving;
  }
  return bytes / (WATCHED_BLOCKS * BLOCK);
}

for (let i = 0; i < WARM_BLOCKS; i++) block();
const blocks = Math.max(1, Math.round(Number(requests) / BLOCK));
const timesNs = new Float64Array(blocks);
let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });
globalThis.gc?.();
await new Promise((resolve) => setTimeout(resolve, 50));
collections = 0;
[served, batches, refused, late] = [0, 0, 0, 0];
const beforeBytes = process.memoryUsage().heapUsed;
for (let i = 0; i < blocks; i++) {
  const startedNs = process.hrtime.bigint();
  block();
  timesNs[i] = Number(process.hrtime.bigint() - startedNs) / BLOCK;
}
const takenBytes = process.memoryUsage().heapUsed - beforeBytes;
const count = blocks * BLOCK;
const counted = { requestsPerBatch: served / batches, served, refused, expired: late, requests: count, batches };
const perArrival = bytesPerArrival();
await new Promise((resolve) => setTimeout(resolve, 50));
const collected = collections;
globalThis.gc?.();
const keptBytes = process.memoryUsage().heapUsed - beforeBytes;
process.stdout.write(
  JSON.stringify({
    perRequestNs: median([...timesNs]),
    bytesPerRequest: takenBytes / count,
    bytesPerArrival: perArrival,
    bytesPerBatch: (takenBytes - perArrival * count) / counted.batches,
    keptBytes,
    collections: collected,
    ...counted,
  }),
);
