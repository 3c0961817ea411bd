import { describe, expect, it } from 'vitest';
import { planRaw } from '../../../src/codec/headless.ts';
import { planRequest } from '../../../src/codec/plan.ts';
import { datatypeOf } from '../../../src/core/datatype.ts';

const tensor = (name: string) => ({ name, datatype: datatypeOf('FP32') as never, shape: [-1, 2] });
const MODEL = { signature: { inputs: [tensor('x')], outputs: [tensor('y')] }, maxBatchSize: 8, pictures: null };

function planned(parameters: object) {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
  return planRequest(JSON.stringify({ parameters, inputs }), MODEL, false);
}

describe('the class of a request', () => {
  it.each([
    [{}, 2],
    [{ priority: null }, 2],
    [{ priority: 0 }, 2],
    [{ priority: 1 }, 1],
    [{ priority: 2 }, 2],
    [{ priority: 3 }, 3],
    [{ priority: 4 }, 3],
    [{ priority: Number.MAX_SAFE_INTEGER }, 3],
  ])('of %j is %d', (parameters, priority) => expect(planned(parameters).priority).toBe(priority));

  it('of a raw body, which cannot state one, is the normal one', () => {
    expect(planRaw(8, MODEL).priority).toBe(2);
  });

  it.each([-1, 1.5, '1', true, 2 ** 53, 1e300])('is refused as %j', (priority) => {
    expect(() => planned({ priority })).toThrow("parameter 'priority' must be a whole number of at least 0");
  });
});
