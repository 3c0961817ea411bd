import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Alarm } from '../../../src/pipeline/alarm.ts';

let nowUs: number;
let told: number;
const clock = { nowUs: () => nowUs };
const onLate = () => told++;

beforeEach(() => {
  [nowUs, told] = [0, 0];
  vi.useFakeTimers();
});

afterEach(() => vi.useRealTimers());

/** Time passes by the clock and, as it may be, otherwise by the timers. */
function pass(ms: number, timersMs = ms): void {
  nowUs += ms * 1000;
  vi.advanceTimersByTime(timersMs);
}

it('a deadline is told once, when it has passed', () => {
  new Alarm(clock, 50_500, onLate);
  pass(50);
  expect(told).toBe(0);
  pass(1);
  expect(told).toBe(1);
  pass(1000);
  expect([told, vi.getTimerCount()]).toEqual([1, 0]);
});

it('a timer that is early is not believed', () => {
  new Alarm(clock, 50_000, onLate);
  pass(46, 60);
  expect(told).toBe(0);
  pass(10);
  expect(told).toBe(1);
});

it('one that has passed before is told in another turn', () => {
  nowUs = 70_000;
  new Alarm(clock, 50_000, onLate);
  expect(told).toBe(0);
  pass(1);
  expect(told).toBe(1);
});

it('nothing is told where it is off, or where there is none', () => {
  new Alarm(clock, 50_000, onLate).off();
  new Alarm(clock, Number.POSITIVE_INFINITY, onLate);
  expect(vi.getTimerCount()).toBe(0);
  pass(100);
  expect(told).toBe(0);
});
