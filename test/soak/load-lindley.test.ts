import { describe, expect, it } from 'vitest';
import { compareUndisturbed, QueueUnderLoad, STRETCHED, WITHIN } from '../support/lindley.ts';

const DURATION_S = 30;

describe.each([20_000, 50_000])('half a minute of load at a real server with one queue, service %d us', (serviceUs) => {
  it.each([0.5, 0.8, 0.9])("measures at load %d the waits of Lindley's recursion within 5 %", async (load) => {
    const seed = 100 + serviceUs / 1000;
    await using queue = await QueueUnderLoad.start(seed, serviceUs);
    const found = await compareUndisturbed(queue, load, DURATION_S);
    console.log(`service ${serviceUs} us, load ${load}, seed ${seed}: ${JSON.stringify(found)}`);
    expect(found.stretch).toBeLessThan(STRETCHED);
    expect(Math.abs(found.meanWaitRatio - 1)).toBeLessThan(WITHIN);
    expect(Math.abs(found.p90Ratio - 1)).toBeLessThan(WITHIN);
  });
});
