/**
 * A server with one queue and one server of it, in a process of its own: `node queue-server.ts SEED MEAN_SERVICE_US`.
 * Requests are served in order of arrival, each for a time drawn from the seed. `GET /` gives what was drawn and how late
 * its own answers were.
 */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Random } from '../../src/load/random.ts';

/** What it says of itself. Microseconds. */
export interface QueueServerFacts {
  readonly services: readonly number[];
  /** By how much each answer left after its time: what the machine did, not the queue. */
  readonly lateness: readonly number[];
}

/** A timer may be this late; from there on the loop turns. */
const NEAR_MS = 3;

const random = new Random(Number(process.argv[2]));
const meanMs = Number(process.argv[3]) / 1000;
const services: number[] = [];
const lateness: number[] = [];
const queue: { readonly endMs: number; readonly answer: ServerResponse }[] = [];
let freeMs = 0;
let watching = false;

function serve(answer: ServerResponse): void {
  const serviceMs = random.exponential(meanMs);
  freeMs = Math.max(performance.now(), freeMs) + serviceMs;
  services.push(serviceMs * 1000);
  queue.push({ endMs: freeMs, answer });
  if (!watching) watch();
}

function watch(): void {
  watching = true;
  for (let first = queue[0]; first !== undefined && first.endMs <= performance.now(); first = queue[0]) {
    queue.shift();
    lateness.push((performance.now() - first.endMs) * 1000);
    first.answer.end();
  }
  const leftMs = (queue[0]?.endMs ?? Number.POSITIVE_INFINITY) - performance.now();
  if (leftMs <= NEAR_MS) setImmediate(watch);
  else if (leftMs < Number.POSITIVE_INFINITY) setTimeout(watch, leftMs - NEAR_MS);
  else watching = false;
}

const server = createServer({ keepAliveTimeout: 0 }, (request, answer) => {
  if (request.method === 'GET') answer.end(JSON.stringify({ services, lateness } satisfies QueueServerFacts));
  else serve(answer);
  request.resume();
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.on('disconnect', () => process.exit(0));
