/** How `dying-decoder.ts` is told what to do: by what a picture is padded with, and by a file while it starts. */

import { renameSync, writeFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';

/** By what it does. */
export const PADS = {
  exits: 201,
  throws: 202,
  throwsOutside: 203,
  exhaustsHeap: 204,
  waits: 205,
  throwsLater: 206,
  exitsLater: 207,
  sleeps: 208,
  blocks: 209,
} as const;

/** How often threads end while they start, from now on. Whole at once: one may read it at any moment. */
export function setBoots(file: string, left: number): void {
  const whole = `${file}.${threadId}`;
  writeFileSync(whole, String(left));
  renameSync(whole, file);
}
