/** The addon against its reference for as long as there is time: the properties of the tests, each time from a fresh seed. */

import fc from 'fast-check';
import { LIFT_PROPERTIES, type LiftProperty } from '../support/lift-properties.ts';

/** Lifts per property and turn: few, so that the time is kept. */
const RUNS = 300;

/** How it went. */
export interface DifferentialReport {
  readonly runs: number;
  /** Seed and shrunk counterexample; null where nothing was found. */
  readonly finding: string | null;
}

/**
 * Runs until the time is over, or both disagree.
 * @param seed of the first turn; the next one's is one more
 */
export function runDifferential(
  seed: number,
  seconds: number,
  properties: readonly LiftProperty[] = LIFT_PROPERTIES,
): DifferentialReport {
  const untilMs = performance.now() + seconds * 1000;
  let runs = 0;
  for (let turn = 0; performance.now() < untilMs; turn++) {
    for (const { name, property } of properties) {
      const details = fc.check(property, { seed: seed + turn, numRuns: RUNS });
      runs += details.numRuns;
      if (!details.failed) continue;
      return { runs, finding: `seed ${seed + turn}: not equal ${name}\n${fc.defaultReportMessage(details)}` };
    }
  }
  return { runs, finding: null };
}
