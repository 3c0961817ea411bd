import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FUZZ = new URL('../../native/test/fuzz/', import.meta.url);

/** Plain tables have nothing to fuzz; the elements of a lift, and the steps of an image, are fuzzed through the whole. */
const PART_OF_ANOTHER: Readonly<Record<string, string>> = {
  image_jpeg: 'image_header',
  image_png: 'image_header',
  image_spec: 'image_tensor',
  image_vp8l: 'image_header',
  image_webp: 'image_header',
  json_lift_elements: 'json_lift',
  pixel_lanes: 'image_tensor',
  pixel_lanes_avx2: 'image_tensor',
  resample: 'image_tensor',
  resample_axis: 'image_tensor',
};

function named(folder: URL, extension: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(extension));
  return files.map((name) => name.slice(0, -extension.length)).sort();
}

function fuzz(...args: string[]) {
  return spawnSync(process.execPath, ['bin/penstock.mjs', 'fuzz', ...args], { cwd: ROOT, encoding: 'utf8' });
}

describe('npm run fuzz', () => {
  const kernels = named(new URL('../../native/kernels/', import.meta.url), '.cc')
    .map((kernel) => PART_OF_ANOTHER[kernel] ?? kernel)
    .filter((kernel, i, all) => all.indexOf(kernel) === i);

  test('has a target and seeds for every kernel', () => {
    expect(named(FUZZ, '.cc').filter((name) => name !== 'replay')).toEqual(kernels);
    for (const kernel of kernels) {
      expect(readdirSync(new URL(`corpus/${kernel}/`, FUZZ)).length, kernel).toBeGreaterThanOrEqual(5);
    }
  });

  test.each([[], ['json_lift'], ['json_lift', '0'], ['json_lift', 'x'], ['nothing', '1'], ['http', '1', '--seed']])(
    'says how it is used when asked with %j',
    (...args: string[]) => {
      const { status, stderr } = fuzz(...args);
      expect(status).toBe(64);
      expect(stderr).toContain(`NAME is one of ${[...kernels, 'http', 'differential'].join(', ')}`);
    },
  );
});
