import { describe, expect, test } from 'vitest';
import { withModels } from '../../bench/http/models.ts';
import { PEERS } from '../../bench/peers/all.ts';
import { checkAnswers, knownRows } from '../../bench/peers/check.ts';
import { startPeer } from '../../bench/peers/start.ts';
import { subjectOf, WORKLOADS } from '../../bench/peers/subjects.ts';
import { processTree } from '../../bench/runner/group.ts';
import { writeFixtures } from '../support/fixtures/write.ts';

/** Fetches what is missing from PyPI, 1.4 GB on disk in all. */
describe.each(PEERS.map((peer) => [peer.name, peer] as const))('%s', (_name, peer) => {
  test('is installed, answers as ONNX Runtime does wherever it takes part, and ends when it is stopped', async () => {
    await peer.install();
    for (const workload of WORKLOADS) {
      await withModels(
        (models) => writeFixtures(models, [workload.model]),
        async (models) => {
          const subject = subjectOf(workload, models, peer.forms);
          if (subject === null) return;
          const known = await knownRows(subject, workload.connections);
          const running = await startPeer(peer, subject, known[0]!.row);
          try {
            await checkAnswers(running, subject, known);
          } finally {
            await running.stop();
          }
          expect(processTree(running.pid)).toEqual([]);
        },
      );
    }
  }, 600_000);
});
