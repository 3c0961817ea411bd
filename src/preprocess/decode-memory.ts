/** How much memory a picture takes while it is decoded: its pixels, and what its form makes the decoder keep besides. */

import type { ImageHeader } from '../native/image-header.ts';
import { decodedBytes } from './judge.ts';

/** Where IHDR has its interlace method. */
const PNG_INTERLACE = 28;

/** Markers of progressive frames, coded by Huffman and arithmetically; and those between C0 and CF that are no frames. */
const PROGRESSIVE = [0xc2, 0xca];
const NO_FRAMES = [0xc4, 0xc8, 0xcc];

/**
 * Bytes, in whole multiples of its pixels: once for those that come out, once more where all of it must be there before a row can
 * come out (interlaced PNG, any WebP) or be turned, twice for the coefficients of a progressive JPEG, which have two bytes each.
 * @param file well-formed by `judgePicture`, which `header` is of
 */
export function memoryToDecode(file: Uint8Array, header: ImageHeader, turned: boolean): number {
  return decodedBytes(header) * (1 + Number(turned) + kept(file, header));
}

function kept(file: Uint8Array, { format }: ImageHeader): number {
  if (format === 'jpeg') return isProgressive(file) ? 2 : 0;
  return format === 'webp' || file[PNG_INTERLACE] !== 0 ? 1 : 0;
}

/** From segment to segment up to the frame header. */
function isProgressive(file: Uint8Array): boolean {
  for (let at = 2; at + 3 < file.length; ) {
    const marker = file[at + 1];
    if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAMES.includes(marker)) return PROGRESSIVE.includes(marker);
    // A byte of fill, or a marker that stands alone.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + (file[at + 2] << 8) + file[at + 3];
  }
  return false;
}
