/** How many threads may decode in this process: sharp works on threads of libuv's, which others need too. */

import { MOST_DECODE_THREADS } from './decode-pool.ts';

/** Of libuv's threads, those that are left to whatever else needs them: files above all. */
const LEFT_TO_OTHERS = 2;

/** How many libuv has where nobody says. */
const LIBUV_THREADS = 4;

/**
 * One a core, and none that libuv has no thread for. The launcher has it make enough of them. Whoever embeds a gateway says so himself:
 * libuv looks when it is first used, and nobody can know whether that is over when our code runs.
 */
export function decodeThreads(cores: number, { UV_THREADPOOL_SIZE: size }: NodeJS.ProcessEnv): number {
  const libuv = size === undefined ? LIBUV_THREADS : Number.parseInt(size, 10) || 1;
  return Math.max(1, Math.min(cores, MOST_DECODE_THREADS, libuv - LEFT_TO_OTHERS));
}
