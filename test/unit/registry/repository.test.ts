import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readVersion, scan, UnloadableError } from '../../../src/registry/repository.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'penstock-repository-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function manifest(change: object = {}): string {
  const sha256 = createHash('sha256').update('model').digest('hex');
  const tensor = { name: 'x', datatype: 'FP32', shape: [-1] };
  return JSON.stringify({
    model: 'm',
    version: '1',
    signature: { inputs: [tensor], outputs: [tensor] },
    files: { 'model.onnx': { sha256, bytes: 5 } },
    ...change,
  });
}

async function refusal(): Promise<string> {
  const error: unknown = await readVersion(root, 'm', '1').catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UnloadableError);
  const { message } = error as UnloadableError;
  // It may be shown to callers.
  expect(message).not.toContain(root);
  return message;
}

describe('the models folder', () => {
  it('is scanned for plain names with whole-numbered versions, in order of number', async () => {
    for (const version of ['10', '2', '1']) write(`b/${version}/model.onnx`, '');
    for (const path of ['a/1/x', 'a/01/x', 'a/v2/x', 'a/1.5/x', 'a/0/x', 'empty/x', 'loose.txt']) write(path, '');
    for (const path of ['stats/1/x', '.hidden/1/x', 'with space/1/x', `${'n'.repeat(129)}/1/x`]) write(path, '');
    const skipped: string[] = [];
    const found = await scan(root, (name) => skipped.push(name));
    expect(found).toEqual([
      { name: 'a', versions: ['1'] },
      { name: 'b', versions: ['1', '2', '10'] },
    ]);
    expect(skipped.sort()).toEqual(['.hidden', 'n'.repeat(129), 'stats', 'with space']);
  });

  it('that is not there is an error', async () => {
    await expect(scan(join(root, 'nowhere'), () => undefined)).rejects.toThrow('ENOENT');
  });
});

describe('a version', () => {
  it('is served from a bare model.onnx, and checked against a manifest where there is one', async () => {
    write('m/1/model.onnx', 'model');
    expect(await readVersion(root, 'm', '1')).toMatchObject({ manifest: null, labels: new Map() });
    write('m/1/manifest.json', manifest());
    expect((await readVersion(root, 'm', '1')).manifest?.version).toBe('1');
  });

  it('has its labels without the line end, whatever that is', async () => {
    write('m/1/model.onnx', 'model');
    write('m/model.yaml', 'labels: { y: labels.txt }');
    write('m/labels.txt', 'null\r\neins\r\nzwei\r\n');
    expect((await readVersion(root, 'm', '1')).labels.get('y')).toEqual(['null', 'eins', 'zwei']);
  });

  it.each([
    ['has no model.onnx', () => write('m/1/other', ''), 'model.onnx is missing'],
    [
      'has a folder for it',
      () => mkdirSync(join(root, 'm/1/model.onnx'), { recursive: true }),
      'model.onnx is missing',
    ],
    [
      'has another size than its manifest says',
      () => write('m/1/model.onnx', 'models'),
      'has 6 bytes, the manifest says 5',
    ],
    ['has other bytes', () => write('m/1/model.onnx', 'm0del'), 'model.onnx is not the file of the manifest'],
    [
      'has a policy with a mistake',
      () => write('m/model.yaml', 'instance: 1'),
      "m/model.yaml:1:1: unknown key 'instance'",
    ],
    ['has no labels file', () => write('m/model.yaml', 'labels: { y: l.txt }'), 'the labels file l.txt is missing'],
    ['has a manifest that is none', () => write('m/1/manifest.json', '{'), 'm/1/manifest.json:'],
    [
      'lacks a file of its manifest',
      () => write('m/1/manifest.json', manifest({ files: { w: FILE } })),
      'w is in the manifest and',
    ],
  ])('that %s is refused', async (_what, damage, sentence) => {
    if (!sentence.includes('missing') || sentence.includes('labels')) write('m/1/model.onnx', 'model');
    if (!sentence.includes('missing')) write('m/1/manifest.json', manifest());
    damage();
    expect(await refusal()).toContain(sentence);
  });
});

const FILE = { sha256: 'a'.repeat(64), bytes: 1 };
