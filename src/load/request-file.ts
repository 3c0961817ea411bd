/**
 * The requests of a load from a file of the user's: one Open Inference request, an array of them, or one a line. Numbers go
 * out as they are written, 64-bit ones too.
 */

import { readFile, stat } from 'node:fs/promises';
import { objectOf } from './ask.ts';
import { LoadError, oneLine, reasonOf } from './error.ts';
import type { WireRequest } from './figures.ts';
import { commonHeaders, type RequestOptions, timeoutParameter } from './inputs.ts';

/** Largest file, and most requests in one. */
export const REQUEST_FILE_BYTES = 128 * 1024 * 1024;
const MAX_REQUESTS = 100_000;

/** A request of the file, and where it stands. */
interface Entry {
  readonly value: unknown;
  readonly at: string;
}

/**
 * Reads a file of requests.
 * @param path of the model's routes. The requests are sent as JSON, as they are written.
 * @throws {LoadError} bad-file with the place; unsuitable
 */
export async function readRequestFile(file: string, path: string, options: RequestOptions): Promise<WireRequest[]> {
  const text = await readBounded(file);
  const entries = entriesOf(text, oneLine(file));
  if (entries.length === 0) throw new LoadError('bad-file', `${oneLine(file)} holds no request`);
  if (entries.length > MAX_REQUESTS) {
    throw new LoadError('bad-file', `${oneLine(file)} holds ${entries.length} requests, more than ${MAX_REQUESTS}`);
  }
  const headers = { 'Content-Type': 'application/json', ...commonHeaders(options) };
  const timeout = timeoutParameter(options);
  return entries.map((entry) => {
    const request = requestOf(entry);
    const sent = timeout === null ? request : { ...request, parameters: { ...objectOf(request.parameters), timeout } };
    return { path: `${path}/infer`, headers, body: Buffer.from(JSON.stringify(sent)) };
  });
}

async function readBounded(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > REQUEST_FILE_BYTES) {
      throw new LoadError('bad-file', `${oneLine(file)} has ${size} bytes, more than ${REQUEST_FILE_BYTES}`);
    }
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError('bad-file', `cannot read ${oneLine(file)}: ${reasonOf(error)}`);
  }
}

/** One document where the whole text is one, else one a line. */
function entriesOf(text: string, file: string): Entry[] {
  const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ line, at: `${file}:${i + 1}` }]));
  const many = lines.length > 1 && isJson((lines[0] as { line: string }).line);
  if (many) return lines.map(({ line, at }) => ({ value: parse(line, at), at }));
  const value = parse(text, file);
  return Array.isArray(value) ? value.map((item, i) => ({ value: item, at: `${file}[${i}]` })) : [{ value, at: file }];
}

/** An array that is spread over lines may begin with a line that is JSON by itself (`[]` is not one of them). */
function isJson(line: string): boolean {
  try {
    return objectOf(JSON.parse(line)) !== null;
  } catch {
    return false;
  }
}

/** JSON's numbers as they are written (a stage 4 proposal that V8 has and TypeScript's library does not name yet). */
interface RawJson {
  rawJSON(text: string): unknown;
  parse(text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
}

const LONG_INTEGER = /(?<![.\d])\d{16}/;

function parse(text: string, at: string): unknown {
  try {
    if (!LONG_INTEGER.test(text)) return JSON.parse(text);
    const json = JSON as unknown as RawJson;
    return json.parse(text, (_, value, { source }) => {
      const changed = typeof value === 'number' && source !== undefined && !Number.isSafeInteger(value);
      return changed ? json.rawJSON(source) : value;
    });
  } catch (error) {
    throw new LoadError('bad-file', `${at}: ${reasonOf(error)}`);
  }
}

/** What a server would refuse in each request is said once, with its place; what only a model can know is left to it. */
function requestOf({ value, at }: Entry): Readonly<Record<string, unknown>> {
  const request = objectOf(value);
  if (request === null) throw new LoadError('bad-file', `${at}: a request is a JSON object`);
  const { inputs, parameters } = request;
  if (!Array.isArray(inputs)) throw new LoadError('bad-file', `${at}: a request has a list 'inputs'`);
  if (parameters !== undefined && objectOf(parameters) === null) {
    throw new LoadError('bad-file', `${at}: 'parameters' is a JSON object`);
  }
  for (const [i, input] of inputs.entries()) checkInput(input, `${at}: inputs[${i}]`);
  return request;
}

function checkInput(value: unknown, at: string): void {
  const input = objectOf(value);
  if (input === null) throw new LoadError('bad-file', `${at} is a JSON object`);
  for (const key of ['name', 'datatype']) {
    if (typeof input[key] !== 'string') throw new LoadError('bad-file', `${at} has a text '${key}'`);
  }
  for (const key of ['shape', 'data']) {
    if (!Array.isArray(input[key])) throw new LoadError('bad-file', `${at} has a list '${key}'`);
  }
}
