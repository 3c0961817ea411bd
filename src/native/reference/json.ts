/**
 * JSON as a tree that keeps byte positions and number texts: the reading half of the lift reference. Written for clarity,
 * for tests only; it recurses, which the depth limit bounds.
 */

import { LiftStatus, MAX_VALUES } from '../binding.ts';

/** Longest number text that is converted. */
export const MAX_NUMBER_LENGTH = 400;

/** Why a document is refused. */
export class LiftFault extends Error {
  readonly status: number;
  readonly input: number;
  readonly element: number;

  constructor(status: number, input: number, element = -1) {
    super(`lift status ${status}`);
    this.status = status;
    this.input = input;
    this.element = element;
  }
}

/** A value, from the byte at `start` to the one before `end`. */
export type JsonNode = { start: number; end: number } & (
  | { kind: 'object'; members: [string, JsonNode][] }
  | { kind: 'array'; items: JsonNode[] }
  | { kind: 'string'; text: string }
  | { kind: 'number'; text: string }
  /** true, false and null; inside `data` also NaN, Infinity and -Infinity, which the caller judges. */
  | { kind: 'word'; text: string }
);

/** Where in a request a value stands, as far as that changes what is allowed there. */
type Place = 'root' | 'inputs' | 'member' | 'data' | 'other';

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const DATA_WORD = /true|false|null|NaN|-?Infinity/y;
const ESCAPES: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * Reads one document (RFC 8259).
 * @throws {LiftFault} where it is none, is too deep, repeats a key, or holds a number that no double can
 */
export function parseRequest(body: Uint8Array, maxDepth: number): JsonNode {
  return new Parser(body, maxDepth).document();
}

class Parser {
  readonly #body: Uint8Array;
  /** One character per byte, so that positions are byte positions. */
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;
  #values = 0;
  #input = -1;

  constructor(body: Uint8Array, maxDepth: number) {
    this.#body = body;
    this.#text = Buffer.from(body).toString('latin1');
    this.#maxDepth = maxDepth;
  }

  document(): JsonNode {
    const node = this.#value('root', 0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail(LiftStatus.SYNTAX);
    return node;
  }

  #value(place: Place, depth: number): JsonNode {
    this.#space();
    const start = this.#at;
    const c = this.#text[start];
    if ((place !== 'data' || depth <= 3) && ++this.#values > MAX_VALUES) this.#fail(LiftStatus.TOO_MANY_VALUES);
    if (c === '{') return this.#object(place === 'root' || place === 'member' ? place : 'other', start, depth);
    if (c === '[') return this.#array(place === 'inputs' || place === 'data' ? place : 'other', start, depth);
    if (c === '"') return { kind: 'string', text: this.#string(), start, end: this.#at };
    const word = this.#match(place === 'data' && depth > 3 ? DATA_WORD : WORD);
    if (word !== null) return { kind: 'word', text: word, start, end: this.#at };
    const text = this.#match(NUMBER) ?? this.#fail(LiftStatus.SYNTAX);
    if (place !== 'data' || depth <= 3) this.#checkNumber(text);
    return { kind: 'number', text, start, end: this.#at };
  }

  #object(place: Place, start: number, depth: number): JsonNode {
    this.#descend(depth);
    const members: [string, JsonNode][] = [];
    this.#list('}', () => {
      if (this.#text[this.#at] !== '"') this.#fail(LiftStatus.SYNTAX);
      const key = this.#string();
      this.#space();
      if (this.#text[this.#at++] !== ':') this.#fail(LiftStatus.SYNTAX);
      members.push([key, this.#value(placeOf(place, key), depth + 1)]);
    });
    if (new Set(members.map(([key]) => key)).size < members.length) this.#fail(LiftStatus.DUPLICATE_KEY);
    return { kind: 'object', members, start, end: this.#at };
  }

  #array(place: Place, start: number, depth: number): JsonNode {
    this.#descend(depth);
    const items: JsonNode[] = [];
    this.#list(']', () => {
      const opens = this.#text[this.#at] === '{' || this.#text[this.#at] === '[';
      if (place === 'inputs' && opens && depth + 1 < this.#maxDepth) this.#input = items.length;
      items.push(this.#value(place === 'inputs' ? 'member' : place, depth + 1));
      if (place === 'inputs') this.#input = -1;
    });
    return { kind: 'array', items, start, end: this.#at };
  }

  #descend(depth: number): void {
    if (depth >= this.#maxDepth) this.#fail(LiftStatus.TOO_DEEP);
    this.#at++;
  }

  #list(close: string, item: () => void): void {
    this.#space();
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#space();
      item();
      this.#space();
      const c = this.#text[this.#at++];
      if (c === close) return;
      if (c !== ',') this.#fail(LiftStatus.SYNTAX);
    }
  }

  #string(): string {
    const open = this.#at;
    let close = open + 1;
    while (this.#text[close] !== '"') {
      const c = this.#text.charCodeAt(close);
      if (Number.isNaN(c) || c < 0x20) this.#fail(LiftStatus.SYNTAX);
      close += this.#text[close] === '\\' ? 2 : 1;
    }
    this.#at = close + 1;
    return this.#unescape(this.#decode(this.#body.subarray(open + 1, close)));
  }

  #decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#fail(LiftStatus.BAD_STRING);
    }
  }

  #unescape(raw: string): string {
    const text = raw.replace(/\\(u[0-9a-fA-F]{4}|[^u]|u)/gs, (_, code: string) => {
      if (code.length === 5) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
      return ESCAPES[code] ?? this.#fail(LiftStatus.SYNTAX);
    });
    if (!text.isWellFormed()) this.#fail(LiftStatus.BAD_STRING);
    return text;
  }

  #checkNumber(text: string): void {
    if (text.length > MAX_NUMBER_LENGTH || !Number.isFinite(Number(text))) this.#fail(LiftStatus.BAD_NUMBER);
  }

  #space(): void {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? '?')) this.#at++;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#at += found[0].length;
    return found[0];
  }

  #fail(status: number): never {
    throw new LiftFault(status, this.#input);
  }
}

function placeOf(place: Place, key: string): Place {
  if (place === 'root' && key === 'inputs') return 'inputs';
  if (place === 'member' && key === 'data') return 'data';
  return 'other';
}
