import { describe, expect, test } from 'vitest';
import { decoderFailed, undecodable } from '../../../src/preprocess/decode-faults.ts';

describe('what a decoder says of memory is the server’s fault, and worth another try', () => {
  // Of libvips 8.18, sharp 0.35, libjpeg-turbo and libpng, as they are in the strings of the library.
  test.each([
    'vips_tracked: out of memory -- size == 183MB',
    'vips_image_write_to_memory: out of memory -- size == 183MB',
    'Could not allocate enough memory for raw output',
    'VipsJpeg: Insufficient memory (case 4)',
    'vipspng: Out of memory',
    'vipspng: IDAT: insufficient memory',
    'unable to allocate read buffer',
    'failed to allocate 1048576 bytes',
    'std::bad_alloc',
  ])('%s', (sentence) => {
    const error = undecodable(sentence);
    expect([error.code, error.status, error.cause]).toEqual(['OVERLOADED', 503, new Error(sentence)]);
  });

  test.each([
    new RangeError('Array buffer allocation failed'),
    Object.assign(new Error('Failed to allocate memory'), { code: 'ERR_MEMORY_ALLOCATION_FAILED' }),
    new Error('std::bad_alloc'),
  ])('thrown on the way: %s', (error) => {
    expect(decoderFailed(error)).toMatchObject({ code: 'OVERLOADED', cause: error });
  });
});

test.each([
  'VipsJpeg: premature end of JPEG image',
  'vipspng: libpng read error',
  'Warning treated as error due to failOn setting\nInvalid palette size, hIST allocation skipped',
  'webp2vips: unable to read pixels',
])('what it says of damage is the picture’s: %s', (sentence) => {
  expect(undecodable(sentence)).toMatchObject({ code: 'INVALID_ARGUMENT', status: 400 });
});

test('a thread whose own heap is full is no reason to come again with the same picture', () => {
  const message = 'Worker terminated due to reaching memory limit: JS heap out of memory';
  const error = Object.assign(new Error(message), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
  expect(decoderFailed(error)).toMatchObject({ code: 'INTERNAL', cause: error });
});
