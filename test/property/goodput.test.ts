import { describe, expect, test } from 'vitest';
import { attainable, type Cell, grid, settingOf, worldOf } from '../../bench/scheduler/cells.ts';
import { ours } from '../../bench/scheduler/own.ts';
import type { Score } from '../../bench/scheduler/tally.ts';
import { play } from '../../bench/scheduler/world.ts';
import { logNormal } from '../support/service-times.ts';
import { type Fate, type Machine, play as playStreams } from '../support/virtual-traffic.ts';

const SEEDS = process.env.SEED === undefined ? [11, 12, 13] : [Number(process.env.SEED)];
/** Cells of each seed, and the share of the full length that they run. */
const CELLS = 14;
const LENGTH = 0.5;

interface Outcome extends Score {
  readonly name: string;
  /** Goodput over that of a server without batches or noise, as quick as the ceiling. */
  readonly attained: number;
  /** Mean time to a rejection over the target. */
  readonly reject: number;
  readonly lateShare: number;
}

/** Curves, targets, lanes and chance drawn from the seed; of those cells of its grid that `which` takes. */
function outcomes(seed: number, which: (cell: Cell, sigma: number) => boolean): Outcome[] {
  const cells = grid(seed).filter((cell) => which(cell, settingOf(cell).curve.weather.sigma));
  return cells.slice(0, CELLS).map((cell) => {
    const setting = settingOf(cell);
    const { curve, lanes, targetUs, profile } = setting;
    const world = worldOf(cell, setting, 0, LENGTH);
    const score = play(world, ours({ lanes, mostRows: curve.mostRows, targetUs, profile }));
    const { good, late, rejectUs } = score;
    return {
      ...score,
      name: `${cell.seed}: ${curve.name}, ${cell.tightness}, load ${cell.load}, ${lanes} lanes`,
      attained: good / attainable(world),
      reject: rejectUs / targetUs,
      lateShare: late / Math.max(1, good + late),
    };
  });
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe.each(SEEDS)('on curves drawn from seed %d', (seed) => {
  const steady = ({ curve, arrivals }: Cell) => curve !== 'drifting' && arrivals === 'poisson';

  test('goodput is 0.8 of what can be had, at 1.5 to 5 times the capacity, and who is refused is refused at once', () => {
    const calm = outcomes(seed, (cell, sigma) => steady(cell) && cell.load > 1.2 && sigma <= 0.1);
    expect(calm).toHaveLength(CELLS);
    for (const { name, attained } of calm) expect(attained, name).toBeGreaterThan(0.8);
    expect(sum(calm.map(({ reject }) => reject)) / CELLS).toBeLessThan(0.05);
  });

  test('few of those who are served are late, as long as service times hardly scatter', () => {
    const calm = outcomes(seed, (cell, sigma) => steady(cell) && sigma > 0 && sigma <= 0.1);
    expect(calm.length).toBeGreaterThan(5);
    const served = sum(calm.map(({ good, late }) => good + late));
    expect(sum(calm.map(({ late }) => late)) / served).toBeLessThan(0.02);
    for (const { name, lateShare } of calm) expect(lateShare, name).toBeLessThan(0.06);
  });

  test.each([1.5, 3])('nor where some have little time and others much, at %d times the capacity', (load) => {
    const us = (rows: number) => 870 + 140 * rows;
    const machine: Machine = { lanes: 2, mostRows: 128, us, noise: logNormal(0.1, 0), queueRows: 4096, sloUs: 0 };
    const ratePerUs = (load * 2 * 64) / us(64);
    const fates = playStreams(
      machine,
      [
        { name: 'hurried', ratePerUs: 0.3 * ratePerUs, patienceUs: 12_000 },
        { name: 'patient', ratePerUs: 0.7 * ratePerUs, patienceUs: 60_000 },
      ],
      4_000_000,
      1_000_000,
      seed,
    );
    const both = Object.values(fates);
    const late = sum(both.map((fate: Fate) => fate.late));
    expect(late / (late + sum(both.map(({ sojournUs }) => sojournUs.length)))).toBeLessThan(0.02);
  });

  test('where they scatter wildly, still more than half of what can be had is served in time', () => {
    const wild = outcomes(seed, (cell, sigma) => steady(cell) && sigma > 0.1);
    expect(wild.length).toBeGreaterThan(3);
    for (const { name, attained } of wild) expect(attained, name).toBeGreaterThan(0.5);
  });
});
