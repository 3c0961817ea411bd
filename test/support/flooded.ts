/** A server process over the model that tenants share, held to one row a batch so that a test can be too much for it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePolicy } from '../../bench/http/models.ts';
import { SHARED, tenantLoad, writeShared } from '../../bench/http/tenants.ts';
import { type Flood, flood } from '../../bench/runner/flood.ts';
import { layoutOf } from '../../bench/runner/layout.ts';
import { OpenGenerator, withDeadline } from '../../bench/runner/open-generator.ts';
import { runClosedLoop } from '../../src/load/closed-loop.ts';
import { serveProcess, untilReady } from './server-process.ts';

const DEADLINE_MS = 100;
/** Enough that connections are never what a flood waits for: twice what 5x can have under way. */
const CONNECTIONS = 1_000;

/** How long each part of a flood lasts, seconds. */
export interface FloodLengths {
  readonly measuredS: number;
  readonly burstS: number;
  readonly watchedS: number;
}

/** Floods a server of its own with so many times what it can do, one after the other; the server ends well. */
export async function floodServer(loads: readonly number[], lengths: FloodLengths): Promise<Flood[]> {
  const models = await mkdtemp(join(tmpdir(), 'penstock-flood-'));
  await writeShared(models, DEADLINE_MS);
  writePolicy(models, SHARED, `slo: { p99Ms: ${DEADLINE_MS} }\nmaxBatchRows: 1\n`);
  const served = await serveProcess(models, '--workers', '1', '--log-level', 'error');
  const generator = new OpenGenerator(layoutOf('shared').load);
  try {
    await untilReady(served.url, SHARED);
    const load = withDeadline(tenantLoad(''), DEADLINE_MS);
    const capacity = await capacityOf(served.url, load, lengths.measuredS);
    const server = { url: served.url, adminUrl: served.adminUrl, pid: served.child.pid as number };
    const floods: Flood[] = [];
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
      floods.push(await flood(generator, server, { ...plan, ...lengths }));
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
