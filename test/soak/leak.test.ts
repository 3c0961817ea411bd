import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** The negative control of BM-11 (needs wrk): a bench that finds no planted leak proves nothing by finding none. */
test('a hundred bytes kept of every request are found in a tenth of a soak', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const bench = [
    fileURLToPath(new URL('../../bench/main.ts', import.meta.url)),
    'BM-11',
    '--leak',
    '--requests',
    '100000',
  ];
  const { status, stderr } = spawnSync(process.execPath, bench, { cwd: root, encoding: 'utf8' });
  expect(stderr).not.toContain('not found');
  expect(status).toBe(0);
});
