/** Base64 (RFC 4648, section 4) of JSON strings whose bytes are no text. */

/**
 * Decodes the base64 that is `length` bytes at `offset` in its own place: what comes out is shorter.
 * @returns how many bytes it was, or -1 where it is not base64 in its one canonical form
 */
export function decodeBase64(memory: Uint8Array, offset: number, length: number): number {
  const place = Buffer.from(memory.buffer, memory.byteOffset + offset, length);
  const text = place.toString('latin1');
  const size = place.write(text, 0, length, 'base64');
  // Node decodes whatever looks like it; only what was base64 comes out as the same text again.
  return place.toString('base64', 0, size) === text ? size : -1;
}
