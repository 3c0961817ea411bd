import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withModels, writeMlp } from '../../bench/http/models.ts';
import { peersNamed } from '../../bench/peers/all.ts';
import { checkAnswers, knownRows } from '../../bench/peers/check.ts';
import { penstock } from '../../bench/peers/penstock.ts';
import { ONNXRUNTIME } from '../../bench/peers/python.ts';
import { startPeer } from '../../bench/peers/start.ts';
import { subjectOf, WORKLOADS } from '../../bench/peers/subjects.ts';
import { processTree } from '../../bench/runner/group.ts';

// Those in Python have to be fetched: test/soak/peers.test.ts asks them all.
for (const peer of [penstock, ...peersNamed(['fastify-1', 'fastify'])]) {
  test(`${peer.name} answers as ONNX Runtime does, in each of its forms, and ends when it is stopped`, async () => {
    await withModels(writeMlp, async (models) => {
      for (const workload of WORKLOADS.filter(({ model }) => model === 'mlp')) {
        const subject = subjectOf(workload, models, peer.forms);
        if (subject === null) throw new Error('it knows both forms');
        const known = await knownRows(subject, 32);
        const running = await startPeer(peer, subject, known[0]!.row);
        try {
          await checkAnswers(running, subject, known);
          // The negative control: one row that is not the one expected is noticed.
          const swapped = [known[0]!, { row: known[1]!.row, expected: known[2]!.expected }];
          await expect(checkAnswers(running, subject, swapped)).rejects.toThrow(/row 1 wrongly/);
        } finally {
          await running.stop();
        }
        expect(processTree(running.pid)).toEqual([]);
      }
    });
  }, 60_000);
}

test('a rival that does not start is reported with what it printed, and leaves nothing', async () => {
  await withModels(writeMlp, async (models) => {
    const subject = subjectOf(WORKLOADS[0]!, models, ['binary'])!;
    const [peer] = peersNamed(['fastify-1']);
    const wrong = { ...subject, path: '/no/such/model.onnx' };
    await expect(startPeer(peer!, wrong, new Float32Array(784))).rejects.toThrow(/ended: .*model\.onnx/s);
  });
}, 60_000);

test('rivals run the ONNX Runtime that we run', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  expect(ONNXRUNTIME).toBe(`onnxruntime==${dependencies['onnxruntime-node']}`);
});

test('a rival that there is not is named, with those there are', () => {
  expect(() => peersNamed(['torchserve'])).toThrow(/no rival 'torchserve'; there are fastify-1, .*tritonserver/);
});
