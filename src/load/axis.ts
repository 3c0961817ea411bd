/** Axes of a plot: where a value stands between 0 and 1, and which ticks are drawn. */

import { whole } from './units.ts';

/** Where a tick stands (0 to 1), and what is written at it. */
export type Tick = readonly [at: number, label: string];

/** One axis. */
export interface Axis {
  readonly title: string;
  /** Place of a value, 0 to 1. */
  readonly place: (value: number) => number;
  readonly ticks: readonly Tick[];
}

/** About how many ticks a linear axis has. */
const LINEAR_TICKS = 5;
/** Steps within a decade. */
const STEPS = [1, 2, 5];
/** More decades than this have a tick each and none in between. */
const DENSE_DECADES = 2;

/** From 0 to at least `most`. */
export function linearAxis(title: string, most: number): Axis {
  const step = roundAbove(Math.max(most, 1e-9) / LINEAR_TICKS);
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  const end = step * count;
  const ticks = Array.from({ length: count + 1 }, (_, i): Tick => [i / count, roundLabel(step * i)]);
  return { title, place: (value) => value / end, ticks };
}

/** Logarithmic from the round number below `least` to the one above `most`; both over 0. */
export function logAxis(title: string, least: number, most: number, label: (value: number) => string): Axis {
  const low = roundBelow(least);
  const high = roundAbove(Math.max(most, low * 1.01));
  const place = (value: number) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
  const dense = Math.log10(high / low) <= DENSE_DECADES;
  const ticks: Tick[] = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++) {
    for (const step of dense ? STEPS : [1]) {
      const value = step * 10 ** decade;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push([place(value), label(value)]);
    }
  }
  return { title, place, ticks };
}

/** Quantiles, each nine as wide as the one before it: 0, 90, 99, 99.9 %... up to `nines` of them. */
export function tailAxis(title: string, nines: number): Axis {
  const place = (quantile: number) => Math.min(-Math.log10(Math.max(1 - quantile, 1e-12)) / nines, 1);
  const ticks = Array.from({ length: nines + 1 }, (_, i): Tick => [i / nines, nineLabel(i)]);
  return { title, place, ticks };
}

/** A round number, without digits that say nothing. */
function roundLabel(value: number): string {
  return value >= 1000 ? whole(Math.round(value)) : String(Number(value.toPrecision(6)));
}

function nineLabel(nines: number): string {
  if (nines === 0) return '0 %';
  return `${(100 - 100 / 10 ** nines).toFixed(Math.max(0, nines - 2))} %`;
}

function roundAbove(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return [...STEPS, 10].map((step) => step * decade).find((round) => round >= value * 0.999) as number;
}

function roundBelow(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return STEPS.map((step) => step * decade).findLast((round) => round <= value * 1.001) ?? decade;
}
