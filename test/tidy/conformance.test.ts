import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

/** The numbers of each section that apply to this server; what is missing in between belongs to features it lacks. */
const CASES: Readonly<Record<string, readonly number[]>> = {
  A: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17],
  B: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 30, 32, 35, 36],
  C: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16, 21, 23],
  D: [1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 17],
  E: [1, 2, 3, 7, 10, 11, 13, 16],
  H: [1, 2, 3, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 21, 22, 24, 25],
  I: [1, 2, 3, 5, 7, 8, 9, 11, 13],
  J: [1, 2, 3, 5, 7, 8, 9, 10, 12],
  T: [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 19],
  W: [1, 2, 5, 7, 8],
  O: [1, 5, 8, 10],
  S: [1, 3, 5],
};

interface Row {
  readonly id: string;
  readonly file: string;
}

/** The table of test/contract/README.md, one row for each case and file. */
function rows(): Row[] {
  const text = readFileSync(new URL('../contract/README.md', import.meta.url), 'utf8');
  const table = /<!-- cases -->\n([\s\S]*?)<!-- \/cases -->/.exec(text)?.[1] ?? '';
  return table
    .split('\n')
    .slice(2)
    .flatMap((line) => {
      const [, id = '', , files = ''] = line.split('|').map((cell) => cell.trim());
      return [...files.matchAll(/`([^`]+)`/g)].map((found) => ({ id, file: found[1] as string }));
    });
}

/** The ids with which the names of a file's tests begin. */
function idsIn(file: string): Set<string> {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  const names = text.matchAll(/(?:\b(?:test|it)|\))\(\s*['"`]((?:[A-Z]\d+ )+)/g);
  return new Set([...names].flatMap((found) => (found[1] as string).trim().split(' ')));
}

function testFiles(): string[] {
  return ['contract', 'integration', 'soak'].flatMap((folder) =>
    readdirSync(new URL(`../${folder}`, import.meta.url))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name}`),
  );
}

describe('the table of cases in test/contract/README.md', () => {
  const table = rows();

  test.each(Object.entries(CASES))('has every case of section %s, and no other', (section, numbers) => {
    const found = new Set(table.flatMap(({ id }) => (id.startsWith(section) ? [id] : [])));
    expect([...found]).toEqual(numbers.map((number) => `${section}${number}`));
  });

  test('names files that have a test named after each of their cases', () => {
    const missing = table.filter(({ id, file }) => !idsIn(file).has(id));
    expect(missing).toEqual([]);
  });

  test('knows every test that is named after a case', () => {
    const listed = new Set(table.map(({ id, file }) => `${id} ${file}`));
    const unlisted = testFiles().flatMap((file) =>
      [...idsIn(file)].map((id) => `${id} ${file}`).filter((entry) => !listed.has(entry)),
    );
    expect(unlisted).toEqual([]);
  });

  test('would notice a case that has no test', () => {
    expect(table.length).toBeGreaterThan(100);
    expect(idsIn('contract/bad-json.test.ts').has('J8')).toBe(true);
    expect(idsIn('contract/bad-json.test.ts').has('J4')).toBe(false);
  });
});
