import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/error.ts';

describe('the time after which a refused request may come again', () => {
  it.each([
    [undefined, 0, 1],
    [0.2, 1, 1],
    [1, 1, 1],
    [999.5, 1_000, 1],
    [1_000, 1_000, 1],
    [1_001, 1_001, 2],
    [60_000, 60_000, 60],
    [60_000.1, 60_000, 60],
    [Number.POSITIVE_INFINITY, 60_000, 60],
  ])('%s ms is %d whole milliseconds and %d whole seconds, never earlier', (retryAfterMs, ms, seconds) => {
    const error = new GatewayError('OVERLOADED', 'full', retryAfterMs === undefined ? {} : { retryAfterMs });
    expect([error.retryAfterMs, error.retryAfterS]).toEqual([ms, seconds]);
  });
});

describe('where an error was made', () => {
  const depth = Error.stackTraceLimit;

  it.each(['OVERLOADED', 'DEADLINE_EXCEEDED', 'INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE'] as const)(
    'is not looked for where a caller is refused: %s',
    (code) => {
      expect(new GatewayError(code, 'no').stack).not.toContain('\n    at ');
      expect(Error.stackTraceLimit).toBe(depth);
    },
  );

  it.each(['INTERNAL', 'EXECUTION_FAILED'] as const)('is told of a fault of ours: %s', (code) => {
    expect(new GatewayError(code, 'broken').stack).toContain('\n    at ');
    expect(Error.stackTraceLimit).toBe(depth);
  });
});
