import { describe, expect, it } from 'vitest';
import { compareUndisturbed, QueueUnderLoad, STRETCHED, WITHIN } from '../support/lindley.ts';

const SEED = 41;
/** So long that what else runs on the machine is small against it; test/soak has the short ones. */
const SERVICE_US = 100_000;
const DURATION_S = 9;

describe('a load at a real server with one queue', () => {
  it.concurrent.each([0.5, 0.8, 0.9])(
    `measures at load %d the waits of Lindley's recursion within 5 %, seed ${SEED}`,
    async (load) => {
      await using queue = await QueueUnderLoad.start(SEED, SERVICE_US);
      const found = await compareUndisturbed(queue, load, DURATION_S);
      expect(found.requests).toBeGreaterThan(25);
      expect(found.stretch).toBeLessThan(STRETCHED);
      expect(Math.abs(found.meanWaitRatio - 1), JSON.stringify(found)).toBeLessThan(WITHIN);
      expect(Math.abs(found.p90Ratio - 1), JSON.stringify(found)).toBeLessThan(WITHIN);
    },
    120_000,
  );
});
