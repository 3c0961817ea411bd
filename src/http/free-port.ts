/**
 * A free port by number. uWebSockets.js sets SO_REUSEADDR only for a port that is named: one that the kernel chose could not
 * be taken again after a crash while connections of the dead process linger, and a supervised server keeps its ports.
 */

import { createServer } from 'node:net';

/** A free port may be somebody else's when it is taken: another one is looked for so often. */
const TRIES = 8;

/** Has `take` take a free port by number. @returns the port, or null where none was to be had */
export async function onFreePort(host: string, take: (port: number) => Promise<number | null>): Promise<number | null> {
  for (let i = 0; i < TRIES; i++) {
    const taken = await take(await freePort(host));
    if (taken !== null) return taken;
  }
  return null;
}

/** A port of `host` that was free a moment ago, or 0 where none can be had. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0));
    probe.listen(0, host, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
