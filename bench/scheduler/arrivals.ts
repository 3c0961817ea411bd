/** When requests arrive in a simulated run: a Poisson stream whose rate may change with time, drawn by thinning. */

import { Random } from '../../src/load/random.ts';
import { between } from './draw.ts';

/** How the rate changes. */
export const ARRIVAL_KINDS = ['poisson', 'bursty', 'ramp'] as const;

/** One of them. */
export type ArrivalKind = (typeof ARRIVAL_KINDS)[number];

/** A stream to draw. */
export interface Stream {
  readonly kind: ArrivalKind;
  /** Mean, per second. */
  readonly rate: number;
  readonly horizonUs: number;
  /** Bursts and silences are measured in it. */
  readonly targetUs: number;
  readonly seed: number;
}

/** A ramp rises from this share of the mean rate to twice the rate less it. */
const RAMP_FROM = 0.2;

/**
 * Rising times inside the horizon.
 * `poisson`: one rate. `bursty`: bursts of 1 to 6 targets at 2 to 4 times the rate, and silence between them so that the mean
 * is the rate; every length is drawn from half to one and a half times its mean. `ramp`: from 0.2 to 1.8 of the rate.
 */
export function drawArrivals(stream: Stream): Float64Array {
  const random = new Random(stream.seed);
  const { kind, rate, horizonUs } = stream;
  if (kind === 'bursty') return bursts(stream, random);
  if (kind === 'poisson') return thinned(rate, horizonUs, () => 1, random);
  const steepest = 2 - RAMP_FROM;
  const share = (us: number) => (RAMP_FROM + ((steepest - RAMP_FROM) * us) / horizonUs) / steepest;
  return thinned(rate * steepest, horizonUs, share, random);
}

/** Poisson at the highest rate, of which `share` is kept. */
function thinned(highest: number, horizonUs: number, share: (us: number) => number, random: Random): Float64Array {
  const times: number[] = [];
  for (let us = random.exponential(1e6 / highest); us < horizonUs; us += random.exponential(1e6 / highest)) {
    const kept = share(us);
    if (kept >= 1 || random.uniform() < kept) times.push(us);
  }
  return Float64Array.from(times);
}

function bursts({ rate, horizonUs, targetUs }: Stream, random: Random): Float64Array {
  const factor = between(2, 4, random);
  const burstUs = targetUs * between(1, 6, random);
  const times: number[] = [];
  let us = 0;
  while (us < horizonUs) {
    const untilUs = Math.min(us + burstUs * between(0.5, 1.5, random), horizonUs);
    for (
      us += random.exponential(1e6 / (rate * factor));
      us < untilUs;
      us += random.exponential(1e6 / (rate * factor))
    ) {
      times.push(us);
    }
    us = untilUs + burstUs * (factor - 1) * between(0.5, 1.5, random);
  }
  return Float64Array.from(times);
}
