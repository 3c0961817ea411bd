import { describe, expect, it } from 'vitest';
import { rowDims } from '../../../src/preprocess/input-form.ts';

const size = { width: 5, height: 4 };

describe('the row that a picture becomes', () => {
  it.each([
    ['NCHW', 3, 4, [3, 4, 5]],
    ['NHWC', 3, 4, [4, 5, 3]],
    ['NCHW', 1, 4, [1, 4, 5]],
    ['NCHW', 1, 3, [4, 5]],
    ['NHWC', 3, 2, [60]],
  ] as const)('of an input in %s with %d channels and %d dimensions has %j', (layout, channels, rank, dims) => {
    expect(rowDims({ ...size, layout, channels }, rank)).toEqual(dims);
  });
});
