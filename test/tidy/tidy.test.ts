import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectComments, inspectKernels, inspectSources } from './rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the sources', () => {
  it('keep the house rules', () => {
    expect(inspectSources(join(ROOT, 'src'))).toEqual([]);
  });

  it('have no comment that runs on', () => {
    const found = ['src', 'bench', 'test', 'native'].flatMap((folder) => inspectComments(join(ROOT, folder)));
    expect(found).toEqual([]);
  });

  it('keep Node-API out of the kernels', () => {
    expect(inspectKernels(join(ROOT, 'native/kernels'))).toEqual([]);
  });
});

describe('a planted violation is caught:', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'penstock-tidy-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const plant = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const long = (lines: number) => `export function f() {\n${'  g();\n'.repeat(lines)}}\n`;

  it.each([
    ['an import that points up', 'core/a.ts', "import type { B } from '../http/b.ts';\n", /a\.ts:2: 'core' must not/],
    [
      'rooms of one layer',
      'codec/a.ts',
      "import { b } from '../batching/b.ts';\n",
      /'codec' must not import 'batching'/,
    ],
    ['an import over several lines', 'core/a.ts', "import {\n  b,\n} from '../http/b.ts';\n", /a\.ts:4: 'core'/],
    ['a dynamic import', 'core/a.ts', "await import('../http/b.ts');\n", /'core' must not import 'http'/],
    ['a second importer', 'http/a.ts', "import { z } from 'zod';\n", /only config\/ may import 'zod'/],
    [
      'a third',
      'preprocess/a.ts',
      "import { Piscina } from 'piscina';\n",
      /only workers\/ and preprocess\/decode- may/,
    ],
    ['an unknown library', 'core/a.ts', "import _ from 'lodash';\n", /'lodash' has no place/],
    ['an unknown room', 'things/a.ts', 'const a = 1;\n', /room 'things' is in no layer/],
    ['an export without docstring', 'core/a.ts', '\nexport const a = 1;\n', /a\.ts:3: an export without/],
    ['a barrel', 'core/a.ts', "export * from './b.ts';\n", /no barrels/],
    ['unfinished work', 'core/a.ts', '// TODO: later\n', /a\.ts:2: a marker/],
    ['any', 'core/a.ts', 'const a = b as any;\n', /: any$/],
    ['a silenced compiler', 'core/a.ts', '// @ts-ignore\n', /silenced/],
    ['a file too long', 'core/a.ts', '\n'.repeat(501), /over 500 lines/],
    ['a function too long', 'core/a.ts', `/** F. */\n${long(69)}`, /a\.ts:3: a function of 71 lines/],
    ['a name that says nothing', 'core/utils.ts', '', /says nothing/],
    ['a manager', 'core/a.ts', 'class ModelManager {}\n', /says nothing/],
    ['state of the module', 'core/a.ts', 'let a = 1;\n', /state of the module/],
    [
      'a clock in the scheduler',
      'batching/a.ts',
      'const nowUs = performance.now() * 1000;\n',
      /a\.ts:2: a clock or chance/,
    ],
    ['another one', 'batching/driver.ts', 'const nowMs = Date.now();\n', /driver\.ts:2: a clock or chance/],
    ['chance in the scheduler', 'batching/a.ts', 'const a = Math.random();\n', /a\.ts:2: a clock or chance/],
    ['a timer in the scheduler', 'batching/a.ts', 'setImmediate(f);\n', /a\.ts:2: a wait in what only answers/],
  ])('%s', (_name, path, text, expected) => {
    plant(path, `/** Head. */\n${text}`);
    const found = inspectSources(root);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('and none where the driver waits, or a comment speaks of time', () => {
    plant('batching/driver.ts', '/** Head. */\nsetImmediate(f);\n');
    plant('batching/a.ts', '/** What Date.now() would say. */\n// No setTimeout here.\n * nor performance.now()\n');
    expect(inspectSources(root)).toEqual([]);
  });

  it('a missing head comment', () => {
    plant('core/a.ts', 'const a = 1;\n');
    expect(inspectSources(root)).toEqual(['core/a.ts:1: no head comment']);
  });

  it('Node-API in a kernel', () => {
    plant('sum.cc', '#include <napi.h>\n');
    expect(inspectKernels(root)).toEqual(['sum.cc:1: a kernel must not include Node-API']);
  });

  it('a comment that runs on', () => {
    const tail = 'x'.repeat(134);
    plant(
      'core/a.ts',
      `/**\n *  ${tail}xx\n *  ${tail}xxx\n */\n  // ${tail}\n  // ${tail}xx\nconst a = '${tail}${tail}'; // x\n`,
    );
    const found = (line: number) => `core/a.ts:${line}: a comment beyond column 140`;
    expect(inspectComments(root)).toEqual([found(3), found(6)]);
  });

  it('and nothing is found where nothing is wrong', () => {
    plant('http/a.ts', `/** Head. */\nimport { b } from '../core/b.ts';\n\n/** F. */\n${long(68)}`);
    expect(inspectSources(root)).toEqual([]);
  });
});
