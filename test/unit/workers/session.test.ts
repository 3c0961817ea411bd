import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionOptions } from '../../../src/core/instance.ts';
import { Session, sessionOptions } from '../../../src/workers/session.ts';
import { writeFixtures } from '../../support/fixtures/write.ts';

const CPU = { name: 'cpu', deviceId: 0 } as const;
const DEFAULTS: SessionOptions = { executionProviders: [CPU], intraOpThreads: 1, graphOptimization: 'all', extra: {} };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-session-'));
  await writeFixtures(folder, ['raw8', 'ragged', 'broken']);
});
afterAll(() => rm(folder, { recursive: true }));

const open = (model: string, options: Partial<SessionOptions> = {}) =>
  Session.open(
    { session: 1, path: join(folder, model, '1/model.onnx'), options: { ...DEFAULTS, ...options } },
    new SharedArrayBuffer(1024),
  );

describe('session options', () => {
  it('are one quiet thread, sequential, with a memory arena, and nothing on standard error', () => {
    expect(sessionOptions(DEFAULTS, CPU)).toMatchObject({
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: 1,
      executionMode: 'sequential',
      enableCpuMemArena: true,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
      logSeverityLevel: 4,
    });
  });

  it('take what model.yaml says, and entries beside our own do not undo them', () => {
    const extra = { session: { disable_prepacking: '1' }, ep: { x: 'y' } };
    const options = { ...DEFAULTS, intraOpThreads: 3, graphOptimization: 'basic', extra } as const;
    const given = sessionOptions(options, { name: 'cuda', deviceId: 1 });
    expect(given).toMatchObject({
      executionProviders: [{ name: 'cuda', deviceId: 1 }],
      graphOptimizationLevel: 'basic',
      intraOpNumThreads: 3,
      extra: { session: { disable_prepacking: '1', intra_op: { allow_spinning: '0' } }, ep: { x: 'y' } },
    });
    const spinning = { session: { intra_op: { allow_spinning: '1' } } };
    expect(sessionOptions({ ...DEFAULTS, extra: spinning }, CPU).extra).toEqual(spinning);
  });

  it('reach ONNX Runtime: an entry that it checks is refused when it is wrong', async () => {
    const extra = { session: { intra_op_thread_affinities: 'nonsense' } };
    await expect(open('raw8', { intraOpThreads: 3, extra })).rejects.toThrow(/affinit/i);
  });

  it.runIf(process.platform === 'linux')('give a session the threads asked for, and take them back', async () => {
    const threads = () => readdirSync('/proc/self/task').length;
    await (await open('raw8')).release();
    const before = threads();
    const session = await open('raw8', { intraOpThreads: 4 });
    expect(threads() - before).toBe(3);
    await session.release();
    await session.release();
    expect(threads()).toBe(before);
  });
});

describe('a session', () => {
  it('knows the interface from the file', async () => {
    const session = await open('ragged');
    expect(session.info).toMatchObject({ provider: 'cpu', passedOver: '' });
    expect(session.info.signature.inputs.map(({ name, shape }) => [name, shape])).toEqual([['INPUT0', [-1, -1]]]);
    expect(session.info.signature.outputs.map(({ name, shape }) => [name, shape])).toEqual([['OUTPUT0', [-1, 1]]]);
    await session.release();
  });

  it('is not made of a file that is no model, whatever providers are listed', async () => {
    await expect(open('broken')).rejects.toThrow('Protobuf parsing failed');
    const executionProviders = [{ name: 'cuda', deviceId: 0 }, CPU] as const;
    await expect(open('broken', { executionProviders })).rejects.toThrow('Protobuf parsing failed');
  });
});
