import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/error.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { describeConfig } from '../../../src/config/schema.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-config-'));
  file = join(folder, 'gateway.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(yaml: string, args: string[] = [], env: Record<string, string> = {}) {
  writeFileSync(file, yaml);
  return loadConfig({ args: ['--config', file, ...args], env });
}

function mistakes(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the effective configuration', () => {
  it('is complete without any source', () => {
    const config = loadConfig({ args: [], env: {} });
    expect(config.host).toBe('127.0.0.1');
    expect(config.limits.bodyBytes).toBe(64 * 1024 * 1024);
    expect(config.workers).toBeGreaterThan(0);
  });

  it('takes flags before the environment, the environment before the file, the file before the default', () => {
    const yaml = 'port: 1\nadminPort: 1\nlimits: { jsonDepth: 11 }\n';
    const config = load(yaml, ['--port', '3'], { PENSTOCK_PORT: '2', PENSTOCK_ADMIN_PORT: '2' });
    expect([config.port, config.adminPort, config.limits.jsonDepth, config.models]).toEqual([3, 2, 11, 'models']);
  });

  it('reads every kind of setting from text', () => {
    const config = load('', ['--strict-readiness', '--allowed-hosts=a.test, b.test', '--log-level', 'warn'], {
      PENSTOCK_LIMITS_BODY_BYTES: '4096',
    });
    expect(config.strictReadiness).toBe(true);
    expect(config.allowedHosts).toEqual(['a.test', 'b.test']);
    expect(config.log.level).toBe('warn');
    expect(config.limits.bodyBytes).toBe(4096);
  });

  it('is frozen to its depth', () => {
    const config = load('allowedHosts: [a.test]');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits)).toBe(true);
    expect(Object.isFrozen(config.allowedHosts)).toBe(true);
  });
});

describe('what is refused', () => {
  it('names file, line, column, what was expected and what was found', () => {
    expect(mistakes(() => load('host: 127.0.0.1\nlimits:\n  jsonDepth: deep\n'))).toEqual([
      `${file}:3:3: limits.jsonDepth: expected a whole number, found "deep"`,
    ]);
  });

  it('reports every mistake of every source at once', () => {
    const found = mistakes(() =>
      load('prot: 8000\nlog: { level: loud }\n', ['--port', 'x', '--nonsense', '1'], { PENSTOCK_WORKERS: '0' }),
    );
    expect(found).toHaveLength(5);
    expect(found.join('\n')).toContain(`${file}:1:1: unknown key 'prot'; expected one of host, port`);
    expect(found.join('\n')).toContain('--port: port: expected a whole number, found "x"');
    expect(found.join('\n')).toContain('--nonsense: unknown flag');
    expect(found.join('\n')).toContain('PENSTOCK_WORKERS: workers: expected at least 1, found 0');
    expect(found.join('\n')).toContain('log.level: expected debug or info or warn or error or silent, found "loud"');
  });

  it.each([
    ['an unknown variable', () => loadConfig({ args: [], env: { PENSTOCK_PROT: '1' } }), /PENSTOCK_PROT: unknown/],
    ['a flag without its value', () => loadConfig({ args: ['--port'], env: {} }), /--port: expected a value/],
    ['a file that is not there', () => loadConfig({ args: ['--config', '/nowhere.yaml'], env: {} }), /cannot be read/],
    ['a list as the document', () => load('- 1'), /expected a mapping/],
    ['a key set twice', () => load('port: 1\nport: 2'), /:2:1: .*unique/],
    ['a tab as indentation', () => load('limits:\n\tjsonDepth: 3'), /:2:1: .*[Tt]ab/],
    ['a byte order mark', () => load('\uFEFFport: 1'), /:1:1: .*byte order mark/],
    ['an alias', () => load('host: &a x\nadminHost: *a'), /:2:12: aliases/],
    ['an unknown tag', () => load('host: !thing x'), /:1:7: .*[Tt]ag/],
    ['the prototype as a key', () => load('__proto__: { port: 1 }'), /unknown key '__proto__'/],
  ])('%s', (_name, run, expected) => {
    expect(mistakes(run).join('\n')).toMatch(expected);
  });

  it('refuses an alias bomb without building it', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 30; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i === 1 ? '' : i - 1}`)
          .join(',')}]`,
      );
    expect(mistakes(() => load(bomb.join('\n'))).join('\n')).toMatch(/aliases/);
  });
});

describe('the list of settings', () => {
  it('names each setting once, described, with a variable and a flag that are its own', () => {
    const settings = describeConfig();
    expect(settings.find(({ key }) => key === 'limits.bodyBytes')).toMatchObject({
      env: 'PENSTOCK_LIMITS_BODY_BYTES',
      flag: '--limits-body-bytes',
      default: '67108864',
    });
    for (const name of ['key', 'env', 'flag'] as const) {
      expect(new Set(settings.map((setting) => setting[name])).size).toBe(settings.length);
    }
    for (const { key, description } of settings) expect(description, key).not.toBe('');
  });
});
