import { describe, expect, test } from 'vitest';
import { busiest, idlest } from '../../../src/pipeline/lane-choice.ts';
import { Usage } from '../../../src/pipeline/usage.ts';

const LANES = [
  { lane: 0, busy: 0.52, sessions: 3 },
  { lane: 1, busy: 0.02, sessions: 2 },
  { lane: 2, busy: 0, sessions: 4 },
  { lane: 3, busy: 0.98, sessions: 1 },
  { lane: 4, busy: 0.04, sessions: 2 },
];

describe('lanes', () => {
  test('are taken from the idlest on; where that differs by chance only, those with fewer sessions first', () => {
    expect(idlest(LANES, 4)).toEqual([1, 4, 2, 0]);
    expect(idlest(LANES, 9)).toEqual([1, 4, 2, 0, 3]);
    expect(idlest([], 2)).toEqual([]);
    expect(idlest(LANES, -1)).toEqual([]);
  });

  test('are given up from the busiest on', () => {
    expect(busiest(LANES, 3)).toEqual([3, 0, 2]);
  });
});

describe('usage', () => {
  test('is the time of what ended and of what runs still', () => {
    const usage = new Usage();
    usage.began(1_000);
    usage.began(1_500);
    expect(usage.busyUs(2_000)).toBe(1_500);
    usage.ended(1_000, 3_000, false);
    expect([usage.busyUs(3_000), usage.busyUs(4_000), usage.running]).toEqual([3_500, 4_500, 1]);
    usage.ended(1_500, 4_000, false);
    expect([usage.busyUs(4_000), usage.busyUs(9_000)]).toEqual([4_500, 4_500]);
  });

  test('has a peak since it was last taken, which is what runs at least', () => {
    const usage = new Usage();
    usage.began(0);
    usage.began(0);
    usage.ended(0, 10, false);
    expect([usage.takePeak(), usage.takePeak()]).toEqual([2, 1]);
    usage.ended(0, 20, false);
    expect([usage.takePeak(), usage.takePeak()]).toEqual([1, 0]);
  });

  test('tells of waits', () => {
    const usage = new Usage();
    let told = 0;
    usage.onWait = () => told++;
    usage.began(0);
    usage.ended(0, 1, true);
    usage.began(2);
    usage.ended(2, 3, false);
    expect([told, usage.waits]).toEqual([1, 1]);
  });
});
