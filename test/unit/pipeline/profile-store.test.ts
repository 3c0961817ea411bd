import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionOptions } from '../../../src/core/instance.ts';
import { type KeptProfile, ProfileStore } from '../../../src/pipeline/profile-store.ts';

/** A machine has one kind of CPU: another one is told by the operating system alone. */
const machine = vi.hoisted(() => ({ cpu: 'AMD EPYC 7B13' }));
vi.mock('node:os', async (original) => {
  return { ...(await original<typeof import('node:os')>()), cpus: () => [{ model: machine.cpu }] };
});

const OPTIONS: SessionOptions = {
  executionProviders: [{ name: 'cpu', deviceId: 0 }],
  intraOpThreads: 1,
  graphOptimization: 'all',
  extra: { a: '1', b: '2' },
};
const KEPT: KeptProfile = {
  points: [
    { rows: 1, runUs: 10.5, us: 60 },
    { rows: 2, runUs: 15, us: 66 },
  ],
  learned: { placement: 'worker', points: [{ rows: 3, us: 80 }] },
};

/** The key number `i` of a test, and the names of the files of the first `count`. */
const digest = (i: number) => i.toString(16).padStart(64, '0');
const all = (count: number) => Array.from({ length: count }, (_, i) => `${digest(i)}.json`);

/** The model file of a version with a folder of its own. */
async function version(name: string, content: string): Promise<string> {
  await mkdir(join(folder, name));
  const path = join(folder, name, 'model.onnx');
  await writeFile(path, content);
  return path;
}

