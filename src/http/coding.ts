/**
 * Content codings (RFC 9110, section 8.4): which one a body came in, which one an answer goes out in, and the work of both,
 * which is done on the thread pool. Memory is bounded while inflating, not afterwards.
 */

import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { GatewayError, invalid } from '../core/error.ts';
import { tooLarge } from './body.ts';

/** The codings offered, in both directions. */
export type Coding = 'gzip' | 'deflate';

/** Inflated in pieces of this size, bytes: each piece is a visit to the thread pool. */
const CHUNK_BYTES = 128 * 1024;

type Packer = (bytes: Uint8Array, options: zlib.ZlibOptions) => Promise<Buffer>;

const inflaters = { gzip: zlib.createGunzip, deflate: zlib.createInflate, raw: zlib.createInflateRaw };
const packers = { gzip: promisify(zlib.gzip) as Packer, deflate: promisify(zlib.deflate) as Packer };

/**
 * The coding of a request body; null where it has none.
 * @param header `Content-Encoding`, empty where absent.
 * @throws {GatewayError} UNSUPPORTED_ENCODING for any other, and for several at once
 */
export function requestCoding(header: string): Coding | null {
  if (header === '') return null;
  const names = header.split(',').map((name) => name.trim().toLowerCase());
  const [first, second] = names.filter((name) => name !== 'identity' && name !== '');
  if (first === undefined) return null;
  // RFC 9110, 8.4.1.3: x-gzip is gzip.
  const coding = first === 'x-gzip' ? 'gzip' : first;
  if (second === undefined && (coding === 'gzip' || coding === 'deflate')) return coding;
  throw new GatewayError('UNSUPPORTED_ENCODING', `content encoding '${header.slice(0, 32)}' is not supported`);
}

/**
 * The coding in which a caller would like the answer; null where it should be left alone. The highest q wins, the first
 * named among equals; `*` and codings we do not have are passed over.
 * @param header `Accept-Encoding`, empty where absent.
 */
export function answerCoding(header: string): Coding | null {
  let best: Coding | null = null;
  let most = 0;
  for (const item of header === '' ? [] : header.split(',')) {
    const [name, ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    if (name !== 'gzip' && name !== 'deflate') continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    if (weight > most) [best, most] = [name, weight];
  }
  return best;
}

/**
 * What `bytes` were before they were packed.
 * @param coding `deflate` is the zlib form (RFC 1950), and the raw one of clients that take the name at its word.
 * @param limit most bytes that may come out.
 * @param reserve is told of every piece that came out, and throws where there is no room for it.
 * @throws {GatewayError} (as rejection) INVALID_ARGUMENT where they are damaged or cut off, PAYLOAD_TOO_LARGE over `limit`,
 * and what `reserve` throws
 */
export async function inflateBody(
  bytes: Uint8Array,
  coding: Coding,
  limit: number,
  reserve: (bytes: number) => void,
): Promise<Uint8Array> {
  const stream = inflaters[coding === 'deflate' && !hasZlibHeader(bytes) ? 'raw' : coding]({ chunkSize: CHUNK_BYTES });
  const pieces: Buffer[] = [];
  let length = 0;
  stream.end(bytes);
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > limit) throw tooLarge(limit);
      reserve(piece.length);
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof GatewayError ? error : invalid(`the body is not valid ${coding} data`);
  }
  return Buffer.concat(pieces, length);
}

/** `bytes`, packed for speed rather than for the last percent. */
export function packBody(bytes: Uint8Array, coding: Coding): Promise<Uint8Array> {
  return packers[coding](bytes, { level: zlib.constants.Z_BEST_SPEED });
}

/** RFC 1950: the method in the low nibble, and a check over two bytes. */
function hasZlibHeader(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  return (first & 15) === 8 && (first * 256 + second) % 31 === 0;
}
