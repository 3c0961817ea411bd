import { describe, expect, it } from 'vitest';
import type { Refusal } from '../../../src/batching/travel.ts';
import { decodedTooLate, displacedError, refusalError } from '../../../src/pipeline/admission.ts';
import type { Target } from '../../../src/pipeline/target.ts';

const target = { model: 'digits' } as Target;
const refusal = (change: Partial<Refusal>): Refusal => ({
  kind: 'busy',
  predictedUs: 61_200,
  leftUs: 50_000,
  retryAfterUs: 11_200,
  ...change,
});

describe('what the caller hears of a refusal', () => {
  it('is when the answer would have come, what time there was, and when to come again', () => {
    const error = refusalError(target, refusal({}));
    expect([error.code, error.retryAfterMs, error.retryAfterS]).toEqual(['OVERLOADED', 12, 1]);
    expect(error.message).toBe("model 'digits' is busy: this request would be answered in 61 ms, and 50 ms are left");
  });

  it('is that no server could make it, which is no reason to come again', () => {
    const error = refusalError(target, refusal({ kind: 'impossible', predictedUs: 34_000, leftUs: 5_000 }));
    expect([error.code, error.retryAfterMs]).toEqual(['DEADLINE_EXCEEDED', 0]);
    expect(error.message).toBe("model 'digits' takes 34 ms for this request, and 5.0 ms are left");
  });

  it.each(['queueRows', 'queueBytes'] as const)('names the bound %s', (kind) => {
    const error = refusalError(target, refusal({ kind, retryAfterUs: 4_096_000 }));
    expect([error.code, error.limit, error.retryAfterS]).toEqual(['OVERLOADED', kind, 5]);
  });

  it('is that there is no worker', () => {
    expect(refusalError(target, refusal({ kind: 'lost' })).code).toBe('INSTANCE_LOST');
  });

  it('is that his place was needed, and when all that waits will have run', () => {
    const error = displacedError({ model: 'digits', queue: { drainUs: 1_234_500 } } as Target);
    expect([error.code, error.retryAfterMs, error.retryAfterS, error.limit]).toEqual(['OVERLOADED', 1_235, 2, null]);
    expect(error.message).toBe("model 'digits' is busy: there was room for this request only if nobody else came");
  });

  it('is that his pictures would be decoded too late, and by how much', () => {
    const error = decodedTooLate(target, 20_500);
    expect([error.code, error.retryAfterMs, error.retryAfterS]).toEqual(['OVERLOADED', 21, 1]);
    expect(error.message).toContain("model 'digits' is busy");
  });
});
