/** Sentences for what a schema refused: where, what was expected, what was found. Values are shown short and escaped. */

import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** Names the place of a path, for instance `penstock.yaml:3:7` or `--port`. */
export type Locate = (path: readonly PropertyKey[]) => string;

/** Every issue as `where: name: expected ..., found ...`. `value` is what the schema was given; `keysAt` its known keys. */
export function describeIssues(
  issues: readonly Issue[],
  value: unknown,
  locate: Locate,
  keysAt: (path: readonly PropertyKey[]) => readonly string[],
): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(issue.path);
      const expected = known.length === 0 ? '' : `; expected one of ${known.join(', ')}`;
      return issue.keys.map((key) => `${locate([...issue.path, key])}: unknown key '${clip(key)}'${expected}`);
    }
    const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null)?.[key], value);
    const name = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `;
    return [`${locate(issue.path)}: ${name}expected ${expectation(issue)}, found ${show(found)}`];
  });
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type') return TYPE_NAMES[issue.expected] ?? `a ${issue.expected}`;
  if (issue.code === 'invalid_value') return issue.values.map(String).join(' or ');
  if (issue.code === 'too_small') return `${sizeWord(issue.origin)}at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `${sizeWord(issue.origin)}at most ${issue.maximum}`;
  return issue.message;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  // Every number here is whole; zod says 'int' only once it has seen a number.
  number: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function sizeWord(origin: string): string {
  return origin === 'string' || origin === 'array' ? 'a length of ' : '';
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  return clip(JSON.stringify(value) ?? String(value));
}

function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
