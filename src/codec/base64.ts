/** Base64 (RFC 4648, section 4) of JSON strings whose bytes are no text. */

import type { Pacing } from '../core/pace.ts';

/** Text that is decoded in one step, bytes: whole groups of four. Strings of that size are cheap to make and to forget. */
export const BASE64_STEP_BYTES = 64 * 1024;

/**
 * Decodes the base64 that is `length` bytes at `offset` in its own place, step by step: what comes out is shorter.
 * @param pace asked before every step; what it throws ends the work
 * @returns how many bytes it was, or -1 where it is not base64 in its one canonical form
 */
export async function decodeBase64(memory: Uint8Array, offset: number, length: number, pace: Pacing): Promise<number> {
  let size = 0;
  for (let at = 0; at < length; at += BASE64_STEP_BYTES) {
    while (pace.over()) await pace.turn();
    const textBytes = Math.min(BASE64_STEP_BYTES, length - at);
    const decoded = decodeStep(memory, offset + at, textBytes, offset + size);
    size += decoded;
    // Padding ends a text.
    if (decoded < 0 || (at + textBytes < length && size !== ((at + textBytes) / 4) * 3)) return -1;
  }
  return size;
}

/** @param to not behind `from` */
function decodeStep(memory: Uint8Array, from: number, length: number, to: number): number {
  const text = Buffer.from(memory.buffer, memory.byteOffset + from, length).toString('latin1');
  const place = Buffer.from(memory.buffer, memory.byteOffset + to, length);
  const size = place.write(text, 0, length, 'base64');
  // Node decodes whatever looks like it; only what was base64 comes out as the same text again.
  return place.toString('base64', 0, size) === text ? size : -1;
}
