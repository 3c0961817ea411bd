import { describe, expect, it } from 'vitest';
import type { LoadFigures, LoadPlan } from '../../../src/load/figures.ts';
import { MAX_CODES, OTHER_CODES } from '../../../src/load/refusals.ts';
import { Tally, VOID_BUSY, VOID_LAG_US } from '../../../src/load/tally.ts';

const PLAN: LoadPlan = {
  origin: { host: '127.0.0.1', port: 1 },
  requests: [],
  loop: { kind: 'open', rate: 10, arrivals: 'uniform' },
  connections: 1,
  durationS: 2,
  deadlineMs: 5,
  seed: 1,
};
const GOOD = { status: 200, errorCode: '', retryAfter: false };

function figures(tally: Tally, due = 10, busy = 0.5): LoadFigures {
  return tally.figures(PLAN, { durationS: 2, due, unanswered: 0, cpuUs: 900, busy, shortage: '' });
}

/** An answer to a request intended at `intendedUs` that came after `tookUs`. */
function times(intendedUs: number, tookUs: number) {
  return { intendedUs, readyUs: intendedUs + 10, firstByteUs: intendedUs + 20, endUs: intendedUs + tookUs };
}

describe('a tally', () => {
  it('calls good what keeps the deadline to the microsecond, and late what does not', () => {
    const tally = new Tally(5, 2e6);
    tally.answered(GOOD, times(0, 5000));
    tally.answered({ ...GOOD, status: 299 }, times(0, 5001));
    expect(figures(tally)).toMatchObject({ ok: 1, late: 1, goodput: 0.5, achieved: 1, offered: 5 });
    expect(figures(tally).wait).toMatchObject({ count: 2, min: 10, max: 10 });
    expect(figures(tally).firstByte).toMatchObject({ count: 2, min: 20, max: 20 });
  });

  it('takes any 2xx for good without a deadline', () => {
    const tally = new Tally(null, 2e6);
    tally.answered(GOOD, times(0, 3e9));
    expect(figures(tally)).toMatchObject({ ok: 1, late: 0 });
  });

  it('counts what comes after the sending, but not into what was done per second', () => {
    const tally = new Tally(null, 2e6);
    tally.answered(GOOD, times(1_999_000, 1000));
    tally.answered(GOOD, times(1_999_000, 1001));
    expect(figures(tally)).toMatchObject({ ok: 2, goodput: 0.5, achieved: 0.5 });
  });

  it('tells refusals apart by code and status, the most frequent first, and bounds how many', () => {
    const tally = new Tally(null, 2e6);
    const refuse = (status: number, errorCode: string) =>
      tally.answered({ status, errorCode, retryAfter: status === 503 }, times(0, 100));
    refuse(503, 'OVERLOADED');
    refuse(429, 'OVERLOADED');
    refuse(429, 'OVERLOADED');
    for (let i = 0; i < 1000; i++) refuse(500, `NEW_${i}`);
    const { refused } = figures(tally);
    expect(refused.length).toBe(MAX_CODES + 1);
    expect(refused[0]).toMatchObject({ code: OTHER_CODES, status: 0, count: 1000 - (MAX_CODES - 2) });
    expect(refused[1]).toMatchObject({ code: 'OVERLOADED', status: 429, count: 2, retryAfter: 0 });
    expect(refused.reduce((sum, { count }) => sum + count, 0)).toBe(1003);
    expect(refused.find(({ status }) => status === 503)).toMatchObject({ retryAfter: 1, timeToRefuse: { max: 100 } });
  });

  it('calls a run void where its own lag is over the limit, one without idle time, and one in which nothing was due', () => {
    const tally = new Tally(null, 2e6);
    for (let i = 0; i < 980; i++) tally.wrote(3);
    for (let i = 0; i < 10; i++) tally.wrote(VOID_LAG_US);
    expect(figures(tally).generator).toMatchObject({ void: '', cpuUsPerRequest: 900 / 990, busy: 0.5 });
    expect(figures(tally, 10, VOID_BUSY).generator.void).toBe('');
    expect(figures(tally, 10, VOID_BUSY + 0.01).generator.void).toMatch(/no idle time left/);
    expect(figures(tally, 0).generator.void).toMatch(/no request/);
    for (let i = 0; i < 11; i++) tally.wrote(VOID_LAG_US + 10);
    expect(figures(tally).generator.void).toMatch(/p99 of its lag is 51\d us, over 500 us/);
  });
});
