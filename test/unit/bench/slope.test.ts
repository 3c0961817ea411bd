import { describe, expect, it } from 'vitest';
import { slopeOf } from '../../../bench/runner/slope.ts';

describe('the slope of measured points', () => {
  it('is that of the line they lie on, and certain', () => {
    const { slope, halfWidth } = slopeOf([0, 1, 2, 3].map((x) => [x, 7 - 2.5 * x] as const));
    expect(slope).toBeCloseTo(-2.5, 12);
    expect(halfWidth).toBeCloseTo(0, 6);
  });

  it('is as uncertain as they scatter: a planted slope shows, one that is not there does not', () => {
    const scatter = [1, -1, 1, -1, 1, -1, 1, -1, 1, -1];
    const flat = slopeOf(scatter.map((y, x) => [x / 10, y] as const));
    expect(Math.abs(flat.slope) - flat.halfWidth).toBeLessThan(0);
    const steep = slopeOf(scatter.map((y, x) => [x / 10, y + 10 * x] as const));
    expect(steep.slope - steep.halfWidth).toBeGreaterThan(90);
  });

  it('is nothing to rely on where there are but two points', () => {
    expect(slopeOf([[0, 1] as const, [1, 3] as const])).toEqual({ slope: 2, halfWidth: Number.POSITIVE_INFINITY });
  });
});
