import { Session } from 'node:inspector/promises';
import { describe, expect, it } from 'vitest';
import { type Profile, selfTimes } from '../../../bench/runner/self-times.ts';

const frame = (functionName: string, url: string, lineNumber: number) => ({ functionName, url, lineNumber });

describe('self times', () => {
  it('are parts of the time that the thread was not idle, the busiest first, one line for one function', () => {
    const profile: Profile = {
      nodes: [
        { id: 1, callFrame: frame('(idle)', '', -1) },
        { id: 2, callFrame: frame('run', 'file:///a/src/workers/session.ts', 9) },
        { id: 3, callFrame: frame('', 'file:///a/src/http/server.ts', 4) },
        // Called from elsewhere: another node, the same function.
        { id: 4, callFrame: frame('run', 'file:///a/src/workers/session.ts', 9) },
      ],
      samples: [1, 1, 1, 1, 2, 4, 2, 3],
    };
    expect(selfTimes(profile, 5)).toEqual({
      busy: 0.5,
      functions: [
        { where: 'run workers/session.ts:10', share: 0.75 },
        { where: '(anonymous) http/server.ts:5', share: 0.25 },
      ],
    });
    expect(selfTimes(profile, 1).functions).toHaveLength(1);
  });

  it('count a native call with the function that makes it, whatever V8 takes it for', () => {
    const profile: Profile = {
      nodes: [
        { id: 1, callFrame: frame('(root)', '', -1), children: [2, 5] },
        { id: 2, callFrame: frame('write', 'file:///a/src/http/exchange.ts', 9), children: [3] },
        { id: 3, callFrame: frame('collect', '', -1), children: [4] },
        { id: 4, callFrame: frame('push', '', -1) },
        { id: 5, callFrame: frame('(garbage collector)', '', -1) },
      ],
      samples: [2, 3, 4, 5],
    };
    expect(selfTimes(profile, 5).functions).toEqual([
      { where: 'write http/exchange.ts:10', share: 0.75 },
      { where: '(garbage collector)', share: 0.25 },
    ]);
  });

  it('find the function in which a real profile was spent', async () => {
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const endMs = performance.now() + 100;
    let sum = 0;
    (function spinning() {
      while (performance.now() < endMs) for (let i = 0; i < 1000; i++) sum = (sum + Math.sqrt(i)) % 1000;
    })();
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    expect(selfTimes(profile as Profile, 10).functions.map(({ where }) => where.split(' ')[0])).toContain('spinning');
  });
});
