/**
 * How many connections each listener may have open. Each is an open file, and where those run out nothing can be accepted:
 * not the admin listener's either, and the loop turns without end over a socket that stays ready. So a bound below that is kept.
 */

import { readFileSync } from 'node:fs';

/** Files that the process itself has open (some thirty, and five a worker), and those that models and logs need for a while. */
const OWN_FILES = 64;
const WORKER_FILES = 8;
/** Part of the rest that the inference listener may have; what is left is the admin listener's. */
const INFERENCE_SHARE = 0.75;

/** Connections by listener. */
export interface ConnectionBounds {
  readonly inference: number;
  readonly admin: number;
}

/** Most files that this process may open; Infinity where the system does not say (only Linux does). */
export function openFileLimit(read: () => string = () => readFileSync('/proc/self/limits', 'utf8')): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(read())?.[1];
    return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** @param limit the configured most of a listener. @param files most that the process may open */
export function connectionBounds(limit: number, files: number, workers: number): ConnectionBounds {
  const left = files - OWN_FILES - WORKER_FILES * workers;
  const bound = (share: number) => Math.max(1, Math.min(limit, Math.floor(left * share)));
  return { inference: bound(INFERENCE_SHARE), admin: bound(1 - INFERENCE_SHARE) };
}

/** The bounds of this process. @param onFewer told where they are below `limit`: how many, and the files that it may open */
export function ownConnectionBounds(
  limit: number,
  workers: number,
  onFewer: (taken: number, files: number) => void,
): ConnectionBounds {
  const files = openFileLimit();
  const bounds = connectionBounds(limit, files, workers);
  if (bounds.inference < limit) onFewer(bounds.inference, files);
  return bounds;
}
