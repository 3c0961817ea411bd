/** Pictures as a queue knows them: numbers only. */

import type { Waiter } from '../../src/preprocess/decode-queue.ts';

/** One of them. */
export interface QueuedPicture extends Waiter<QueuedPicture> {
  readonly id: number;
}

let ids = 0;

/** A picture of that; small, and everybody's, where nothing is said. */
export function queued(more: Partial<QueuedPicture> = {}): QueuedPicture {
  return { flow: '', work: 1, bytes: 1, fileBytes: 1, previous: null, next: null, id: ids++, ...more };
}
