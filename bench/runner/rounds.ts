/** Interleaving: what drifts during a round weighs on both sides alike, and what differs between our two slices is noise. */

import { median } from '../../src/load/compare.ts';
import type { Outcome } from './scenario.ts';
import { interval } from './statistics.ts';

/** What a round brought. */
export interface Round {
  readonly figure: number;
  /** Our first slice over our second. NaN where there is none. */
  readonly aa: number;
  readonly detail: Readonly<Record<string, number>>;
}

/** A B B A. */
export interface Slices<T, O = T> {
  readonly ours: readonly [T, T];
  readonly other: readonly [O, O];
}

/** Ours, the other twice, ours. */
export async function alternate<T, O = T>(ours: () => Promise<T>, other: () => Promise<O>): Promise<Slices<T, O>> {
  const a = await ours();
  const b = await other();
  const c = await other();
  return { ours: [a, await ours()], other: [b, c] };
}

/** Half the sum of two. */
export function mean([a, b]: readonly [number, number]): number {
  return (a + b) / 2;
}

/** Repeats a round and takes the median of everything. */
export async function measureRounds(rounds: number, one: () => Promise<Round>): Promise<Outcome> {
  const found: Round[] = [];
  for (let i = 1; i <= rounds; i++) {
    const round = await one();
    found.push(round);
    const parts = Object.entries(round.detail).map(([key, value]) => `${key} ${value.toFixed(2)}`);
    process.stderr.write(`round ${i}: ${round.figure.toFixed(3)} (${parts.join(', ')})\n`);
  }
  const figures = found.map(({ figure }) => figure);
  const keys = Object.keys(found[0]?.detail ?? {});
  return {
    figure: median(figures),
    interval: interval(figures),
    aa: median(found.map(({ aa }) => aa)),
    detail: Object.fromEntries(keys.map((key) => [key, median(found.map(({ detail }) => detail[key] as number))])),
  };
}
