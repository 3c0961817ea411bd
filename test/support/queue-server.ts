/**
 * A server with one queue and one server of it, in a process of its own: `node queue-server.ts SEED MEAN_SERVICE_US`.
 * Requests are served in order of arrival, each for a time drawn from the seed. `GET /` gives what was drawn, and how long
 * each service took: what the machine adds (it may stop the process at any time) belongs to the service.
 */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Random } from '../../src/load/random.ts';

/** What it says of itself, in the order of the requests. Microseconds. */
export interface QueueServerFacts {
  readonly drawn: readonly number[];
  /** From when the server was free for the request, or had it, to when its answer left. */
  readonly taken: readonly number[];
}

/** A timer may be this late; from there on the loop turns. */
const NEAR_MS = 3;

const random = new Random(Number(process.argv[2]));
const meanMs = Number(process.argv[3]) / 1000;
const drawn: number[] = [];
const taken: number[] = [];
const queue: ServerResponse[] = [];
/** Of the request that is served, the first of the queue. */
let startMs = 0;
let endMs = 0;

function arrive(answer: ServerResponse): void {
  queue.push(answer);
  if (queue.length === 1) begin(performance.now());
}

function begin(nowMs: number): void {
  const serviceMs = random.exponential(meanMs);
  drawn.push(serviceMs * 1000);
  startMs = nowMs;
  endMs = nowMs + serviceMs;
  work();
}

function work(): void {
  const nowMs = performance.now();
  const leftMs = endMs - nowMs;
  if (leftMs > NEAR_MS) setTimeout(work, leftMs - NEAR_MS);
  else if (leftMs > 0) setImmediate(work);
  else {
    taken.push((nowMs - startMs) * 1000);
    queue.shift()?.end();
    if (queue.length > 0) begin(nowMs);
  }
}

const server = createServer({ keepAliveTimeout: 0 }, (request, answer) => {
  if (request.method === 'GET') answer.end(JSON.stringify({ drawn, taken } satisfies QueueServerFacts));
  else arrive(answer);
  request.resume();
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.on('disconnect', () => process.exit(0));
