/** The best that a server does steadily: rates climb around a guess, and the one that brought most good answers is taken. */

import type { LoadFigures } from '../../src/load/figures.ts';

/** Parts of the guess, rising. */
const CLIMB = [0.4, 0.55, 0.7, 0.8, 0.88, 0.95, 1.02, 1.1];
/** A rate that brings less than this part of the best is far beyond it: higher ones are not tried. */
const FALLEN = 0.85;

/** The rate offered, and the good answers per second that it brought. */
export interface Steady {
  readonly rate: number;
  readonly goodput: number;
}

/** @param guess about the rate that the server can do, per second. @param run a slice at that rate */
export async function bestSteady(guess: number, run: (rate: number) => Promise<LoadFigures>): Promise<Steady> {
  let best: Steady = { rate: guess * (CLIMB[0] as number), goodput: 0 };
  for (const part of CLIMB) {
    const { goodput } = await run(guess * part);
    if (goodput > best.goodput) best = { rate: guess * part, goodput };
    else if (goodput < FALLEN * best.goodput) break;
  }
  return best;
}

/** Connections on which `rate` requests a second can be awaited for so long, bounded on both sides. */
export function connectionsFor(rate: number, deadlineMs: number): number {
  return Math.min(2_048, Math.max(64, Math.ceil((2 * rate * deadlineMs) / 1000)));
}
