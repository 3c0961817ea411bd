import { describe, expect, it } from 'vitest';
import { NONE } from '../../../src/load/chains.ts';
import { DOWN, REOPEN_PAUSE_US, Schedule } from '../../../src/load/schedule.ts';
import { given } from '../../support/virtual-run.ts';

function schedule(times: readonly number[], connections = 1, endUs = 1e9): Schedule {
  const made = new Schedule(given(times), connections, endUs);
  for (let c = 0; c < connections; c++) made.opened(c, 0);
  return made;
}

describe('a schedule', () => {
  it('gives out an arrival when it is due, and not before', () => {
    const s = schedule([100]);
    expect(s.nextUs()).toBe(100);
    expect(s.due(99)).toBe(NONE);
    expect(s.due(100)).toBe(0);
    expect(s.exhausted).toBe(true);
  });

  it('lets an arrival wait for a connection, first come first served, and counts the wait', () => {
    const s = schedule([100, 110, 120]);
    expect(s.due(100)).toBe(0);
    expect(s.due(150)).toBe(NONE);
    expect(s.nextUs()).toBe(Number.POSITIVE_INFINITY);
    expect(s.waitingUs(150)).toBe(40);
    s.ended(0, 200, 'kept');
    expect(s.nextUs()).toBe(110);
    expect(s.due(205)).toBe(0);
    expect([s.intendedUs(0), s.readyUs(0)]).toEqual([110, 200]);
    s.ended(0, 300, 'kept');
    expect(s.due(300)).toBe(0);
    expect(s.intendedUs(0)).toBe(120);
  });

  it('charges a stalled generator with lag, not with wait', () => {
    const s = schedule([100]);
    expect(s.due(5000)).toBe(0);
    expect(s.readyUs(0)).toBe(100);
  });

  it('uses the connection that was free for longest', () => {
    const s = schedule([1, 2, 3], 3);
    expect([s.due(3), s.due(3)]).toEqual([0, 1]);
    s.ended(0, 4, 'kept');
    expect(s.due(5)).toBe(2);
  });

  it('opens a closed connection at once, for the request that needs it', () => {
    const s = schedule([1, 50]);
    s.due(1);
    s.ended(0, 60, 'closed');
    expect(s.nextUs()).toBe(50);
    expect(s.due(60)).toBe(0);
    expect(s.readyUs(0)).toBe(60);
  });

  it('fails what arrives while every connection rests, and tries again after the pause', () => {
    const s = schedule([1, 50, 60, 60 + REOPEN_PAUSE_US]);
    s.due(1);
    s.ended(0, 40, 'unreachable');
    expect([s.due(60), s.due(60), s.due(60)]).toEqual([DOWN, DOWN, NONE]);
    expect(s.nextUs()).toBe(60 + REOPEN_PAUSE_US);
    expect(s.due(60 + REOPEN_PAUSE_US)).toBe(0);
    expect(s.given).toBe(4);
  });

  it('waits for a busy connection rather than failing while others rest', () => {
    const s = schedule([1, 2, 50], 2);
    expect([s.due(2), s.due(2)]).toEqual([0, 1]);
    s.ended(0, 40, 'unreachable');
    expect(s.due(60)).toBe(NONE);
    expect(s.nextUs()).toBe(40 + REOPEN_PAUSE_US);
    s.ended(1, 70, 'kept');
    expect(s.due(70)).toBe(1);
    expect(s.readyUs(1)).toBe(70);
  });

  it('finds the oldest request that was given out until a time', () => {
    const s = schedule([10, 20], 2);
    s.due(10);
    s.due(20);
    expect(s.givenUntil(9)).toBe(NONE);
    expect(s.givenUntil(19)).toBe(0);
    s.ended(0, 30, 'kept');
    expect(s.givenUntil(19)).toBe(NONE);
    expect(s.givenUntil(30)).toBe(1);
  });

  it('leaves out what is intended at the end or later, and counts what was never given out', () => {
    const s = schedule([10, 20, 30, 40], 1, 40);
    s.due(10);
    expect(s.abandon()).toBe(2);
    expect(s.exhausted).toBe(true);
    expect(s.due(1e9)).toBe(NONE);
    expect(s.abandon()).toBe(0);
  });
});
