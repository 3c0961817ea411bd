/** A decode pool for roads that meet no pictures, or whose test says itself how they are decoded. */

import type { PictureParts } from '../../src/pipeline/pictures.ts';

/** Takes everything, and decodes nothing. */
export function noPictures(): PictureParts['pool'] {
  return {
    waiting: 0,
    cost: () => ({ bytes: 1, work: 1 }),
    announce: () => undefined,
    decode: () => Promise.reject(new Error('no pictures here')),
    cancel: () => undefined,
    expectedUs: () => 0,
    aloneUs: () => 0,
    refusal: () => null,
  };
}
