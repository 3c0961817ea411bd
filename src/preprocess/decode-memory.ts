/**
 * How much memory a picture takes while it is decoded: its pixels, and what its form makes the decoder keep besides. Where the header
 * does not tell how much that is, it is the most that it can be. By this is known what may be decoded at once; none is refused for it.
 */

import type { ImageHeader } from '../native/image-header.ts';
import type { Placement } from './decode-plan.ts';
import { decodedBytes } from './judge.ts';

/** Of a coefficient, which a JPEG of many scans has for every sample. */
const COEFFICIENT_BYTES = 2;
const ARGB_BYTES = 4;

/** Of the pixels of a JPEG that is decoded smaller one in so many comes out at most: half of both sides. */
const SHRUNK = 4;

/**
 * Of the file, while it is decoded, at most: of a PNG one, made by us (`pixelsOnly`); of the profile and texts of the others, which may be
 * all of the file, what libvips and libjpeg or libwebp make (measured: 2.8 and 2).
 */
const COPIES: Readonly<Record<ImageHeader['format'], number>> = { png: 1, jpeg: 3, webp: 2 };

/**
 * Tables of a group of five prefix codes in libwebp, at most: 5,004 places of 4 bytes, and 568 beside. And by the bits that the
 * stream spends on them: 20 at least, for codes of one value each, whose tables have 256 places.
 */
const GROUP_BYTES = 5_004 * 4 + 568;
const GROUP_BYTES_PER_BYTE = Math.ceil((8 / 20) * (5 * 256 * 4 + 568));

/**
 * Bytes: those of the pixels that come out, once more where they are turned, what the decoder keeps of the whole picture, what 16-bit
 * gray becomes, which is decoded as colours (`decodePlan`), and copies of the file.
 */
export function memoryToDecode(
  header: ImageHeader,
  place: Pick<Placement, 'turn' | 'shrunk'>,
  fileBytes: number,
): number {
  return pixels(header, place) + kept(header) + widened(header) + fileBytes * COPIES[header.format];
}

/** What is turned after it was decoded smaller is small. */
function pixels(header: ImageHeader, { turn, shrunk }: Pick<Placement, 'turn' | 'shrunk'>): number {
  if (shrunk !== null) return Math.ceil(decodedBytes(header) / SHRUNK);
  return decodedBytes(header) * (turn.degrees === 0 ? 1 : 2);
}

/** By the decoder, besides the rows that come out. */
function kept(header: ImageHeader): number {
  const { width, height, channels, coding } = header;
  switch (coding) {
    case 'rows':
      return 0;
    case 'scans':
      return width * height * channels * COEFFICIENT_BYTES;
    case 'interlaced':
    case 'lossy':
      return decodedBytes(header);
    case 'lossless':
      return decodedBytes(header) + width * height * ARGB_BYTES + tables(header);
  }
}

/** Of the prefix codes of a lossless WebP: encoders make a few hundred groups, but every 4 x 4 pixels may have their own. */
function tables({ packed, groups }: ImageHeader): number {
  return Math.min(groups * GROUP_BYTES, packed * GROUP_BYTES_PER_BYTE);
}

function widened({ width, height, colour, channels, bits }: ImageHeader): number {
  return colour === 'gray' && bits > 8 ? width * height * (channels + 2) : 0;
}
