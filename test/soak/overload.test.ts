import { expect, test } from 'vitest';
import { faultsOf } from '../../bench/runner/flood.ts';
import { floodServer } from '../support/flooded.ts';

const MIB = 2 ** 20;

test('O1 2x and 5x for 60 s: nothing but 503 and 504, none a reset, memory flat, others are answered, and it is as before within 2 s', async () => {
  const floods = await floodServer([2, 5], { measuredS: 2, burstS: 60, watchedS: 10 });
  for (const found of floods) {
    expect(faultsOf(found, 64 * MIB)).toEqual([]);
    expect(found.burst.ok).toBeGreaterThan(0);
    expect(found.backS).not.toBeNull();
    // In goodput: the steady load is served as before, second by second.
    expect(found.recoveredS ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(2);
  }
  // The second flood takes no memory that the first did not.
  expect((floods[1]?.rssBytes.after ?? 0) - (floods[0]?.rssBytes.after ?? 0)).toBeLessThan(16 * MIB);
});
