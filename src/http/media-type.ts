/**
 * The media type of an inference body. Real clients send JSON under any of them, so only one kind is looked at: what calls itself an
 * image is one picture. Which of the formats it is in is read from its bytes.
 */

import { type PictureWishes, queryWishes } from '../codec/picture-plan.ts';
import { GatewayError } from '../core/error.ts';
import type { Target } from '../pipeline/target.ts';

/** Formats that are decoded (RFC 9110, section 8.3.1: names are compared without regard to case). */
export const PICTURE_TYPES: readonly string[] = ['image/jpeg', 'image/png', 'image/webp'];

/** Where the slash of `image/` stands. */
const SLASH = 5;

/** Whether a `Content-Type` is that of an image. */
export function isImageType(contentType: string): boolean {
  return contentType[SLASH] === '/' && contentType.slice(0, SLASH).toLowerCase() === 'image';
}

/**
 * What is said of the picture in a body of that image type.
 * @param query of the URL, as it came
 * @throws {GatewayError} UNSUPPORTED_MEDIA_TYPE where the model takes no pictures, or none of that type; INVALID_ARGUMENT
 */
export function pictureWishes(contentType: string, query: string, { model, pictures }: Target): PictureWishes {
  const type = (contentType.split(';', 1)[0] as string).trim().toLowerCase();
  if (pictures === null) {
    const sentence = `model '${model}' takes tensors only: it declares no pipeline for ${shown(type)}`;
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', sentence);
  }
  if (!PICTURE_TYPES.includes(type)) {
    const sentence = `model '${model}' takes ${PICTURE_TYPES.join(', ')} and tensors, not ${shown(type)}`;
    throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', sentence);
  }
  return queryWishes(query, pictures.input);
}

/** As much of a client's text as is worth an answer. */
function shown(type: string): string {
  return type.slice(0, 64);
}
