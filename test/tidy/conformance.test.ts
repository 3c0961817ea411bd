import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

/** The numbers of each section that apply to this server; what is missing in between belongs to features it lacks. */
const CASES: Readonly<Record<string, readonly number[]>> = {
  A: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17],
  B: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 30, 32, 35, 36],
  C: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16, 21, 23],
  D: [1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 17],
  E: [1, 2, 3, 7, 10, 11, 13, 16],
};

function testNames(): string {
  return ['contract', 'integration']
    .flatMap((folder) => readdirSync(new URL(`../${folder}`, import.meta.url)).map((name) => `../${folder}/${name}`))
    .flatMap((file) => readFileSync(new URL(file, import.meta.url), 'utf8').match(/\b(test|it)[.(].*\n?.*/g) ?? [])
    .join('\n');
}

describe.each(Object.entries(CASES))('conformance section %s', (section, numbers) => {
  test('has a test named after each of its cases', () => {
    const names = testNames();
    const missing = numbers.filter((number) => !new RegExp(`\\b${section}${number}\\b`).test(names));
    expect(missing).toEqual([]);
  });
});
