import { describe, expect, it } from 'vitest';
import { mayRestart, pauseMs } from '../../../src/cli/supervise.ts';
import { readSupervision } from '../../../src/config/supervision.ts';

describe('the supervisor', () => {
  it.each(['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGKILL'] as const)('restarts after %s', (signal) => {
    expect(mayRestart({ code: null, signal })).toBe(true);
  });

  it.each([1, 7, 70, 134, 139])('restarts after exit %d', (code) => {
    expect(mayRestart({ code, signal: null })).toBe(true);
  });

  it.each([
    ['a wanted end', 0],
    ['a usage error', 64],
    ['a taken port', 69],
    ['a configuration error', 78],
  ])('does not restart after %s', (_what, code) => {
    expect(mayRestart({ code, signal: null })).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'does not restart what somebody ended by %s',
    (signal) => {
      expect(mayRestart({ code: null, signal })).toBe(false);
    },
  );

  it('pauses twice as long after each death in a row, up to ten seconds', () => {
    expect([1, 2, 3, 4].map(pauseMs)).toEqual([100, 200, 400, 800]);
    expect(pauseMs(50)).toBe(10_000);
  });
});

describe('what the supervisor tells its child', () => {
  it('is read back', () => {
    const refused = [{ model: 'm', version: '1', files: 'abc', cause: 'SIGBUS' }];
    const told = { restarts: 3, lastCause: 'SIGSEGV', marksFile: 4, refused };
    expect(readSupervision({ PENSTOCK_SUPERVISION: JSON.stringify(told) })).toEqual(told);
    expect(readSupervision({})).toBeNull();
  });

  it.each(['', 'yes', '{}', '{"restarts":-1,"lastCause":""}', '[1]'])(
    'is a configuration error where it is %j',
    (text) => {
      expect(() => readSupervision({ PENSTOCK_SUPERVISION: text })).toThrow(/PENSTOCK_SUPERVISION: only/);
    },
  );
});
