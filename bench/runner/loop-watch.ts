/**
 * Preloaded into a server (`node --import`): each SIGUSR2 writes how late the front thread's turns were since the last one to
 * `LOOP_WATCH_PATH`, and begins anew. A timer of 1 ms is asked for, so what it says is at most that much too long.
 */

import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Milliseconds between two turns of the event loop, the asked for 1 ms among them. */
export interface LoopDelays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

// Worker threads get the same preload, and no signals.
if (isMainThread) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  process.on('SIGUSR2', () => {
    const found: LoopDelays = {
      p50Ms: delays.percentile(50) / 1e6,
      p99Ms: delays.percentile(99) / 1e6,
      mostMs: delays.max / 1e6,
    };
    delays.reset();
    const path = process.env.LOOP_WATCH_PATH ?? 'loop-delays.json';
    // Whoever waits for the file finds a whole one.
    writeFileSync(`${path}.part`, JSON.stringify(found));
    renameSync(`${path}.part`, path);
  });
}
