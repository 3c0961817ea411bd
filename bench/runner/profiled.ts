/**
 * Preloaded into a server (`node --import`): the first SIGUSR2 begins a CPU profile of the front thread, the second one
 * writes it to `PROFILE_PATH`. So a profile holds the load and not the start.
 */

import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { isMainThread } from 'node:worker_threads';

/** Between two samples, microseconds. */
const INTERVAL_US = 200;

async function begin(): Promise<Session> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  await session.post('Profiler.start');
  return session;
}

async function end(session: Session): Promise<void> {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const path = process.env.PROFILE_PATH ?? 'server.cpuprofile';
  // Whoever waits for the file finds a whole one.
  writeFileSync(`${path}.part`, JSON.stringify(profile));
  renameSync(`${path}.part`, path);
}

// Worker threads get the same preload, and no signals.
if (isMainThread) {
  let running: Promise<Session> | null = null;
  process.on('SIGUSR2', () => {
    if (running === null) running = begin();
    else {
      running.then(end);
      running = null;
    }
  });
}
