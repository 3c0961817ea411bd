/** How much memory a picture takes while it is decoded: its pixels, and what its form makes the decoder keep besides. */

import type { ImageHeader } from '../native/image-header.ts';
import { decodedBytes } from './judge.ts';

/** Of a coefficient, which a JPEG of many scans has for every sample. */
const COEFFICIENT_BYTES = 2;
const ARGB_BYTES = 4;

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
      return 0;
    case 'scans':
      return pixels * header.channels * COEFFICIENT_BYTES;
    case 'lossless':
      return decodedBytes(header) + pixels * ARGB_BYTES;
    default:
      return decodedBytes(header);
  }
}

function widened({ width, height, colour, channels, bits }: ImageHeader): number {
  return colour === 'gray' && bits > 8 ? width * height * (channels + 2) : 0;
}
