/**
 * YAML (and JSON, which is YAML) to plain values that remember their place in the file: the only importer of yaml.
 * Aliases, tags and several documents in one file are refused: a configuration needs none, and aliases can explode.
 */

import { type Document, isMap, isNode, LineCounter, parseDocument, visit } from 'yaml';
import { ConfigError } from './error.ts';

/** Longest file read, characters: stops a wrong path from filling memory. */
const MAX_TEXT = 4 * 1024 * 1024;

/** A parsed file. */
export interface SourceDocument {
  readonly file: string;
  /** The plain value; undefined for an empty file. */
  readonly value: unknown;
  /** `file:line:column` of a key or value, or of its nearest parent that stands in the file. */
  locate(path: readonly PropertyKey[]): string;
}

/**
 * Parses one document. `file` is only for messages.
 * @throws {ConfigError} with every syntax error
 */
export function parseSource(text: string, file: string): SourceDocument {
  if (text.length > MAX_TEXT) throw new ConfigError([`${file}: longer than ${MAX_TEXT} characters`]);
  if (text.startsWith('\uFEFF')) throw new ConfigError([`${file}:1:1: starts with a byte order mark; remove it`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const mistakes = [...document.errors, ...document.warnings].map((e) => `${at(e.pos[0])}: ${firstLine(e.message)}`);
  visit(document, {
    Alias: (_key, node) => {
      mistakes.push(`${at(node.range?.[0] ?? 0)}: aliases (*${node.source}) are not accepted; write the value out`);
    },
  });
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  return { file, value: value ?? undefined, locate: (path) => at(offsetOf(document, path)) };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0];
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const offset = keyOffset(document, path.slice(0, length)) ?? valueOffset(document, path.slice(0, length));
    if (offset !== undefined) return offset;
  }
  return valueOffset(document, []) ?? 0;
}

function keyOffset(document: Document, path: readonly PropertyKey[]): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isNode(key) && String(key) === path.at(-1));
  return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
}

function valueOffset(document: Document, path: readonly PropertyKey[]): number | undefined {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}
