import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LiftProperty } from '../support/lift-properties.ts';
import { runDifferential } from './differential.ts';

test('the differential fuzzer names the seed and the example of what it finds', () => {
  const property = fc.property(fc.nat(), (n) => n < 1000) as unknown as LiftProperty['property'];
  const { finding } = runDifferential(7, 5, [{ name: 'below a thousand', runs: 1, property }]);
  expect(finding).toMatch(/^seed \d+: not equal below a thousand/);
  expect(finding).toContain('Counterexample: [1000]');
});
