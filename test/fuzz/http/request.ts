/** A request as parts that can be mutated one by one, and its bytes on the wire. */

import { deflateSync, gzipSync } from 'node:zlib';

/** One request. `sound`: its framing is what HTTP asks for, so that it must be answered, once. */
export interface FuzzRequest {
  method: string;
  path: string;
  headers: [string, string][];
  /** The JSON part of the body. */
  json: Buffer;
  /** What follows it. */
  tail: Buffer;
  /** `Inference-Header-Content-Length`; null = not sent. */
  headLength: string | null;
  framing: 'length' | 'chunked' | 'none';
  /** How the body is packed (`Content-Encoding`), whatever became of it before. */
  packing: 'gzip' | 'deflate' | null;
  sound: boolean;
  /** Nothing in it was changed: an infer request that must be answered with 200. */
  untouched: boolean;
  /** Changes to the finished bytes. */
  readonly raw: ((bytes: Buffer) => Buffer)[];
  /** The client goes away after so many bytes; -1 = it stays. */
  leavesAfter: number;
}

/** A GET without a body. */
export function get(path: string): FuzzRequest {
  return { ...post(path, '', Buffer.alloc(0), null), method: 'GET', framing: 'none' };
}

/** A POST as clients send it. */
export function post(path: string, json: string, tail: Buffer, headLength: string | null): FuzzRequest {
  return {
    method: 'POST',
    path,
    headers: [['Host', '127.0.0.1']],
    json: Buffer.from(json),
    tail,
    headLength,
    framing: 'length',
    packing: null,
    sound: true,
    untouched: true,
    raw: [],
    leavesAfter: -1,
  };
}

/** Largest chunk of a chunked body. */
const CHUNK_BYTES = 97;

/** The bytes of a request. */
export function encode(request: FuzzRequest): Buffer {
  const { method, path, headers, headLength, framing } = request;
  const body = packed(Buffer.concat([request.json, request.tail]), request.packing);
  const lines = [`${method} ${path} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  if (request.packing !== null) lines.push(`Content-Encoding: ${request.packing}`);
  if (headLength !== null) lines.push(`Inference-Header-Content-Length: ${headLength}`);
  if (framing === 'length') lines.push(`Content-Length: ${body.length}`);
  if (framing === 'chunked') lines.push('Transfer-Encoding: chunked');
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const bytes = framing === 'none' ? head : Buffer.concat([head, framing === 'chunked' ? chunked(body) : body]);
  return request.raw.reduce<Buffer>((whole, change) => change(whole), bytes);
}

function packed(body: Buffer, packing: FuzzRequest['packing']): Buffer {
  if (packing === null) return body;
  return packing === 'gzip' ? gzipSync(body) : deflateSync(body);
}

function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const chunk = body.subarray(at, at + CHUNK_BYTES);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
