import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { Turns } from '../../../src/load/turns.ts';

/** Most waits of 1.9 ms; one alone may be used up by others on the machine. */
const ROUNDS = 100;

/** Asks for calls in turn, each when the one before came. @returns how late each came, microseconds; below 0 too early */
function lateness(asked: readonly number[]): Promise<number[]> {
  return new Promise((resolve) => {
    const found: number[] = [];
    let dueUs = 0;
    const turns = new Turns(systemClock, () => {
      found.push(systemClock.nowUs() - dueUs);
      next();
    });
    const next = () => {
      const us = asked[found.length];
      if (us === undefined) return resolve(found);
      dueUs = systemClock.nowUs() + us;
      turns.until(us);
    };
    next();
  });
}

describe('the turns of the event loop', () => {
  it('come for near and for far times, and not before them', async () => {
    const found = await lateness([0, 100, 1500, 2500, 9000, 30, 4000]);
    expect(found.length).toBe(7);
    expect(
      found.every((us) => us >= 0),
      `late by ${found} us`,
    ).toBe(true);
  });

  it('come at the time asked for last, be it earlier or later', async () => {
    const calls: number[] = [];
    const startUs = systemClock.nowUs();
    const turns = new Turns(systemClock, () => calls.push(systemClock.nowUs() - startUs));
    turns.until(200_000);
    turns.until(10_000);
    while (calls.length === 0) await immediate();
    // Had the first been kept, the call would come no earlier than its time less the turning.
    expect(calls[0]).toBeLessThan(190_000);
    turns.until(Number.POSITIVE_INFINITY);
    turns.end();
  });

  it('end when they are told to, and measure those that found nothing', async () => {
    let calls = 0;
    const turns = new Turns(systemClock, () => calls++);
    turns.until(1900);
    turns.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toBe(0);
    const startUs = systemClock.nowUs();
    for (let round = 0; round < ROUNDS && turns.idleUs === 0; round++) {
      calls = 0;
      turns.until(1900);
      while (calls === 0) await immediate();
      expect(calls).toBe(1);
    }
    expect(turns.idleUs).toBeGreaterThan(0);
    expect(turns.idleUs).toBeLessThanOrEqual(systemClock.nowUs() - startUs);
  });
});
