import { expect, test } from 'vitest';
import { compareAll, type Timed, timed } from '../../../bench/runner/comparisons.ts';
import type { Effort } from '../../../bench/runner/scenario.ts';

const EFFORT: Effort = { rounds: 3, sliceS: 2, requests: 1, leak: false, peers: [], layout: 'apart', seed: 1 };

/** Takes what the list says, one after the other, and the last one from then on; the first is the warm-up's. */
function scripted(name: string, us: readonly number[], calls: string[]): Timed {
  let call = 0;
  return async (seconds) => {
    calls.push(`${name} ${seconds}`);
    return us[Math.min(call++, us.length - 1)];
  };
}

test('each comparison is ours, its rival twice, and ours, in quarters of a slice; the figure is of the first one', async () => {
  const calls: string[] = [];
  const comparisons = [
    { what: 'a', target: '-', ours: scripted('ours', [9, 9, 8, 12], calls), other: scripted('a', [50], calls) },
    { what: 'b', target: '>= 1', ours: scripted('ours', [7], calls), other: scripted('b', [14], calls) },
  ];
  const { figure, aa, tables } = await compareAll(EFFORT, comparisons, 'title', ['note']);
  const turn = (rival: string, seconds: number) => ['ours', rival, rival, 'ours'].map((name) => `${name} ${seconds}`);
  expect(calls.slice(0, 16)).toEqual([...turn('a', 0.1), ...turn('b', 0.1), ...turn('a', 0.5), ...turn('b', 0.5)]);
  expect(calls).toHaveLength(8 * (EFFORT.rounds + 1));
  // The first round has 8 and 12 on our side, the others 12 and 12.
  expect(figure).toBeCloseTo(50 / 12);
  expect(aa).toBe(1);
  expect(tables?.[0].rows).toEqual([
    ['a', '-', '4.167', '4.167..5.000', '1.000', '12.0', '50.0'],
    ['b', '>= 1', '2.000', '2.000..2.000', '1.000', '7.0', '14.0'],
  ]);
});

test('work is done piece by piece, what is promised is awaited', async () => {
  let [begun, ended] = [0, 0];
  const us = await timed(async () => {
    expect(begun++).toBe(ended);
    await new Promise((resolve) => setTimeout(resolve, 2));
    ended++;
  })(0.02);
  expect(ended).toBe(begun);
  expect(us * ended).toBeGreaterThanOrEqual(20_000);
});
