import { describe, expect, test } from 'vitest';
import { MAX_CODES, OTHER_CODES, Refusals } from '../../../src/load/refusals.ts';

describe('refusals', () => {
  test.each(['', '<b>', 'two words', 'C'.repeat(65)])('without a code that can be shown go by status: %j', (code) => {
    const refusals = new Refusals();
    refusals.record(400, code, false, 10);
    expect(refusals.figures()).toMatchObject([{ code: 'HTTP 400', status: 400, count: 1, retryAfter: 0 }]);
  });

  test('of ever new statuses take no more memory than those of ever new codes', () => {
    const refusals = new Refusals();
    for (let status = 100; status < 1000; status++) refusals.record(status, '', status % 2 === 0, 10);
    for (let i = 0; i < 1000; i++) refusals.record(503, `NEW_${i}`, false, 20);
    const figures = refusals.figures();
    expect(figures.length).toBe(MAX_CODES + 1);
    expect(figures[0]).toMatchObject({ code: OTHER_CODES, status: 0, count: 1900 - MAX_CODES });
    expect(figures.reduce((sum, { count }) => sum + count, 0)).toBe(refusals.count);
    expect(figures.reduce((sum, { retryAfter }) => sum + retryAfter, 0)).toBe(450);
  });
});
