import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeConfig } from '../../src/config/schema.ts';
import { ERRORS } from '../../src/core/error.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Cells of every table row, without their backquotes. */
function tableRows(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.replaceAll('`', '').trim()));
}

/** `| CODE | status | yes/no | ... |`; one row may name several codes with commas. */
function documentedErrors(markdown: string): Record<string, { status: number; retry: boolean }> {
  const rows = tableRows(markdown).filter(
    ([code, status]) => /^[A-Z_]+(, |$)/.test(code ?? '') && /^\d{3}/.test(status ?? ''),
  );
  return Object.fromEntries(
    rows.flatMap(([codes = '', status = '', retry = '']) =>
      codes.split(', ').map((code) => [code, { status: Number(status.slice(0, 3)), retry: retry.startsWith('yes') }]),
    ),
  );
}

describe("README's tables", () => {
  it('list every error code with its status and whether to try again', () => {
    expect(documentedErrors(README)).toEqual(ERRORS);
  });

  it('are read row by row, so that a wrong status would show', () => {
    expect(documentedErrors('| `A`, `B_C` | 503 | yes, later |\n| D | 400 | no |')).toEqual({
      A: { status: 503, retry: true },
      B_C: { status: 503, retry: true },
      D: { status: 400, retry: false },
    });
  });

  it('list every setting with its default', () => {
    const documented = new Map(tableRows(README).map(([key = '', value = '']) => [key, value]));
    for (const { key, default: fallback } of describeConfig()) expect(documented.get(key), key).toBe(fallback);
  });
});
