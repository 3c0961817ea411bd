/** What a scenario is, what it is given, and what it brings. */

import type { LayoutName } from './layout.ts';

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  readonly sliceS: number;
  /** For scenarios that count requests. */
  readonly requests: number;
  /** Whether a leak is planted that must be found. */
  readonly leak: boolean;
  /** Names of rivals; empty for all. */
  readonly peers: readonly string[];
  /** Of the scenarios in open loop. */
  readonly layout: LayoutName;
  /** Of what is drawn at random. */
  readonly seed: number;
}

/** Medians over the rounds, and the 95 % interval of the figure. */
export interface Outcome {
  readonly figure: number;
  readonly interval: readonly [number, number];
  /** Our server against itself inside a round: what noise alone makes. NaN where there is none. */
  readonly aa: number;
  readonly detail: Readonly<Record<string, number>>;
  /** Where a scenario judges itself: what is wrong, empty for nothing. */
  readonly fault?: string;
  /** What does not fit a line. */
  readonly tables?: readonly Table[];
}

/** Cells as they are printed, and the same unrounded for the file. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Lines under it. */
  readonly notes: readonly string[];
  readonly data: unknown;
}

/** A scenario of the bench. */
export interface Scenario {
  readonly what: string;
  readonly target: string;
  /** Writes the folder of models that `run` is given; what it holds is hashed for the record. */
  readonly write: (models: string) => Promise<void>;
  readonly run: (effort: Effort, models: string) => Promise<Outcome>;
  /** Which arguments make it again. */
  readonly scale: 'slices' | 'requests' | 'grid';
  /** Whether it needs no load generator. */
  readonly withoutWrk?: boolean;
  /** Length of a slice unless said, seconds. */
  readonly sliceS?: number;
}
