import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeConfig } from '../../src/config/schema.ts';
import { ERRORS } from '../../src/core/error.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

function rows(section: string): string[] {
  const text = README.split(`<!-- ${section} -->`)[1]?.split(`<!-- /${section} -->`)[0] ?? '';
  return text.trim().split('\n').slice(2);
}

describe('README', () => {
  test('has every error code with its status, and no other', () => {
    const table = Object.entries(ERRORS).map(
      ([code, { status, retry }]) => `| ${code} | ${status} | ${retry ? 'yes' : 'no'} |`,
    );
    expect(rows('errors')).toEqual(table);
  });

  test('has every setting with its names, default and meaning, and no other', () => {
    const table = describeConfig().map(
      (s) => `| \`${s.key}\` | \`${s.env}\` | \`${s.flag}\` | ${s.default} | ${s.description} |`,
    );
    expect(rows('config')).toEqual(table);
  });
});
