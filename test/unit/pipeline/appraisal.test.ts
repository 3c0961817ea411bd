import { describe, expect, test } from 'vitest';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import { datatype } from '../../../src/core/datatype.ts';
import type { Lane, SessionSpec } from '../../../src/core/instance.ts';
import { appraise, type Candidate } from '../../../src/pipeline/appraisal.ts';
import { ProfileStore } from '../../../src/pipeline/profile-store.ts';
import type { Trial } from '../../../src/pipeline/trial.ts';

const SIGNATURE = {
  inputs: [{ name: 'x', datatype: datatype('FP32'), shape: [-1, 4] }],
  outputs: [{ name: 'y', datatype: datatype('FP32'), shape: [-1, 4] }],
};

/** A model of so many rows' time on one thread, which more threads divide; and with how many it was loaded, in order. */
function candidate(yaml: string, rowUs: number): { of: Candidate; loads: number[] } {
  const policy = parseModelPolicy(yaml, 'model.yaml');
  const options = { ...policy.session, intraOpThreads: policy.session.intraOpThreads ?? 1 };
  let { intraOpThreads: threads } = options;
  const loads = [threads];
  const lane = {
    load: async ({ options }: SessionSpec) => {
      threads = options.intraOpThreads;
      loads.push(threads);
    },
    unload: async () => undefined,
  } as unknown as Lane;
  const trial = {
    run: async (rows: number) => {
      const runUs = (rows * rowUs) / threads;
      return { outputs: [{ dims: [rows, 4], bytes: new Uint8Array() }], runUs, us: runUs };
    },
  } as unknown as Trial;
  const found = { policy, path: '', files: '', labels: new Map(), manifest: null } as unknown as Candidate['found'];
  const loaded: SessionSpec = { session: 1, path: '', options };
  return { of: { model: 'm', version: '1', found, signature: SIGNATURE, loaded, lane, trial }, loads };
}

const parts = (cores: number) => ({ profiles: new ProfileStore('', '1', () => undefined), cores, placement: null });

describe('the threads of ONNX Runtime', () => {
  test.each([
    ['two where one breaks the stated target and two keep it twice', 'slo: { p99Ms: 50 }', [1, 2]],
    ['all cores where only they do', 'slo: { p99Ms: 20 }', [1, 2, 4]],
    ['one where one keeps it twice', 'slo: { p99Ms: 90 }', [1]],
    ['one where no target is stated', '', [1]],
    ['as many as are stated, whatever the target', 'slo: { p99Ms: 50 }\nsession: { intraOpThreads: 1 }', [1]],
  ])('are %s, as measured', async (_what, yaml, expected) => {
    const { of, loads } = candidate(`${yaml}\n`, 40_000);
    const { spec, profiled } = await appraise(parts(4), of);
    expect(loads).toEqual(expected);
    expect(spec.options.intraOpThreads).toBe(expected.at(-1));
    // What is known of its batches is what they take with these threads.
    expect(profiled.points[0]).toMatchObject({ rows: 1, runUs: 40_000 / (expected.at(-1) as number) });
  });
});

test('a target that one row breaks is refused with both figures', async () => {
  const { of } = candidate('slo: { p99Ms: 5 }\n', 34_000);
  await expect(appraise(parts(1), of)).rejects.toThrow('slo.p99Ms is 5 ms, but one row takes 34 ms');
});
