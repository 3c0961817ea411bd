/** Files that another process writes when it is asked to. */

import { existsSync } from 'node:fs';

/** Longest wait, milliseconds. */
const WRITE_MS = 30_000;

/** Waits until there is a file. @throws where there is none in time */
export async function written(path: string): Promise<void> {
  const deadlineMs = performance.now() + WRITE_MS;
  while (!existsSync(path)) {
    if (performance.now() > deadlineMs) throw new Error(`nobody wrote ${path}`);
    await new Promise((resolveLater) => setTimeout(resolveLater, 50));
  }
}
