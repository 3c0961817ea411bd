/** How long a body and its head say they are, and how it is framed. What another server might read differently is refused. */

import { invalid } from '../core/error.ts';
import type { Exchange } from './exchange.ts';

/** Largest `Inference-Header-Content-Length`. */
const MOST_HEAD_BYTES = 2 ** 31 - 1;

/**
 * How a chunked body was framed is not believed: nothing behind it on this connection is read. uWebSockets.js takes any
 * transfer coding for `chunked`, where another server in front of us may not: only that one is taken.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function checkFraming(exchange: Exchange, transferEncoding: string): void {
  if (transferEncoding === '') return;
  exchange.close = true;
  if (transferEncoding !== 'chunked') throw invalid("the only 'Transfer-Encoding' taken is 'chunked'");
}

/**
 * Bytes of the JSON head of a body; -1 = all of it.
 * @param text `Inference-Header-Content-Length`. @param totalBytes of the body; -1 = not known
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function headLength(text: string, totalBytes: number): number {
  if (text === '') return -1;
  const value = wholeNumber(text);
  if (value < 0 || value > MOST_HEAD_BYTES) {
    throw invalid('Inference-Header-Content-Length must be a whole number of bytes');
  }
  if (totalBytes >= 0 && value > totalBytes) {
    throw invalid(`Inference-Header-Content-Length is ${value}, the body has only ${totalBytes} bytes`);
  }
  return value;
}

/** The number that up to ten decimal digits spell, or -1. */
function wholeNumber(text: string): number {
  if (text.length > 10) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * What stands in front of us may have believed the other one: nothing more is read of this connection.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function refuseRepeated(exchange: Exchange, name: string): never {
  exchange.close = true;
  throw invalid(`the header '${name}' came more than once`);
}
