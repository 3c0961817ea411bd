/** Small files of which a decoder makes much besides pixels. */

import { crc32, deflateSync } from 'node:zlib';
import { ihdr, png, pngChunk, riffChunk, webp } from './image-bytes.ts';

/** A chunk with its checksum. */
export function checked(chunk: Buffer): Buffer {
  const content = Buffer.from(chunk);
  content.writeUInt32BE(crc32(content.subarray(4, -4)), content.length - 4);
  return content;
}

/** A PNG of 8 x 8 with that many texts of `bytes` each, compressed or as they are. */
export function textPng(texts: number, bytes: number, compressed: boolean): Buffer {
  const text = Buffer.alloc(bytes, 'a');
  const content = compressed ? Buffer.concat([Buffer.of(0), deflateSync(text, { level: 9 })]) : text;
  const chunks = Array.from({ length: texts }, (_, i) =>
    pngChunk(compressed ? 'zTXt' : 'tEXt', Buffer.concat([Buffer.from(`k${i}\0`), content])),
  );
  const pixels = pngChunk('IDAT', deflateSync(Buffer.alloc(8 * (1 + 8 * 3))));
  return png(...[ihdr(8, 8), ...chunks, pixels, pngChunk('IEND')].map(checked));
}

/** Bits, the lowest first. */
class Bits {
  readonly #bytes: number[] = [];
  #count = 0;

  put(value: number, bits: number): void {
    for (let i = 0; i < bits; i++, this.#count++) {
      if (this.#count % 8 === 0) this.#bytes.push(0);
      this.#bytes[this.#bytes.length - 1] |= ((value >> i) & 1) << (this.#count % 8);
    }
  }

  /** A prefix code of one value, 0, which takes no bits. */
  putConstant(): void {
    this.put(1, 4);
  }

  /** A prefix code whose values 0 to 255, of `size`, take 8 bits each: lengths 8 and runs of zero, each said by one bit. */
  putBytes(size: number): void {
    this.put(0, 1);
    // Of the lengths of lengths, in the order of the format, the second is that of runs and the twelfth that of 8.
    this.put(12 - 4, 4);
    for (let i = 0; i < 12; i++) this.put(Number(i === 1 || i === 11), 3);
    this.put(0, 1);
    this.put(0, 16 * 8);
    this.put(0, 16 * 8);
    if (size > 256) this.put(1 | ((size - 256 - 11) << 1), 8);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/**
 * The beginning of a lossless WebP that has groups of prefix codes for squares of 512 pixels, behind a transform of which every 4 x 4
 * pixels take a bit: `side` up to 16,384.
 */
export function predictedWebp(side: number): Buffer {
  const bits = new Bits();
  bits.put(0x2f, 8);
  bits.put(side - 1, 14);
  bits.put(side - 1, 14);
  // No alpha, version 0; a transform, the predictor, squares of 4; no colour cache.
  bits.put(0, 1 + 3);
  bits.put(0b001, 3);
  bits.put(0, 3 + 1);
  // Of green the values 0 and 1, a bit each; all others are 0.
  bits.put(0b0011, 4);
  bits.put(1, 8);
  for (let i = 0; i < 4; i++) bits.putConstant();
  bits.put(0, (side / 4) ** 2);
  // No other transform, no colour cache.
  bits.put(0, 2);
  bits.put(1 | (7 << 1), 4);
  return webp(riffChunk('VP8L', bits.done()));
}

const mirrored = (byte: number) =>
  Array.from({ length: 8 }, (_, i) => ((byte >> i) & 1) << (7 - i)).reduce((a, b) => a | b);

/** A lossless WebP, black, in which every 4 x 4 pixels have a group of prefix codes of their own: `side` up to 1024. */
export function groupsWebp(side: number): Buffer {
  const bits = new Bits();
  const groups = (side / 4) ** 2;
  bits.put(0x2f, 8);
  bits.put(side - 1, 14);
  bits.put(side - 1, 14);
  // No alpha, version 0, no transform; a colour cache of 11 bits, whose places make the tables large; squares of 4.
  bits.put(0, 1 + 3 + 1);
  bits.put(1 | (11 << 1), 5);
  bits.put(1, 1 + 3);
  // The image that names the groups: in green and red.
  bits.put(0, 1);
  bits.putBytes(280);
  bits.putBytes(256);
  for (let i = 0; i < 3; i++) bits.putConstant();
  for (let i = 0; i < groups; i++) {
    bits.put(mirrored(i & 255), 8);
    bits.put(mirrored(i >> 8), 8);
  }
  for (let i = 0; i < 5 * groups; i++) bits.putConstant();
  return webp(riffChunk('VP8L', bits.done()));
}
