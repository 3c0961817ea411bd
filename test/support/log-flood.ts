/** Requests that make more log lines than anybody takes: each of them is answered all the same. */

import { expect } from 'vitest';
import { mlpBinary } from '../../bench/http/loads.ts';
import { runClosedLoop } from '../../src/load/closed-loop.ts';

/** Beyond what a pipe and the waiting room of 4 MiB hold, a line being some 200 bytes. */
const MOST_LOADS = 12;
const CONNECTIONS = 32;

/** Sends to `mlp` until lines are dropped. @returns requests sent, all of them answered well */
export async function floodLog(url: string, dropped: () => Promise<number>): Promise<number> {
  const { hostname, port } = new URL(url);
  const loop = { kind: 'closed', concurrency: CONNECTIONS } as const;
  const plan = { origin: { host: hostname, port: Number(port) }, requests: [mlpBinary()], connections: CONNECTIONS };
  let sent = 0;
  for (let i = 0; i < MOST_LOADS && (await dropped()) === 0; i++) {
    const figures = await runClosedLoop({ ...plan, seed: 1, loop, durationS: 1, deadlineMs: null });
    expect(figures).toMatchObject({ ok: figures.sent, errors: { connect: 0, reset: 0, timeout: 0, malformed: 0 } });
    sent += figures.sent;
  }
  return sent;
}
