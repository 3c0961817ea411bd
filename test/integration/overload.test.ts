import { expect, test } from 'vitest';
import { faultsOf } from '../../bench/runner/flood.ts';
import { floodServer } from '../support/flooded.ts';

const MIB = 2 ** 20;

// The full form is test/soak/overload.test.ts.
test('O1 5x for two seconds: nothing but 503 and 504, none a reset, others are answered, and it is as before within 2 s', async () => {
  const [found] = await floodServer([5], { measuredS: 0.5, burstS: 2, watchedS: 2 });
  if (found === undefined) throw new Error('no flood');
  expect(faultsOf(found, 64 * MIB)).toEqual([]);
  expect(found.backS).not.toBeNull();
  // Some of the flood is served, and the last of those that come steadily are again.
  expect(found.burst.ok).toBeGreaterThan(0);

  expect(found.goodput.at(-1)).toBeGreaterThan(0);
}, 20_000);
