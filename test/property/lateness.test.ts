/** How many promises are broken where service times do what nobody can foresee: bounded, in each run and by far in the mean. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Random } from '../../src/load/random.ts';
import { bestPerUs, type DrawnMachine, MACHINE_FIELDS, usOf } from '../support/drawn-machine.ts';
import { logNormal, pareto } from '../support/service-times.ts';
import { play } from '../support/virtual-traffic.ts';

const seed = Number(process.env.SEED ?? 20_261_129);
console.log(`seed ${seed}`);
const RUNS = 10;

/** What a machine is drawn from; the target in times of a row alone, the load in batches that fit it twice. */
interface Drawn extends DrawnMachine {
  readonly times: number;
  readonly load: number;
  readonly chance: number;
}

const drawn = fc.record<Drawn>({
  ...MACHINE_FIELDS,
  times: fc.integer({ min: 6, max: 36 }),
  load: fc.constantFrom(0.7, 1.5, 3, 5),
  chance: fc.nat(1e6),
});

const CALM = logNormal(0.05, 0);
const bimodal = (random: Random): number => (random.uniform() < 0.1 ? 3 : 1);
/** So many times as long from the middle of the run on, up to a part of it. */
const step =
  (times: number, until = 1) =>
  (part: number): number =>
    part > 0.5 && part < until ? times : 1;
const always = (): number => 1;

/** Part of who was taken and was not answered in time, whether his batch ran or not; and of what could be had, what was. */
function outcome(drawn: Drawn, noise: (random: Random) => number, slowness: (part: number) => number) {
  const { lanes, mostRows, times, load, chance } = drawn;
  const us = usOf(drawn);
  const patienceUs = times * us(1);
  const perUs = bestPerUs(drawn, patienceUs);
  const untilUs = Math.max(1_500_000, 6000 / perUs);
  const machine = { lanes, mostRows, us, noise, slowness: (nowUs: number) => slowness(nowUs / untilUs) };
  const stream = { name: 'all', ratePerUs: load * perUs, patienceUs };
  const {
    late = 0,
    offered = 0,
    sojournUs = [],
  } = play({ ...machine, queueRows: 4096, sloUs: 0 }, [stream], untilUs, untilUs / 4, chance).all ?? {};
  const good = sojournUs.length / Math.min(offered, 0.75 * perUs * untilUs);
  return { late: late / Math.max(1, late + sojournUs.length), good };
}

test.each([
  ['scatter by three tenths', logNormal(0.3, 0), always, 0.12, 0.45, 0.6],
  ['have a heavy tail', pareto(2.2), always, 0.25, 0.5, 0.4],
  ['are three times as long one time in ten', bimodal, always, 0.2, 0.35, 0.45],
  ['double for a while', CALM, step(2, 0.75), 0.08, 0.15, 0.6],
  ['are half as long again from some moment on', CALM, step(1.5), 0.08, 0.15, 0.55],
  ['are half as long from some moment on', CALM, step(0.5), 0.03, 0.08, 0.9],
])('broken promises are bounded where times %s', (_how, noise, slowness, meanMost, most, leastGood) => {
  const lates: number[] = [];
  fc.assert(
    fc.property(drawn, (drawn) => {
      const { late, good } = outcome(drawn, noise, slowness);
      lates.push(late);
      expect(late).toBeLessThan(most);
      expect(good).toBeGreaterThan(leastGood);
    }),
    { seed, numRuns: RUNS, endOnFailure: true },
  );
  expect(lates.reduce((sum, late) => sum + late, 0) / RUNS).toBeLessThan(meanMost);
});
