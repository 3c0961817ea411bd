/**
 * The open loop of `penstock bench` as a process of its own, against whatever answers: `node generator.ts URL RATE SECONDS`.
 * Prints what a request cost it, with and without the turns of its loop that found nothing to do.
 */

import { runOpenLoop } from '../../src/load/open-loop.ts';
import { mlpBinary } from './loads.ts';

const [url = '', rate = '', seconds = ''] = process.argv.slice(2);
const CONNECTIONS = 16;

const { hostname, port } = new URL(url);
const plan = {
  origin: { host: hostname, port: Number(port) },
  requests: [mlpBinary()],
  loop: { kind: 'open', rate: Number(rate), arrivals: 'poisson' },
  connections: CONNECTIONS,
  deadlineMs: null,
} as const;

// Code is compiled by the first second, which is not counted.
await runOpenLoop({ ...plan, durationS: 1, seed: 1 });
const before = process.cpuUsage();
const { ok, sent, generator } = await runOpenLoop({ ...plan, durationS: Number(seconds), seed: 2 });
const { user, system } = process.cpuUsage(before);
if (ok !== sent) throw new Error(`${sent - ok} of ${sent} requests were not answered well`);
const costs = { workUs: generator.cpuUsPerRequest, allUs: (user + system) / sent, lagP99Us: generator.lag.p99, sent };
process.stdout.write(JSON.stringify(costs));
