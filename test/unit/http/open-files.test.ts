import { describe, expect, it } from 'vitest';
import { connectionBounds, openFileLimit } from '../../../src/http/open-files.ts';

describe('connections are bounded by the files that the process may open', () => {
  it('as configured where there are enough', () => {
    expect(connectionBounds(10_000, 1_048_576, 2)).toEqual({ inference: 10_000, admin: 10_000 });
    expect(connectionBounds(10_000, Number.POSITIVE_INFINITY, 64)).toEqual({ inference: 10_000, admin: 10_000 });
  });

  it('together fewer than the files, with some left for the process, where there are not', () => {
    for (const files of [256, 1_024, 4_096, 16_384]) {
      const { inference, admin } = connectionBounds(10_000, files, 4);
      expect(inference + admin).toBeLessThanOrEqual(files - 64 - 4 * 8);
      expect(Math.min(inference, admin)).toBeGreaterThan(10);
    }
  });

  it('at least one each, however few there are', () => {
    expect(connectionBounds(100, 20, 2)).toEqual({ inference: 1, admin: 1 });
  });

  it('reads the soft limit, and takes none for none', () => {
    const table = (value: string) => () =>
      `Limit   Soft Limit  Hard Limit  Units\nMax open files            ${value}  files\n`;
    expect(openFileLimit(table('1024                 524288'))).toBe(1_024);
    expect(openFileLimit(table('unlimited            unlimited'))).toBe(Number.POSITIVE_INFINITY);
    const missing = () => {
      throw new Error('ENOENT');
    };
    expect(openFileLimit(missing)).toBe(Number.POSITIVE_INFINITY);
  });
});
