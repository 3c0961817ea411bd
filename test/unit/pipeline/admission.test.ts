import { describe, expect, it } from 'vitest';
import { drainMs } from '../../../src/pipeline/admission.ts';
import type { Target } from '../../../src/pipeline/target.ts';

/** A model version as far as the door looks at it. */
function busy(rows: number, measuredUs: number, measuredRows: number, instances: number): Target {
  return { queue: { rows }, facts: { measuredUs, measuredRows, instances } } as Target;
}

describe('the time to come back to a full queue', () => {
  it.each([
    ['ten rows of half a second on one instance', busy(10, 500_000, 1, 1), 5_000],
    ['the same on two', busy(10, 500_000, 1, 2), 2_500],
    ['rows measured by the batch', busy(4096, 32_000, 32, 1), 4_096],
    ['what is drained at once: never less than a millisecond', busy(1, 100, 32, 4), 1],
    ['a model that could not be measured', busy(5, Number.POSITIVE_INFINITY, 1, 1), Number.POSITIVE_INFINITY],
  ])('is the time to drain %s', (_what, target, ms) => expect(drainMs(target)).toBe(ms));
});
