/** Starts a rival over a subject on its cores, waits until it answers, checks what it answers, and stops it as a whole. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send } from '../http/loads.ts';
import { freePort, type Group, startGroup, untilReady } from '../runner/group.ts';
import type { Peer, Subject } from './peer.ts';

/** A Python server on a busy core imports for long. */
const START_MS = 90_000;

/** A rival that answers. */
export interface RunningPeer {
  readonly peer: Peer;
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts it; resolves when it has answered `row`. @throws where it does not, with what it printed */
export async function startPeer(peer: Peer, subject: Subject, row: Float32Array<ArrayBuffer>): Promise<RunningPeer> {
  const folder = await mkdtemp(join(tmpdir(), `penstock-peer-${peer.name}-`));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let group: Group | undefined;
  const stop = async () => {
    await group?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { program, args, env = {}, cwd = folder } = await peer.launch(subject, { port, folder });
    group = startGroup({ program, args, env: { ...process.env, ...env }, cwd, cores: subject.cores });
    const load = peer.request(subject, row);
    await untilReady(group, async () => (await send(url, load)).status === 200, START_MS);
    return { peer, pid: group.pid, url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
