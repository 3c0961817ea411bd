import { describe, expect, it } from 'vitest';
import { planRaw } from '../../../src/codec/headless.ts';
import { planRequest } from '../../../src/codec/plan.ts';
import { datatypeOf } from '../../../src/core/datatype.ts';

const tensor = (name: string) => ({ name, datatype: datatypeOf('FP32') as never, shape: [-1, 2] });
const MODEL = { signature: { inputs: [tensor('x')], outputs: [tensor('y')] }, maxBatchSize: 8, pictures: null };

/** A model of so many classes (-1: any number), with a batch dimension unless `maxBatchSize` is 0. */
function ranked(classes: number, maxBatchSize = 32) {
  const outputs = ['y', 'z'].map((name) => ({ ...tensor(name), shape: [-1, classes] }));
  return { ...MODEL, signature: { inputs: [tensor('x')], outputs }, maxBatchSize };
}

/** A request of so many rows for so many classes of both outputs. */
function asking(rows: number, k: number, model: ReturnType<typeof ranked>) {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [rows, 2], data: [] }];
  const outputs = ['y', 'z'].map((name) => ({ name, parameters: { classification: k } }));
  return () => planRequest(JSON.stringify({ inputs, outputs }), model, false);
}

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

describe('the classes that a request asks for', () => {
  it('are at most so many in all, by what the rows of its outputs have', () => {
    expect(asking(16, 512, ranked(1000))).not.toThrow();
    const message =
      'up to 16416 classes would be answered, more than the limit of 16384: send fewer rows, or ask for fewer classes';
    const error = { code: 'INVALID_ARGUMENT', limit: 'answers', message };
    expect(asking(16, 513, ranked(1000))).toThrow(expect.objectContaining(error));
    expect(asking(16, 1e9, ranked(512))).not.toThrow();
  });

  it('are counted as asked for where rows may be of any length', () => {
    expect(asking(16, 512, ranked(-1))).not.toThrow();
    expect(asking(16, 513, ranked(-1))).toThrow(expect.objectContaining({ limit: 'answers' }));
  });

  it('are those of one row where the model has no batch', () => {
    expect(asking(1000, 8192, ranked(-1, 0))).not.toThrow();
    expect(asking(1000, 8193, ranked(-1, 0))).toThrow(expect.objectContaining({ limit: 'answers' }));
  });
});