let folder: string;
let unkept: unknown[];
let store: ProfileStore;
let model: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-state-'));
  unkept = [];
  store = new ProfileStore(join(folder, 'state'), '1.2.3', (error) => unkept.push(error));
  model = await version('model', 'a model');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the store of profiles', () => {
  it('gives back what was kept, in one file and no other', async () => {
    const key = await store.key(model, OPTIONS, 8);
    expect(await store.read(key)).toBeNull();
    await store.write(key, { ...KEPT, learned: null });
    await store.write(key, KEPT);
    expect(await store.read(key)).toEqual(KEPT);
    expect(await readdir(join(folder, 'state/profiles'))).toEqual([`${key}.json`]);
    expect(unkept).toEqual([]);
  });

  it('has another key for another file, ONNX Runtime, option or cap, and not for another order', async () => {
    const key = await store.key(model, OPTIONS, 8);
    const other = new ProfileStore(folder, '1.2.4', () => undefined);
    const second = await version('second', 'a model?');
    const keys = await Promise.all([
      other.key(model, OPTIONS, 8),
      store.key(second, OPTIONS, 8),
      store.key(model, { ...OPTIONS, intraOpThreads: 2 }, 8),
      store.key(model, { ...OPTIONS, extra: { a: '1' } }, 8),
      store.key(model, OPTIONS, 9),
    ]);
    expect(new Set([key, ...keys]).size).toBe(6);
    expect(await store.key(model, { ...OPTIONS, extra: { b: '2', a: '1' } }, 8)).toBe(key);
  });

  it('has another key on another CPU', async () => {
    const key = await store.key(model, OPTIONS, 8);
    expect(await store.key(model, OPTIONS, 8)).toBe(key);
    machine.cpu = 'Intel(R) Xeon(R) Platinum 8481C';
    expect(await store.key(model, OPTIONS, 8)).not.toBe(key);
  });

  it('has another key where weights beside the model file differ in content, name or place, and the same in another folder', async () => {
    const beside = async (name: string, weights: string, content: string) => {
      const path = await version(name, 'a model');
      const file = join(folder, name, weights);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      return store.key(path, OPTIONS, 8);
    };
    const keys = [
      await store.key(model, OPTIONS, 8),
      await beside('a', 'weights.bin', 'abc'),
      await beside('b', 'weights.bin', 'abd'),
      await beside('c', 'weight.bin', 'abc'),
      await beside('d', 'data/weights.bin', 'abc'),
    ];
    expect(new Set(keys).size).toBe(5);
    expect(await beside('e', 'weights.bin', 'abc')).toBe(keys[1]);
  });

  it('takes what is no file for none at once, in place of a profile and beside a model', async () => {
    const key = await store.key(model, OPTIONS, 8);
    await mkdir(join(folder, 'state/profiles'), { recursive: true });
    execFileSync('mkfifo', [join(folder, 'state/profiles', `${key}.json`), join(folder, 'model/pipe')]);
    expect(await store.read(key)).toBeNull();
    expect(await store.key(model, OPTIONS, 8)).toBe(key);
  });

  it("leaves another process's unfinished file alone, whatever that one's number", async () => {
    const profiles = join(folder, 'state/profiles');
    const key = await store.key(model, OPTIONS, 8);
    const theirs = `${key}.json.${process.pid}.1`;
    await mkdir(profiles, { recursive: true });
    await writeFile(join(profiles, theirs), 'half');
    await store.write(key, KEPT);
    expect(await readFile(join(profiles, theirs), 'utf8')).toBe('half');
    expect(await store.read(key)).toEqual(KEPT);
    expect(unkept).toEqual([]);
  });

  it.each([
    ['no JSON', '{'],
    ['empty', ''],
    ['null', 'null'],
    ['of another format', JSON.stringify({ ...KEPT, format: 0 })],
    ['without points', JSON.stringify({ format: 1, points: [] })],
    ['with a time of 0', JSON.stringify({ format: 1, points: [{ rows: 1, runUs: 0, us: 5 }] })],
    ['with a time that no batch takes', JSON.stringify({ format: 1, points: [{ rows: 1, runUs: 1e-300, us: 5 }] })],
    ['with a time below 0', JSON.stringify({ format: 1, points: [{ rows: 1, runUs: 5, us: -5 }] })],
    ['with a time beyond numbers', '{"format":1,"points":[{"rows":1,"runUs":1e999,"us":5}]}'],
    ['with a time that is text', JSON.stringify({ format: 1, points: [{ rows: 1, runUs: '5', us: 5 }] })],
    ['with rows out of order', JSON.stringify({ format: 1, points: [KEPT.points[1], KEPT.points[0]] })],
    ['with half a row', JSON.stringify({ format: 1, points: [{ rows: 0.5, runUs: 1, us: 5 }] })],
    ['with points that are none', JSON.stringify({ format: 1, points: [null, 7] })],
    ['too large', JSON.stringify({ format: 1, points: KEPT.points, more: 'x'.repeat(2 ** 20) })],
  ])('takes a file that is %s for none', async (_name, text) => {
    await mkdir(join(folder, 'state/profiles'), { recursive: true });
    await writeFile(join(folder, 'state/profiles/key.json'), text);
    expect(await store.read('key')).toBeNull();
  });

  it('leaves out a learned curve that makes no sense', async () => {
    for (const learned of [
      { placement: 'moon', points: KEPT.points },
      { placement: 'inline', points: [{ rows: 1, us: 0 }] },
    ]) {
      await store.write('key', KEPT);
      const path = join(folder, 'state/profiles/key.json');
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), learned }));
      expect(await store.read('key')).toEqual({ ...KEPT, learned: null });
    }
  });

  it("lets the oldest of its files go beyond a thousand, unfinished ones too, and nobody else's", async () => {
    const profiles = join(folder, 'state/profiles');
    await mkdir(profiles, { recursive: true });
    const put = async (name: string, writtenS: number) => {
      await writeFile(join(profiles, name), '');
      await utimes(join(profiles, name), writtenS, writtenS);
    };
    const unfinished = `${digest(2000)}.json.${randomUUID()}`;
    await put('notes.json', 1);
    await put(unfinished, 2);
    for (let i = 0; i < 998; i++) await put(`${digest(i)}.json`, 2000 - i);
    const remaining = async () => new Set(await readdir(profiles));
    await store.write(digest(998), KEPT);
    expect(await remaining()).toEqual(new Set([...all(999), 'notes.json', unfinished]));
    await store.write(digest(999), KEPT);
    expect(await remaining()).toEqual(new Set([...all(1000), 'notes.json']));
    // What is written again is new again: 996 is the oldest then.
    await store.write(digest(997), KEPT);
    await store.write(digest(1000), KEPT);
    expect(await remaining()).toEqual(
      new Set([...all(1001).filter((name) => name !== `${digest(996)}.json`), 'notes.json']),
    );
    expect(await store.read(digest(1000))).toEqual(KEPT);
    expect(unkept).toEqual([]);
  });

  it('says what it cannot write, and goes on', async () => {
    await writeFile(join(folder, 'state'), 'a file where the folder should be');
    await store.write('key', KEPT);
    expect(unkept).toHaveLength(1);
    expect(await store.read('key')).toBeNull();
  });

  it('keeps nothing without a folder, and does not even read the model', async () => {
    const none = new ProfileStore('', '1.2.3', (error) => unkept.push(error));
    expect(await none.key(join(folder, 'no such file'), OPTIONS, 8)).toBe('');
    await none.write('', KEPT);
    expect(await none.read('')).toBeNull();
    expect(unkept).toEqual([]);
  });
});
