import { describe, expect, it } from 'vitest';
import type { GatewayError } from '../../../src/core/error.ts';
import type { ModelVersion, Snapshot, VersionState } from '../../../src/core/model.ts';
import { findVersion, isReady, resolve } from '../../../src/routing/resolve.ts';

function snapshot(states: Readonly<Record<string, VersionState>>, settled = true): Snapshot {
  const versions = Object.entries(states).map(
    ([version, state]): ModelVersion => ({
      model: 'm',
      version,
      state,
      reason: state === 'FAILED' ? 'why' : '',
      facts: null,
      target: 1,
    }),
  );
  return { models: new Map(versions.length > 0 ? [['m', { name: 'm', versions }]] : []), settled };
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as GatewayError).code;
  }
  return 'found';
}

describe('which version answers', () => {
  it('is the highest READY one, whatever state the higher ones are in', () => {
    const picture = snapshot({ 1: 'READY', 2: 'READY', 3: 'FAILED', 10: 'LOADING' });
    expect(resolve(picture, 'm', null).version).toBe('2');
    expect(findVersion(snapshot({ 1: 'FAILED', 2: 'LOADING' }), 'm', null).version).toBe('2');
  });

  it('is the one the URL names, in its exact spelling', () => {
    const picture = snapshot({ 1: 'READY', 2: 'READY' });
    expect(resolve(picture, 'm', '1').version).toBe('1');
    for (const version of ['01', '1.0', ' 1', '', '-1', 'latest', '3', '1e0']) {
      expect(code(() => resolve(picture, 'm', version))).toBe('MODEL_NOT_FOUND');
    }
  });

  it.each(['LOADING', 'DRAINING', 'UNLOADED', 'FAILED'] as const)(
    'is none while it is %s, and the reason is said',
    (state) => {
      const picture = snapshot({ 1: state });
      expect(code(() => resolve(picture, 'm', '1'))).toBe('MODEL_NOT_READY');
      expect(code(() => resolve(picture, 'm', null))).toBe('MODEL_NOT_READY');
      expect(() => resolve(picture, 'm', null)).toThrow(state === 'FAILED' ? 'why' : state.toLowerCase());
    },
  );

  it('is none for an unknown name, of which little is repeated', () => {
    const picture = snapshot({ 1: 'READY' });
    for (const name of ['M', 'constructor', '__proto__', '']) {
      expect(code(() => resolve(picture, name, null))).toBe('MODEL_NOT_FOUND');
    }
    const error = (() => {
      try {
        resolve(picture, 'x'.repeat(10_000), 'y'.repeat(10_000));
      } catch (caught) {
        return caught as GatewayError;
      }
      throw new Error('found');
    })();
    expect(error.message.length).toBeLessThan(200);
  });
});

describe('readiness', () => {
  it.each([
    [{}, true, false, false],
    [{ 1: 'READY' }, false, false, false],
    [{ 1: 'READY' }, true, true, true],
    [{ 1: 'READY', 2: 'FAILED' }, true, true, false],
    [{ 1: 'FAILED' }, true, false, false],
  ] as const)('of %j, settled %s, is %s, and %s when strict', (states, settled, lenient, strict) => {
    expect(isReady(snapshot(states, settled), false)).toBe(lenient);
    expect(isReady(snapshot(states, settled), true)).toBe(strict);
  });
});
