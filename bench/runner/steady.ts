/** The best that a server does steadily: rates climb around a guess, and the one that brought most good answers is taken. */

import type { LoadFigures } from '../../src/load/figures.ts';

/** Parts of the guess, rising; beyond the last of them each rate is so much above the one before. */
const CLIMB = [0.15, 0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.95, 1.02, 1.1];
const BEYOND = 1.1;
const MOST_BEYOND = 16;
/** A rate that brings less than this part of the best is far beyond it: higher ones are not tried. */
const FALLEN = 0.85;

/** The rate offered, and the good answers per second that it brought. */
export interface Steady {
  readonly rate: number;
  readonly goodput: number;
}

/**
 * Climbs until goodput falls.
 * @param guess about the rate that the server can do, per second. @param run a slice at that rate
 */
export async function bestSteady(guess: number, run: (rate: number) => Promise<LoadFigures>): Promise<Steady> {
  let best: Steady = { rate: 0, goodput: 0 };
  let rate = 0;
  for (let i = 0; i < CLIMB.length + MOST_BEYOND; i++) {
    // Beyond the list it is worth climbing only while the last step was the best.
    if (i >= CLIMB.length && best.rate !== rate) break;
    rate = i < CLIMB.length ? guess * (CLIMB[i] as number) : rate * BEYOND;
    const { goodput } = await run(rate);
    if (goodput > best.goodput) best = { rate, goodput };
    else if (goodput < FALLEN * best.goodput) break;
  }
  if (best.goodput === 0) throw new Error('not one answer was good at any rate');
  return best;
}

/** Connections on which `rate` requests a second can be awaited for so long, bounded on both sides. */
export function connectionsFor(rate: number, deadlineMs: number): number {
  return Math.min(2_048, Math.max(64, Math.ceil((2 * rate * deadlineMs) / 1000)));
}
