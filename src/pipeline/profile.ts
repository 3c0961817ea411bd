/**
 * The short profile of a model at load: how long batches of 1, 2, 4, ... rows take on an idle lane. Decides how much time is
 * spent on it; runs nothing itself.
 */

import type { CurvePoint } from '../core/scheduling.ts';

/** Most time spent on one model, microseconds, the first run counted: a start waits for it. */
const BUDGET_US = 150_000;

/** A batch that takes longer, microseconds, is the largest that is tried. */
const MOST_BATCH_US = 100_000;

/** Doubling the rows of a batch that takes at least `WORTH_US` must give so many times the rows per second, else it is enough. */
const LEAST_GAIN = 1.03;
const WORTH_US = 1000;

/** Runs of each size: at least (where there is time, or one takes less than `CHEAP_US`), and at most. */
const FIRST_RUNS = 3;
const CHEAP_US = 5_000;
const ROUNDS = 100;

/** Two sizes in succession whose times differ by less leave no doubt about what lies between them. */
const TELLING = 1.3;

/** One run of a batch: inside ONNX Runtime, and as whoever sent it to the lane sees it. Microseconds. */
export interface TimedRun {
  readonly runUs: number;
  readonly us: number;
}

/** The least of several runs of one size. */
export interface ProfilePoint extends TimedRun {
  readonly rows: number;
}

/**
 * Runs a batch of so many rows. Null where it cannot run (these inputs are not valid, or there is no memory for them): no
 * larger one is tried.
 */
export type Attempt = (rows: number) => Promise<TimedRun | null>;

/**
 * Least times of batches of 1, 2, 4, ... rows, and of the sizes just above them where those tell steps from lines; what a
 * model takes when the machine does nothing else. Rows ascending; empty where not even one row runs.
 * @param most largest batch
 * @param spentUs time that was spent on the model before; counted up to a third of all
 */
export async function profile(attempt: Attempt, most: number, spentUs = 0): Promise<readonly ProfilePoint[]> {
  const runs = new Runs(attempt, spentUs);
  await double(runs, most);
  for (const rows of doubtful(runs.points())) await runs.run(rows);
  const sizes = runs.points().map(({ rows }) => rows);
  for (let round = 0; round < ROUNDS && runs.affords(1, FIRST_RUNS); round++) {
    for (const rows of sizes) await runs.run(rows);
  }
  return runs.points();
}

/** The times of a profile as the driver will see them where its batches run. */
export function curveOf(points: readonly ProfilePoint[], inline: boolean): CurvePoint[] {
  return points.map(({ rows, runUs, us }) => ({ rows, us: inline ? runUs : us }));
}

/** What has been run so far. */
class Runs {
  readonly #attempt: Attempt;
  readonly #least = new Map<number, ProfilePoint>();
  readonly #counts = new Map<number, number>();
  #spentUs: number;

  constructor(attempt: Attempt, spentUs: number) {
    this.#attempt = attempt;
    this.#spentUs = Math.min(spentUs, BUDGET_US / 3);
  }

  least(rows: number): ProfilePoint | null {
    return this.#least.get(rows) ?? null;
  }

  /** Whether there is time for a batch that takes about this long, and has been run so often: a stall must not end it all. */
  affords(us: number, runs: number): boolean {
    return this.#spentUs + us <= BUDGET_US || (us < CHEAP_US && runs < FIRST_RUNS);
  }

  /** One run, where there is time for another one of its size. Says whether it ran. */
  async run(rows: number): Promise<boolean> {
    const before = this.#least.get(rows);
    const count = this.#counts.get(rows) ?? 0;
    if (before !== undefined && !this.affords(before.us, count)) return false;
    this.#counts.set(rows, count + 1);
    const found = await this.#attempt(rows);
    if (found === null) return false;
    this.#spentUs += found.us;
    const us = Math.min(found.us, before?.us ?? found.us);
    this.#least.set(rows, { rows, us, runUs: Math.min(found.runUs, before?.runUs ?? found.runUs) });
    return true;
  }

  points(): ProfilePoint[] {
    return [...this.#least.values()].sort((a, b) => a.rows - b.rows);
  }
}

/** Tries 1, 2, 4, ... rows until more is of no use, takes too long, or does not run. */
async function double(runs: Runs, most: number): Promise<void> {
  let before: ProfilePoint | null = null;
  for (let rows = 1; ; rows = Math.min(most, rows * 2)) {
    if (before !== null && !runs.affords(before.us * 2, 0)) return;
    const point = await first(runs, rows);
    if (point === null || rows >= most || point.us > MOST_BATCH_US) return;
    if (before !== null && point.us >= WORTH_US && gain(before, point) < LEAST_GAIN) return;
    before = point;
  }
}

/** The first runs of a size: of long batches only two, so that time is left for all. */
async function first(runs: Runs, rows: number): Promise<ProfilePoint | null> {
  for (let i = 0; i < FIRST_RUNS && (await runs.run(rows)); i++) {
    if (i > 0 && (runs.least(rows)?.us ?? 0) >= CHEAP_US) break;
  }
  return runs.least(rows);
}

/** How many times the rows per second the second one gives. */
function gain(a: ProfilePoint, b: ProfilePoint): number {
  return b.rows / b.us / (a.rows / a.us);
}

/** Sizes just above those that were run, where the next one takes clearly longer: on steps they take as long as that one. */
function doubtful(points: readonly ProfilePoint[]): number[] {
  return points.flatMap((point, i) => {
    const next = points[i + 1];
    if (next === undefined || next.rows - point.rows < 4 || next.us < point.us * TELLING) return [];
    return [point.rows + 1];
  });
}
