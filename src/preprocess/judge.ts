/**
 * Whether a picture may be decoded, judged by its header alone: a bomb is refused before a decoder sees it, and what is no
 * picture never meets one. Nothing is ever fetched.
 */

import { GatewayError, invalid } from '../core/error.ts';
import type { Limit } from '../core/limit.ts';
import type { Binding, Memory } from '../native/binding.ts';
import { type ImageHeader, readImageHeader } from '../native/image-header.ts';

/** What every picture is held to: of the configuration's `limits`, under the same names. */
export interface PictureLimits {
  /** Most pixels. */
  readonly imagePixels: number;
  /** Most frames of an animation, of which the first is decoded. */
  readonly imageFrames: number;
  /** Most bytes as pixels (`decodedBytes`). */
  readonly imageBytes: number;
}

/** Longest side that the kernels take; of the three formats only PNG could have a longer one. */
const LONGEST_SIDE = 65_535;

const LOCATOR = /^\s*(?:https?|ftp|file|data|s3|gs|blob):/i;
const LOCATOR_BYTES = 16;

/**
 * The header of the picture that is `length` bytes at `offset`.
 * @throws {GatewayError} UNSUPPORTED_MEDIA_TYPE where it is neither JPEG, PNG nor WebP; PAYLOAD_TOO_LARGE beyond a limit;
 * INVALID_ARGUMENT where it is empty, a locator, malformed, truncated, or of colours that no model has. Sentences begin "the image"
 */
export function judgePicture(
  binding: Binding,
  limits: PictureLimits,
  file: Memory,
  offset: number,
  length: number,
): ImageHeader {
  const header = readImageHeader(binding, file, offset, length);
  if (header.status === 'unknown') throw noPicture(file, offset, length);
  if (header.status === 'malformed') {
    throw invalid(`the image is no well-formed ${nameOf(header.format)}: ${header.reason} (byte ${header.offset})`);
  }
  const refusal = tooLarge(header, limits) ?? notTaken(header);
  if (refusal !== null) throw refusal;
  return header;
}

/** Memory that a picture takes as pixels, bytes: samples of over 8 bits are decoded to two before they are narrowed. */
export function decodedBytes({ width, height, channels, bits }: ImageHeader): number {
  return width * height * channels * (bits > 8 ? 2 : 1);
}

function noPicture(file: Memory, offset: number, length: number): GatewayError {
  if (length === 0) return invalid('the image is empty');
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  const start = bytes.subarray(offset, offset + Math.min(length, LOCATOR_BYTES));
  if (LOCATOR.test(String.fromCharCode(...start))) {
    return invalid('the image is to be sent itself: these bytes are its address, and nothing is fetched');
  }
  return new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the image is neither JPEG, PNG nor WebP');
}

function tooLarge(header: ImageHeader, limits: PictureLimits): GatewayError | null {
  const { width, height, frames } = header;
  const size = `${width} x ${height} pixels`;
  if (width * height > limits.imagePixels) {
    return beyond('imagePixels', `the image has ${size}, more than the limit of ${limits.imagePixels}`);
  }
  if (Math.max(width, height) > LONGEST_SIDE) {
    return beyond('imagePixels', `the image has ${size}: no side may be longer than ${LONGEST_SIDE}`);
  }
  if (frames > limits.imageFrames) {
    return beyond('imageFrames', `the image has ${frames} frames, more than the limit of ${limits.imageFrames}`);
  }
  const bytes = decodedBytes(header);
  if (bytes <= limits.imageBytes) return null;
  const depth = `${header.channels} channels of ${header.bits} bits`;
  const sentence = `the image has ${size} in ${depth}: ${bytes} bytes, more than the limit of ${limits.imageBytes}`;
  return beyond('imageBytes', sentence);
}

/** What some decoders know and none of ours turns into colours that a model was trained on. */
function notTaken(header: ImageHeader): GatewayError | null {
  const name = nameOf(header.format);
  if (header.colour === 'cmyk') return invalid(`the image is a ${name} in CMYK; RGB, YCbCr and gray are taken`);
  if (header.format === 'jpeg' && header.bits > 8) {
    return invalid(`the image is a JPEG of ${header.bits} bits a sample; 8 are taken`);
  }
  return header.truncated ? invalid(`the image is a ${name} that ends too early: bytes are missing`) : null;
}

function beyond(limit: Limit, sentence: string): GatewayError {
  return new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit });
}

function nameOf(format: ImageHeader['format']): string {
  return { jpeg: 'JPEG', png: 'PNG', webp: 'WebP' }[format];
}
