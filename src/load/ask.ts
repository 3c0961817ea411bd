/** One question to a server outside of any load: a GET whose time and size are bounded, and whose answer should be JSON. */

import { get, type IncomingMessage } from 'node:http';
import { codeOf, LoadError, oneLine, reasonOf } from './error.ts';

/** Longest wait for a whole answer. */
export const ASK_LIMIT_MS = 10_000;
/** Largest answer: statistics of a server with many models are the largest that is honest. */
export const ASK_LIMIT_BYTES = 16 * 1024 * 1024;

/** What came back. */
export interface Reply {
  readonly status: number;
  /** The parsed body; undefined where it is no JSON. */
  readonly json: unknown;
}

/**
 * Asks for a document.
 * @param token of the `Authorization` header; null sends none
 * @throws {LoadError} unreachable, not-open-inference
 */
export async function ask(url: URL, token: string | null, limitMs = ASK_LIMIT_MS): Promise<Reply> {
  const signal = AbortSignal.timeout(limitMs);
  try {
    return await fetchBounded(url, token, signal);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    if (signal.aborted) throw new LoadError('unreachable', `${url.host} gave no answer within ${limitMs / 1000} s`);
    if (codeOf(error).startsWith('HPE_')) throw new LoadError('not-open-inference', `${url.host} does not speak HTTP`);
    throw new LoadError('unreachable', `cannot reach ${url.host}: ${reasonOf(error)}`);
  }
}

function fetchBounded(url: URL, token: string | null, signal: AbortSignal): Promise<Reply> {
  const headers = { Accept: 'application/json', ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, headers, signal }, (answer) => {
      readBounded(answer, url)
        .then(resolve, reject)
        .finally(() => request.destroy());
    });
    request.on('error', reject);
  });
}

async function readBounded(answer: IncomingMessage, url: URL): Promise<Reply> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer) {
    bytes += (part as Buffer).length;
    if (bytes > ASK_LIMIT_BYTES) {
      throw new LoadError(
        'not-open-inference',
        `${url.host}${url.pathname} answers more than ${ASK_LIMIT_BYTES} bytes`,
      );
    }
    parts.push(part as Buffer);
  }
  return { status: answer.statusCode ?? 0, json: parsed(Buffer.concat(parts).toString('utf8')) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON object, or null where the value is none. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Record<string, unknown>;
}

/** The server's own sentence in an answer that is an error; empty where there is none. */
export function sentenceOf({ json }: Reply): string {
  const sentence = objectOf(json)?.error;
  return typeof sentence === 'string' ? oneLine(sentence) : '';
}
