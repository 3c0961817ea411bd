import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGETS = readdirSync(new URL('../../native/test/fuzz/', import.meta.url))
  .filter((name) => name.endsWith('.cc') && name !== 'replay.cc')
  .map((name) => name.slice(0, -3));

function fuzz(name: string, seconds: number) {
  const args = ['bin/penstock.mjs', 'fuzz', name, String(seconds)];
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
}

// clang is installed from Debian where that is allowed.
test.each(TARGETS)('libFuzzer finds nothing in %s within half a minute', (kernel) => {
  const { status, stderr } = fuzz(kernel, 30);
  expect(status, stderr.slice(-4000)).toBe(0);
  expect(stderr).toMatch(/Done [1-9]\d* runs/);
});

test.each(['http', 'differential'])('the fuzzer %s finds nothing within a minute', (name) => {
  const { status, stdout, stderr } = fuzz(name, 60);
  expect(status, `${stdout}${stderr}`).toBe(0);
});
