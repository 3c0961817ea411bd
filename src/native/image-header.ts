/**
 * The header of an encoded image, as the addon reads it before any decoder sees the bytes: names and sentences for its
 * numbers. It judges nothing: limits are the caller's.
 */

import type { Binding, Memory } from './binding.ts';
import { IMAGE_RESULT_LENGTH, ImagePlace, ImageStatus } from './image-words.ts';

/** The formats that are read. */
export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** How colours are stored: YCbCr counts as RGB, YCCK as CMYK. */
export type ImageColour = 'gray' | 'rgb' | 'palette' | 'cmyk';

/**
 * What the decoder holds of the whole image besides the rows that come out: nothing, a JPEG's coefficients, the pixels of an
 * interlaced PNG, the pixels of a WebP, or those with a plane of ARGB.
 */
export type ImageCoding = 'rows' | 'scans' | 'interlaced' | 'lossy' | 'lossless';

/** What an image says of itself. */
export interface ImageHeader {
  readonly status: 'ok';
  readonly format: ImageFormat;
  /** Pixels as encoded, before any turn by `orientation`. */
  readonly width: number;
  readonly height: number;
  /** As decoded: 1 gray, 2 gray and alpha, 3, 4 (alpha, or CMYK). */
  readonly channels: number;
  /** Per sample as stored: 1, 2, 4, 8, 12 or 16; a palette's are those of its indices, and decode to 8. */
  readonly bits: number;
  readonly colour: ImageColour;
  /** Pictures of an animation: what an APNG announces, what a WebP has; 1 otherwise. */
  readonly frames: number;
  /** EXIF, 1..8; 1 where it is absent or damaged. */
  readonly orientation: number;
  readonly coding: ImageCoding;
  /** Bytes of a WebP's lossless stream; 0 where there is none. */
  readonly packed: number;
  /** Groups of prefix codes in it, at most: a decoder has tables for all of them at once. */
  readonly groups: number;
  /** Bytes are missing at the end, as far as the container tells. */
  readonly truncated: boolean;
}

/** Bytes that are no such image: of another format, or damaged. */
export type NoImageHeader =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'malformed';
      readonly format: ImageFormat;
      /** For the caller who sent it; continues "the image is malformed: ". */
      readonly reason: string;
      /** The byte where it was noticed. */
      readonly offset: number;
    };

const FORMATS = ['jpeg', 'jpeg', 'png', 'webp'] as const;
const COLOURS = ['gray', 'rgb', 'palette', 'cmyk'] as const;
const CODINGS = ['rows', 'scans', 'interlaced', 'lossy', 'lossless'] as const;

/** By the number of the fault (`ImageFault` of image_header.h); # is the bound that was passed. */
const REASONS = [
  '',
  'it ends before its size is known',
  'its signature is damaged',
  'its width or height is 0',
  'its width or height is beyond what the format can hold',
  'a marker was expected',
  'a segment has an impossible length',
  'its coding process is not supported (baseline, extended and progressive are)',
  'its components or their sampling factors are impossible (1, 3 or 4 components, factors of 1 to 4)',
  'its bit depth is impossible for its colours',
  'it has two frame headers',
  'it ends without an image',
  'a chunk is out of place or has an impossible length',
  'its colour type, compression, filter or interlacing is unknown',
  'it has palette colours without a palette',
  'the header of its coded frame is damaged',
  'its coded frame has another size than its container announces',
  'a frame lies outside the canvas',
  'it has more than # scans',
  'it has more than # segments',
  'it has more than # bytes of fill',
  'it has more than # chunks',
] as const;

/**
 * Reads the header of `length` bytes at `offset`. Linear in the length with a small constant; never throws for what the
 * bytes are.
 * @throws RangeError where the range lies outside the memory
 */
export function readImageHeader(
  binding: Binding,
  memory: Memory,
  offset = 0,
  length = memory.byteLength - offset,
): ImageHeader | NoImageHeader {
  const found = new Float64Array(IMAGE_RESULT_LENGTH);
  const status = binding.imageHeader(memory, offset, length, found);
  if (status === ImageStatus.UNKNOWN) return { status: 'unknown' };
  const format = FORMATS[found[ImagePlace.FORMAT]];
  if (status === ImageStatus.MALFORMED) {
    const reason = REASONS[found[ImagePlace.FAULT]].replace('#', String(found[ImagePlace.FAULT_BOUND]));
    return { status: 'malformed', format, reason, offset: found[ImagePlace.FAULT_OFFSET] };
  }
  return {
    status: 'ok',
    format,
    width: found[ImagePlace.WIDTH],
    height: found[ImagePlace.HEIGHT],
    channels: found[ImagePlace.CHANNELS],
    bits: found[ImagePlace.BITS],
    colour: COLOURS[found[ImagePlace.COLOUR]],
    frames: found[ImagePlace.FRAMES],
    orientation: found[ImagePlace.ORIENTATION],
    coding: CODINGS[found[ImagePlace.CODING]],
    packed: found[ImagePlace.PACKED],
    groups: found[ImagePlace.GROUPS],
    truncated: found[ImagePlace.TRUNCATED] === 1,
  };
}
