import { expect, test } from 'vitest';
import { withModels, writeMlp } from '../../bench/http/models.ts';
import { peersNamed } from '../../bench/peers/all.ts';
import { contest } from '../../bench/peers/contest.ts';
import { ONNXRUNTIME } from '../../bench/peers/python.ts';
import type { Workload } from '../../bench/peers/subjects.ts';
import { factsOf } from '../../bench/runner/facts.ts';

const [fastify] = peersNamed(['fastify-1']);
// Drained slices need no wrk.
const WORKLOAD: Workload = {
  name: 'mlp JSON',
  model: 'mlp',
  connections: 4,
  allCores: false,
  drained: true,
  forms: ['json'],
};

test('a contest measures each server in every round; one that ends or answers wrongly is out, and the others go on', async () => {
  const ends = { ...fastify!, name: 'ends', launch: async () => ({ program: 'false', args: [] }) };
  const wrong = { ...fastify!, name: 'wrong', read: () => new Float32Array(10) };
  await withModels(writeMlp, async (models) => {
    const standings = await contest(WORKLOAD, models, [ends, wrong, fastify!], { rounds: 2, sliceS: 1 });
    expect(standings.map(({ name, meetings }) => [name, meetings.length])).toEqual([
      ['ends', 0],
      ['wrong', 0],
      ['fastify-1', 2],
    ]);
    expect(standings.map(({ fault }) => fault)).toEqual([
      expect.stringMatching(/the server ended/),
      expect.stringMatching(/wrong answers row 0 wrongly: number 0 is 0 for/),
      '',
    ]);
    for (const { theirs, ours } of standings[2]!.meetings) {
      for (const { cpuUs, perSecond, requests, p50Us, p99Us, bytes } of [theirs, ...ours]) {
        expect(requests).toBeGreaterThan(10);
        expect(cpuUs).toBeGreaterThan(0);
        // One core gives no more CPU than time: the whole tree is counted, and nothing twice.
        expect(cpuUs * perSecond).toBeLessThan(1.2e6);
        expect(p99Us).toBeGreaterThanOrEqual(p50Us);
        expect(bytes).toBeGreaterThan(20 * 2 ** 20);
      }
    }
  });
}, 60_000);

test('the facts of a run name the model by its hash, and what made it', async () => {
  await withModels(writeMlp, async (models) => {
    const facts = factsOf(models, 'npm run bench -- BM-2');
    expect(Object.keys(facts.models)).toEqual(['mlp/1/model.onnx']);
    expect(facts.models['mlp/1/model.onnx']).toMatch(/^[0-9a-f]{64}$/);
    expect(facts).toMatchObject({
      node: process.versions.node,
      onnxruntime: ONNXRUNTIME.split('==')[1],
      command: 'npm run bench -- BM-2',
    });
    expect(facts.commit).toMatch(/^[0-9a-f]{7,}\+?$/);
  });
});
