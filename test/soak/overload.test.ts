import { expect, test } from 'vitest';
import { faultsOf } from '../../bench/runner/flood.ts';
import { floodServer } from '../support/flooded.ts';

const MIB = 2 ** 20;
const BURST_S = 60;
const WATCHED_S = 10;
/** Everything is as before within so many seconds of the end of a flood. */
const BACK_S = 2;

test('O1 2x and 5x for 60 s: nothing but 503 and 504, none a reset, memory flat, others are answered, and it is as before within 2 s', async () => {
  const floods = await floodServer([2, 5], { measuredS: 2, burstS: BURST_S, watchedS: WATCHED_S });
  for (const found of floods) {
    expect(faultsOf(found, 64 * MIB)).toEqual([]);
    expect(found.burst.ok).toBeGreaterThan(0);
    expect(found.backS).not.toBeNull();
    // In goodput: what is sent steadily is served again. Second by second a few hundred a second are too few to judge by.
    const after = found.goodput.slice(BURST_S + BACK_S);
    const goodput = after.reduce((sum, perS) => sum + perS, 0) / after.length;
    expect(goodput).toBeGreaterThan((0.9 * found.steady.sent) / (BURST_S + WATCHED_S));
  }
  // The second flood takes no memory that the first did not.
  expect((floods[1]?.rssBytes.after ?? 0) - (floods[0]?.rssBytes.after ?? 0)).toBeLessThan(16 * MIB);
});
