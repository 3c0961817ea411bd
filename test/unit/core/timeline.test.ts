import { expect, it } from 'vitest';
import { Timeline } from '../../../src/core/timeline.ts';

it('a start keeps when each step was done, and nothing that comes after its end', () => {
  let nowUs = 1_499;
  const timeline = new Timeline({ nowUs: () => nowUs });
  timeline.mark('process');
  nowUs = 20_500;
  timeline.markModel('m', '1', 'loaded');
  nowUs = 30_000;
  timeline.markModel('m', '1', 'placed');
  timeline.close();
  for (let i = 0; i < 100; i++) timeline.markModel(`later-${i}`, '1', 'loaded');
  timeline.mark('again');
  expect(timeline.times).toEqual({ steps: { process: 1 }, models: { 'm/1': { loaded: 21, placed: 30 } } });
});
