/**
 * How much memory a picture takes while it is decoded: its pixels, and what its form makes the decoder keep besides. Where the header
 * does not tell how much that is, it is the most that it can be.
 */

import type { ImageHeader } from '../native/image-header.ts';
import { decodedBytes } from './judge.ts';

/** Of a coefficient, which a JPEG of many scans has for every sample. */
const COEFFICIENT_BYTES = 2;
const ARGB_BYTES = 4;

/** What deflate makes of a byte at most, and the copies of a text that libpng and libvips have together (measured: 4.1 to 5). */
const INFLATED = 1032;
const COPIES = 5;

/**
 * Tables of a group of five prefix codes in libwebp, at most: 5,004 places of 4 bytes, and 568 beside. And by the bits that the
 * stream spends on them: 20 at least, for codes of one value each, whose tables have 256 places.
 */
const GROUP_BYTES = 5_004 * 4 + 568;
const GROUP_BYTES_PER_BYTE = Math.ceil((8 / 20) * (5 * 256 * 4 + 568));

/**
 * Bytes: those of the pixels that come out, once more where they are turned, what the decoder keeps of the whole picture, and what
 * 16-bit gray becomes, which is decoded as colours (`decodePlan`).
 */
export function memoryToDecode(header: ImageHeader, turned: boolean): number {
  return decodedBytes(header) * (turned ? 2 : 1) + kept(header) + widened(header);
}

/** By the decoder, besides the rows that come out. */
function kept(header: ImageHeader): number {
  const pixels = header.width * header.height;
  switch (header.coding) {
    case 'rows':
      return inflated(header);
    case 'scans':
      return pixels * header.channels * COEFFICIENT_BYTES;
    case 'interlaced':
      return decodedBytes(header) + inflated(header);
    case 'lossy':
      return decodedBytes(header);
    case 'lossless':
      return decodedBytes(header) + pixels * ARGB_BYTES + tables(header);
  }
}

/** Texts and the profile of a PNG. */
function inflated({ packed }: ImageHeader): number {
  return packed * INFLATED * COPIES;
}

/** Of the prefix codes of a lossless WebP: encoders make a few hundred groups, but every 4 x 4 pixels may have their own. */
function tables({ packed, groups }: ImageHeader): number {
  return Math.min(groups * GROUP_BYTES, packed * GROUP_BYTES_PER_BYTE);
}

function widened({ width, height, colour, channels, bits }: ImageHeader): number {
  return colour === 'gray' && bits > 8 ? width * height * (channels + 2) : 0;
}
