import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../support/peak-memory.ts', import.meta.url));
const MIB = 1024 * 1024;

describe.runIf(process.platform === 'linux')('what a decoder unpacks besides pixels is counted', () => {
  test.each([
    ['the compressed texts of a PNG', 'text', 64],
    ['the code tables of a lossless WebP', 'groups', 32],
  ])('%s: the process grows by no more, and by far more than the file', (_, kind, leastMiB) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, kind], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    const { grown, counted, file } = JSON.parse(stdout);
    console.log(
      `${kind}: ${file} bytes, grown by ${Math.round(grown / MIB)} MiB, counted ${Math.round(counted / MIB)} MiB`,
    );
    expect(file).toBeLessThan(MIB);
    expect(grown).toBeGreaterThan(leastMiB * MIB);
    expect(grown).toBeLessThan(counted);
  });
});
