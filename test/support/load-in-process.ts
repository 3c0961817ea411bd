/**
 * A load in a process of its own, so that a test can bound what the process may use: `node load-in-process.ts PORT LOOP
 * CONNECTIONS`. Prints the figures as JSON.
 */

import { runClosedLoop } from '../../src/load/closed-loop.ts';
import type { LoadPlan, Loop } from '../../src/load/figures.ts';
import { runOpenLoop } from '../../src/load/open-loop.ts';

const [port, kind, count] = process.argv.slice(2);
const connections = Number(count);
const loop: Loop =
  kind === 'open' ? { kind, rate: 500, arrivals: 'uniform' } : { kind: 'closed', concurrency: connections };
const plan: LoadPlan = {
  origin: { host: '127.0.0.1', port: Number(port) },
  requests: [{ path: '/', headers: {}, body: Buffer.alloc(0) }],
  loop,
  connections,
  durationS: 0.5,
  deadlineMs: null,
  seed: 1,
};
const figures = await (loop.kind === 'open' ? runOpenLoop(plan) : runClosedLoop(plan));
process.stdout.write(JSON.stringify(figures));
