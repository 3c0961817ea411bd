/** A server process over the model that tenants share, held to one row a batch so that a test can be too much for it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writePolicy } from '../../bench/http/models.ts';
import { SHARED, tenantLoad, writeShared } from '../../bench/http/tenants.ts';
import { type Flood, type Flooded, flood } from '../../bench/runner/flood.ts';
import { layoutOf } from '../../bench/runner/layout.ts';
import { OpenGenerator, withDeadline } from '../../bench/runner/open-generator.ts';
import type { Load } from '../../bench/runner/wrk.ts';
import { runClosedLoop } from '../../src/load/closed-loop.ts';
import { get, send } from './gateway.ts';
import { serveProcess, untilReady } from './server-process.ts';

const DEADLINE_MS = 100;
/** Few: so much is sent that no connection rests until the server closes it. */
const LAYERS = 12;
/** Enough that connections are never what a flood waits for: twice what 5x can have under way. */
const CONNECTIONS = 1_000;

/** Less than so many times the capacity is no flood any more; the steady load is half of it. */
const CALM = 1.5;

/** After a flood everything is as before within so many seconds. */
const BACK_S = 2;

/** Between two looks at the server's figures. */
const LOOK_MS = 100;

/** How long each part of a flood lasts, seconds. */
export interface FloodLengths {
  readonly measuredS: number;
  readonly burstS: number;
  readonly watchedS: number;
}

/** What came of a flood, and how long after it everything was as before. */
export interface Survived extends Flood {
  /** Seconds from the end of the burst until nothing waited and a new request was answered; null = not within 2 s. */
  readonly backS: number | null;
}

/** Floods a server of its own with so many times what it can do, one after the other; the server ends well. */
export async function floodServer(loads: readonly number[], lengths: FloodLengths): Promise<Survived[]> {
  const models = await mkdtemp(join(tmpdir(), 'penstock-flood-'));
  await writeShared(models, DEADLINE_MS, LAYERS);
  writePolicy(models, SHARED, `slo: { p99Ms: ${DEADLINE_MS} }\nmaxBatchRows: 1\n`);
  const served = await serveProcess(models, '--workers', '1', '--log-level', 'error');
  const generator = new OpenGenerator(layoutOf('shared').load);
  try {
    await untilReady(served.url, SHARED);
    const load = withDeadline(tenantLoad(''), DEADLINE_MS);
    const capacity = await capacityOf(served.url, load, lengths.measuredS);
    const server = { url: served.url, adminUrl: served.adminUrl, pid: served.child.pid as number };
    const floods: Survived[] = [];
    for (const times of loads) {
      const plan = {
        load,
        deadlineMs: DEADLINE_MS,
        capacity,
        steady: 0.5,
        times,
        connections: CONNECTIONS,
        seed: times,
      };
      const [found, backS] = await Promise.all([
        flood(generator, server, { ...plan, ...lengths }),
        backAfter(server, load, lengths.burstS, CALM * capacity),
      ]);
      floods.push({ ...found, backS });
    }
    return floods;
  } finally {
    await generator.stop();
    served.child.kill('SIGTERM');
    await served.ended;
    await rm(models, { recursive: true });
  }
}

/** Few at once, so that none of them is late. */
async function capacityOf(url: string, load: ReturnType<typeof tenantLoad>, durationS: number): Promise<number> {
  const { hostname, port } = new URL(url);
  const origin = { host: hostname, port: Number(port) };
  const plan = { origin, requests: [load], connections: 8, durationS, deadlineMs: null, seed: 1 };
  const { ok, goodput } = await runClosedLoop({ ...plan, loop: { kind: 'closed', concurrency: 8 } });
  if (ok === 0) throw new Error('the server answers nothing');
  return goodput;
}

/**
 * Looks at the server's own figures from the time at which the burst should end: a slow machine sends it later than planned.
 * @param calm requests per second that come when it is over
 */
async function backAfter(server: Flooded, load: Load, burstS: number, calm: number): Promise<number | null> {
  await sleep(burstS * 1000);
  while ((await comingPerS(server.adminUrl)) > calm);
  const overMs = performance.now();
  const elapsedS = () => (performance.now() - overMs) / 1000;
  for (; elapsedS() <= BACK_S; await sleep(LOOK_MS)) {
    const { queue } = await figuresOf(server.adminUrl);
    if (queue.requests === 0 && (await isAnswered(server.url, load))) return elapsedS();
  }
  return null;
}

/** Requests per second that came between two looks, whatever became of them. */
async function comingPerS(adminUrl: string): Promise<number> {
  const came = async () => {
    const { admitted, refused, impossible } = (await figuresOf(adminUrl)).requests;
    return admitted + refused + impossible;
  };
  const [sinceMs, before] = [performance.now(), await came()];
  await sleep(LOOK_MS);
  return (((await came()) - before) / (performance.now() - sinceMs)) * 1000;
}

// biome-ignore lint/suspicious/noExplicitAny: a document
const figuresOf = async (adminUrl: string): Promise<any> =>
  (await get(`${adminUrl}/v2/models/${SHARED}/scheduler`)).json;

async function isAnswered(url: string, { path, body, headers }: Load): Promise<boolean> {
  return (await send(`${url}${path}`, Buffer.from(body), headers)).status === 200;
}
