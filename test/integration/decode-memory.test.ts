import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../support/peak-memory.ts', import.meta.url));
const MIB = 1024 * 1024;

/** What `peak-memory.ts` says of one of its files, in bytes. */
function measured(kind: string): { grown: number; counted: number; file: number } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, kind], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  const found = JSON.parse(stdout);
  const [file, grown, counted] = [found.file, found.grown, found.counted].map((bytes) => (bytes / MIB).toFixed(2));
  console.log(`${kind}: ${file} MiB, grown by ${grown} MiB, counted ${counted} MiB`);
  return found;
}

describe.runIf(process.platform === 'linux')('what a decoder takes besides pixels', () => {
  test.each([
    ['packed', '100 MiB in 100 KiB'],
    ['text', '60 MiB'],
  ])('is nothing for the texts of a PNG (%s: %s)', (kind) => {
    expect(measured(kind).grown).toBeLessThan(8 * MIB);
  });

  test('is counted for the code tables of a lossless WebP: it is far more than the file, and no more than that', () => {
    const { grown, counted, file } = measured('groups');
    expect(file).toBeLessThan(MIB);
    expect(grown).toBeGreaterThan(32 * MIB);
    expect(grown).toBeLessThan(counted);
  });
});
