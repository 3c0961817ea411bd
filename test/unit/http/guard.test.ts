import { describe, expect, it } from 'vitest';
import type { GatewayError } from '../../../src/core/error.ts';
import { HostGuard } from '../../../src/http/guard.ts';

const guard = new HostGuard(['Gate.Example', 'other.example:9000'], ['https://App.example']);

function verdict(host: string, origin = ''): string {
  try {
    guard.check(host, origin);
    return 'allowed';
  } catch (error) {
    return (error as GatewayError).code;
  }
}

describe('Host', () => {
  it.each(['127.0.0.1', '10.1.2.3:8000', '[::1]', '[fe80::1]:8000', 'localhost', 'LOCALHOST:8000'])(
    '%s names this machine',
    (host) => expect(verdict(host)).toBe('allowed'),
  );

  it.each(['gate.example', 'GATE.example:1', 'other.example:9000'])('%s is allowed by the configuration', (host) =>
    expect(verdict(host)).toBe('allowed'),
  );

  it.each([
    '',
    'evil.example',
    'gate.example.evil.example',
    'localhost.evil.example',
    'other.example:9001',
    '127.0.0.1.evil.example',
    '127.0.0.1:8000:9',
    '127.0.0.1:800000',
    'user@localhost',
    'localhost/',
  ])('%j is refused', (host) => expect(verdict(host)).toBe('PERMISSION_DENIED'));

  it('is judged alike however many names have been asked before', () => {
    for (let i = 0; i < 500; i++) expect(verdict(`n${i}.example`)).toBe('PERMISSION_DENIED');
    expect(verdict('gate.example')).toBe('allowed');
  });
});

describe('Origin', () => {
  it.each([
    ['127.0.0.1:8000', ''],
    ['127.0.0.1:8000', 'http://127.0.0.1:8000'],
    ['localhost:8000', 'HTTP://LocalHost:8000'],
    ['localhost:8000', 'https://app.example'],
  ])('at %s, %j is absent, the same, or allowed', (host, origin) => expect(verdict(host, origin)).toBe('allowed'));

  it.each([
    ['localhost:8000', 'null'],
    ['localhost:8000', 'http://localhost:9000'],
    ['localhost:8000', 'http://evil.example'],
    ['localhost:8000', 'http://localhost:8000/x'],
    ['localhost:8000', 'http://localhost:8000.evil.example'],
    ['localhost:8000', 'ftp://localhost:8000'],
    ['localhost:8000', 'https://app.example:444'],
  ])('at %s, %j is refused', (host, origin) => expect(verdict(host, origin)).toBe('PERMISSION_DENIED'));
});
