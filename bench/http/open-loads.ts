/**
 * The open loop of `penstock bench` as a process of its own, told by messages what to send: a list of plans runs at once, and
 * its figures go back, with the good answers second by second.
 */

import type { LoadFigures, LoadPlan } from '../../src/load/figures.ts';
import { runOpenLoop } from '../../src/load/open-loop.ts';

/** One load. */
export interface Sending {
  readonly plan: LoadPlan;
  /** How long answers are awaited behind its end. */
  readonly drainMs: number;
}

/** What one load brought. */
export interface Sent {
  readonly figures: LoadFigures;
  /** Seconds since its start, and good answers until then. */
  readonly looks: readonly (readonly [elapsedS: number, ok: number])[];
}

/** The answer to a list of loads; or why there is none. */
export type Reply = { readonly sent: readonly Sent[] } | { readonly fault: string };

async function send({ plan, drainMs }: Sending): Promise<Sent> {
  const looks: [number, number][] = [];
  const figures = await runOpenLoop(plan, {
    drainMs,
    onProgress: ({ elapsedS, ok }) => looks.push([elapsedS, ok]),
  });
  return { figures, looks };
}

process.on('message', (sendings: readonly Sending[]) => {
  Promise.all(sendings.map(send)).then(
    (sent) => process.send?.({ sent } satisfies Reply),
    (error: Error) => process.send?.({ fault: error.message } satisfies Reply),
  );
});
// Whoever started it has gone.
process.on('disconnect', () => process.exit(0));
