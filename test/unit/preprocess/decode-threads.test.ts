import { expect, test } from 'vitest';
import { MOST_DECODE_THREADS } from '../../../src/preprocess/decode-pool.ts';
import { decodeThreads } from '../../../src/preprocess/decode-threads.ts';

test.each([
  ['one a core where the launcher has said how many libuv has', 2, '6', 2],
  ['and on many cores', 64, String(4 + MOST_DECODE_THREADS), MOST_DECODE_THREADS],
  ['two of the four that libuv has by itself, where a gateway is embedded', 64, undefined, 2],
  ['one on one core', 1, undefined, 1],
  ['one where libuv has hardly any', 64, '1', 1],
  ['one where what is said is no number, which libuv takes for 1', 64, 'many', 1],
])('%s', (_, cores, size, threads) => {
  expect(decodeThreads(cores, size === undefined ? {} : { UV_THREADPOOL_SIZE: size })).toBe(threads);
});
