/**
 * Preloaded into a server (`node --import`): each SIGUSR2 writes how late the front thread's turns were since the last one to
 * `LOOP_WATCH_PATH`, and begins anew. A timer of 1 ms is asked for, so what it says is at most that much too long. Between two of
 * its turns the thread may also have waited for a core: the CPU that it had meanwhile is what its tasks took, and no more.
 */

import { renameSync, writeFileSync } from 'node:fs';
import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Milliseconds between two turns of the event loop, the asked for 1 ms among them. */
export interface LoopDelays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** CPU of the thread from one to the next, all tasks between them together. */
  readonly cpuP99Ms: number;
  readonly cpuMostMs: number;
}

// Worker threads get the same preload, and no signals.
if (isMainThread) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const cpuUs = createHistogram();
  let usedUs = threadCpuUs();
  setInterval(() => {
    const nowUs = threadCpuUs();
    cpuUs.record(Math.max(1, nowUs - usedUs));
    usedUs = nowUs;
  }, 1).unref();
  process.on('SIGUSR2', () => {
    const found: LoopDelays = {
      p50Ms: delays.percentile(50) / 1e6,
      p99Ms: delays.percentile(99) / 1e6,
      mostMs: delays.max / 1e6,
      cpuP99Ms: cpuUs.percentile(99) / 1e3,
      cpuMostMs: cpuUs.max / 1e3,
    };
    delays.reset();
    cpuUs.reset();
    const path = process.env.LOOP_WATCH_PATH ?? 'loop-delays.json';
    // Whoever waits for the file finds a whole one.
    writeFileSync(`${path}.part`, JSON.stringify(found));
    renameSync(`${path}.part`, path);
  });
}

function threadCpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
