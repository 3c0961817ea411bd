import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { LoadFigures } from '../../src/load/figures.ts';
import { shortageOf } from '../../src/load/shortage.ts';
import { scriptedServer, whole } from '../support/scripted-server.ts';

const LOAD = fileURLToPath(new URL('../support/load-in-process.ts', import.meta.url));
/** Enough for Node itself, and not for the connections. */
const FILES = 64;
const CONNECTIONS = 100;
const TIME_LIMIT_MS = 30_000;

/** A load by a process that may have so many files open. */
async function loadWithin(files: number, port: number, loop: 'open' | 'closed'): Promise<LoadFigures> {
  const command = [process.execPath, LOAD, String(port), loop, String(CONNECTIONS)];
  const limited = ['-c', `ulimit -n ${files} && exec "$@"`, 'sh', ...command];
  const { stdout } = await promisify(execFile)('sh', limited, { timeout: TIME_LIMIT_MS });
  return JSON.parse(stdout);
}

describe.each(['open', 'closed'] as const)('in a loop that is %s', (loop) => {
  test('a want of files of its own makes the run void, and enough of them does not', async () => {
    await using server = await scriptedServer((socket) => setTimeout(() => socket.write(whole('200 OK')), 50));
    const short = await loadWithin(FILES, server.origin.port, loop);
    expect(short.generator.void).toBe('this machine ran out of files or ports (EMFILE)');
    expect(short.ok).toBeGreaterThan(0);
    const enough = await loadWithin(FILES + 2 * CONNECTIONS, server.origin.port, loop);
    expect(enough.errors.connect).toBe(0);
    expect(enough.generator.void).not.toContain('ran out');
  });
});

describe('a shortage', () => {
  const failed = (code: string) => Object.assign(new Error(code), { code });

  test('of a name is one where each of its addresses failed for it', () => {
    expect(shortageOf(failed('EADDRNOTAVAIL'))).toBe('EADDRNOTAVAIL');
    expect(shortageOf(new AggregateError([failed('EMFILE'), failed('EMFILE')]))).toBe('EMFILE');
    // A machine without IPv6 has no address to reach ::1 from.
    expect(shortageOf(new AggregateError([failed('EADDRNOTAVAIL'), failed('ECONNREFUSED')]))).toBe('');
  });

  test('is nothing that a server does', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND'])
      expect(shortageOf(failed(code))).toBe('');
    expect(shortageOf(new Error('without a code'))).toBe('');
    expect(shortageOf(new AggregateError([]))).toBe('');
  });
});
