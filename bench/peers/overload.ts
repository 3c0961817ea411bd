/** Rivals of BM-7: as they come, and Triton with a bounded queue and a timeout; their deadlines are judged at the client. */

import { signalTree } from '../runner/group.ts';
import { type OpenBench, sliceOf, WARM_S } from '../runner/open-server.ts';
import { type Contestant, enter, playRound } from '../runner/overload-cells.ts';
import type { Effort } from '../runner/scenario.ts';
import { peersNamed } from './all.ts';
import { checkAnswers, knownRows } from './check.ts';
import type { Peer, Subject } from './peer.ts';
import { startPeer } from './start.ts';
import { subjectOf, WORKLOADS } from './subjects.ts';
import { boundedTriton, triton } from './triton.ts';

/** Rows checked before a rival takes part. */
const CHECKED = 8;

/** Every peer named, under every deadline. One that does not start or answers wrongly is out, and said so. */
export async function enterRivals(
  effort: Effort,
  bench: OpenBench,
  models: string,
  guess: number,
  deadlinesMs: readonly number[],
): Promise<Contestant[]> {
  const found: Contestant[] = [];
  for (const peer of peersNamed(effort.peers)) {
    for (const deadlineMs of deadlinesMs) {
      const forms = peer === triton ? [peer, boundedTriton(deadlineMs)] : [peer];
      for (const form of forms) {
        try {
          found.push(await measureRival(effort, bench, form, subjectFor(form, models, bench), guess, deadlineMs));
        } catch (error) {
          process.stderr.write(`${form.name}, ${deadlineMs} ms, is out: ${(error as Error).message}\n`);
        }
      }
    }
  }
  return found;
}

function subjectFor(peer: Peer, models: string, { layout }: OpenBench): Subject {
  const workload = WORKLOADS.find(({ name }) => name === 'mlp1ms');
  const subject = workload === undefined ? null : subjectOf(workload, models, peer.forms);
  if (subject === null) throw new Error(`${peer.name} cannot be asked for mlp1ms`);
  return { ...subject, instances: layout.instances, cores: layout.server };
}

async function measureRival(
  effort: Effort,
  bench: OpenBench,
  peer: Peer,
  subject: Subject,
  guess: number,
  deadlineMs: number,
): Promise<Contestant> {
  await peer.install();
  const known = await knownRows(subject, CHECKED);
  const row = known[0]?.row;
  if (row === undefined) throw new Error('there is no row to ask with');
  const running = await startPeer(peer, subject, row);
  try {
    await checkAnswers(running, subject, known);
    const load = peer.request(subject, row);
    const slice = sliceOf(bench, running.url, load, { deadlineMs, most: 5 * guess }, effort);
    await slice(guess / 4, WARM_S);
    const contestant = await enter({ server: peer.name, deadlineMs, slice }, guess);
    for (let round = 0; round < effort.rounds; round++) await playRound(contestant);
    return contestant;
  } finally {
    signalTree(running.pid, 'SIGCONT');
    await running.stop();
  }
}
