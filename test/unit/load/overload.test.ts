import { describe, expect, test } from 'vitest';
import { recoveredAfter, Windows } from '../../../src/load/overload.ts';

describe('goodput in windows', () => {
  test('is read between looks that do not fall on their edges', () => {
    const windows = new Windows();
    windows.look(1.5, 150);
    windows.look(2.5, 150);
    windows.look(4.5, 550);
    expect(windows.goodput(1, 1)).toEqual([50, 100, 200]);
  });

  test('has no window that was not watched to its end', () => {
    const windows = new Windows();
    windows.look(2.9, 290);
    expect(windows.goodput(1, 1)).toHaveLength(1);
    expect(new Windows().goodput(0, 1)).toEqual([]);
  });
});

describe('recovery', () => {
  test('is the time to the first of two windows that are back at the rate', () => {
    expect(recoveredAfter([0, 20, 96, 100], 1, 100)).toBe(2);
    expect(recoveredAfter([95, 100], 1, 100)).toBe(0);
    // One good window in the middle of bad ones is chance.
    expect(recoveredAfter([0, 97, 40, 98, 99], 1, 100)).toBe(3);
  });

  test('is none where no window is', () => {
    expect(recoveredAfter([0, 94, 10], 1, 100)).toBeNull();
    expect(recoveredAfter([], 1, 100)).toBeNull();
  });
});
