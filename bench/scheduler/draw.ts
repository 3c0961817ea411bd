/** Further shapes of chance. */

import type { Random } from '../../src/load/random.ts';

/** Even on [low, high). */
export function between(low: number, high: number, random: Random): number {
  return low + (high - low) * random.uniform();
}

/** Even in the logarithm. */
export function logBetween(low: number, high: number, random: Random): number {
  return Math.exp(between(Math.log(low), Math.log(high), random));
}

/** Mean 0, deviation 1: Box and Muller's first. */
export function normal(random: Random): number {
  const radius = Math.sqrt(random.exponential(2));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}

/** One of them, each as likely. @param items not empty */
export function oneOf<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random.uniform() * items.length)] as T;
}
