/** Models that share lanes: what a flood of one does to another, and what is said to be left. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Fate, type Machine, pictures, play, quantile, type Stream } from '../support/virtual-traffic.ts';

const seed = Number(process.env.SEED ?? 20_261_129);
console.log(`seed ${seed}`);

const lost = (fate: Fate | undefined) => ((fate?.refused ?? 0) + (fate?.late ?? 0)) / (fate?.offered ?? 1);
const at = (fate: Fate | undefined, q: number) => quantile(fate?.sojournUs ?? [], q);

/** A model whose batches pay. */
const quick: Machine = { lanes: 1, mostRows: 32, us: (n) => 1000 + 100 * n, queueRows: 4096, sloUs: 50_000 };
const alone: Machine = { ...quick, mostRows: 1 };
const slow: Machine = { ...quick, us: (n) => 8000 + 500 * n };

/** Rows per microsecond of its largest batches. */
const most = ({ lanes, on, mostRows, us }: Machine) => ((on?.length ?? lanes) * mostRows) / us(mostRows);

/** Loads of models in times of what the machine does, the first of them one that is asked about. */
function streams(machines: readonly Machine[], loads: readonly number[], change: Partial<Stream>[] = []): Stream[] {
  return machines.map((machine, model) => ({
    name: `${model}`,
    tenant: `${model}`,
    model,
    ratePerUs: (loads[model] ?? 0) * most(machine),
    patienceUs: machine.sloUs,
    ...change[model],
  }));
}

describe('a model below its share', () => {
  test.each([
    ['one by one', alone, 3],
    ['one by one', alone, 10],
    ['in batches', quick, 3],
    ['in batches', quick, 10],
  ])(
    'waits for hardly more than one batch of the flood of another on its lane, and loses nothing: %s',
    (_, machine, flood) => {
      for (const [one, other] of [
        [2, 2],
        [3, 1],
      ]) {
        const all = streams([machine, machine], [0.1, flood], [{ priority: one }, { priority: other, fromUs: 3e5 }]);
        const { 0: solo } = play([machine, machine], all.slice(0, 1), 2.5e6, 1e6, seed);
        const { 0: light, 1: heavy } = play([machine, machine], all, 2.5e6, 1e6, seed);
        expect(lost(light)).toBeLessThan(0.01);
        expect(at(light, 0.5)).toBeLessThan(at(solo, 0.5) + machine.us(machine.mostRows));
        expect(at(light, 0.99)).toBeLessThan(0.25 * machine.sloUs);
        expect(heavy?.share).toBeGreaterThan(0.7);
      }
    },
  );

  test('hardly waits where it sends a request now and then', () => {
    const rare = { patienceUs: 50_000, ratePerUs: 10e-6 };
    const { 0: light, 1: heavy } = play([quick, quick], streams([quick, quick], [0, 3], [rare]), 4e6, 5e5, seed);
    expect(lost(light)).toBeLessThan(0.05);
    expect(at(light, 0.5)).toBeLessThan(2 * quick.us(32));
    expect(heavy?.share).toBeGreaterThan(0.95);
  });

  test.each([
    ['both on all lanes', [0, 1], [0, 1]],
    ['on one of those of the flood', [1], [0, 1]],
    ['on more than the flood', [0, 1], [1]],
  ])('loses nothing on several lanes: %s', (_, one, other) => {
    const machines = [
      { ...quick, lanes: 2, on: one },
      { ...quick, lanes: 2, on: other },
    ];
    const { 0: light } = play(machines, streams(machines, [0.2, 3]), 2.5e6, 1e6, seed);
    expect(lost(light)).toBeLessThan(0.01);
    expect(at(light, 0.99)).toBeLessThan(0.35 * quick.sloUs);
  });

  test('loses nothing beside a flood of quick batches although its own take long', () => {
    const machines = [slow, quick].map((machine) => ({ ...machine, sloUs: 100_000 }));
    const { 0: light, 1: heavy } = play(machines, streams(machines, [0.1, 3]), 4e6, 1e6, seed);
    expect(lost(light)).toBeLessThan(0.04);
    expect(heavy?.share).toBeGreaterThan(0.4);
  });
});

describe('models that want everything', () => {
  test.each<[string, Machine[], number[]]>([
    ['one asks for more', [quick, quick], [10, 2]],
    ['one by one', [alone, alone], [10, 2]],
    [
      'one has little time',
      [
        { ...quick, sloUs: 10_000 },
        { ...quick, sloUs: 200_000 },
      ],
      [2, 2],
    ],
    [
      'the other has much and floods',
      [
        { ...quick, sloUs: 10_000 },
        { ...quick, sloUs: 200_000 },
      ],
      [2, 10],
    ],
    ['one takes long', [quick, slow].map((machine) => ({ ...machine, sloUs: 100_000 })), [2, 2]],
  ])('share a lane equally: %s', (_, machines, loads) => {
    const fates = play(machines, streams(machines, loads), 2.5e6, 1e6, seed);
    for (const share of [fates[0]?.share, fates[1]?.share]) expect(share).toBeGreaterThan(0.43);
  });
});

test.each([
  ['one by one', alone],
  ['in batches of few', { ...quick, mostRows: 4 }],
  ['in batches', quick],
])('a tenant below his share of a flooded model loses nothing by the flood of another model: %s', (_, machine) => {
  const [one, other] = streams([machine, machine], [3, 3]) as [Stream, Stream];
  const light = { ...one, name: 'light', tenant: 'light', ratePerUs: 0.05 * most(machine) };
  const fates = play([machine, machine], [one, other, light], 4e6, 1.5e6, seed);
  expect(lost(fates.light)).toBeLessThan(0.05);
  expect(fates[1]?.share).toBeGreaterThan(0.4);
});

test('hardly anybody is late where batches take what was expected', () => {
  const kind = fc.record({
    machine: fc.constantFrom(quick, alone, slow),
    sloUs: fc.integer({ min: 20_000, max: 200_000 }),
    load: fc.oneof(fc.double({ min: 0.01, max: 0.4, noNaN: true }), fc.double({ min: 0.4, max: 4, noNaN: true })),
  });
  const kinds = fc.array(kind, { minLength: 2, maxLength: 3 });
  fc.assert(
    fc.property(kinds, fc.integer({ min: 1, max: 2 }), fc.nat(1e6), (kinds, lanes, chance) => {
      const models = kinds.map(({ machine, sloUs }) => ({ ...machine, lanes, sloUs, noise: () => 1 }));
      const loads = kinds.map(({ load }) => load);
      const fates = Object.values(play(models, streams(models, loads), 1e6, 0, chance));
      const sum = (of: (fate: Fate) => number) => fates.reduce((all, fate) => all + of(fate), 0);
      // Who only stood by may be given up at last.
      expect(sum(({ late }) => late)).toBeLessThanOrEqual(1 + 0.002 * sum(({ offered }) => offered));
    }),
    { seed, numRuns: 20, endOnFailure: true },
  );
}, 10_000);

test('models that together want no more than there is are served as they come', () => {
  const many = Array.from({ length: 8 }, () => ({ ...quick, lanes: 2 }));
  const fates = play(many, streams(many, new Array(8).fill(0.1)), 2.5e6, 5e5, seed);
  for (const fate of Object.values(fates)) {
    expect(lost(fate)).toBeLessThan(0.01);
    expect(at(fate, 0.99)).toBeLessThan(0.5 * quick.sloUs);
  }
});

describe('the capacity of a model', () => {
  const drawn = fc.record({
    loads: fc.array(fc.double({ min: 0.05, max: 0.35, noNaN: true }), { minLength: 2, maxLength: 2 }),
    machines: fc.array(fc.constantFrom(quick, alone, slow), { minLength: 2, maxLength: 2 }),
    lanes: fc.integer({ min: 1, max: 3 }),
    chance: fc.nat(1e6),
  });

  test('is what others leave: its headroom can be added and nobody loses by it', () => {
    fc.assert(
      fc.property(drawn, ({ loads, machines, lanes, chance }) => {
        const models = machines.map((machine) => ({ ...machine, lanes, sloUs: 200_000 }));
        const [one, other] = streams(models, loads) as [Stream, Stream];
        const [view] = pictures(models, [one, other], 2e6, chance);
        const headroomPerUs = (view?.headroomRowsPerS ?? 0) / 1e6;
        const capacityPerUs = most(models[0] as Machine);
        // What is left of the lanes is not kept back either.
        const left = 1 - (loads[0] as number) - (loads[1] as number);
        expect(headroomPerUs).toBeGreaterThan(0.7 * left * capacityPerUs);
        const fates = play(
          models,
          [{ ...one, ratePerUs: one.ratePerUs + 0.85 * headroomPerUs }, other],
          3e6,
          1e6,
          chance,
        );
        for (const fate of Object.values(fates)) expect(lost(fate)).toBeLessThan(0.05);
      }),
      { seed, numRuns: 10, endOnFailure: true },
    );
  });

  test('is its share where others want everything, and leaves no headroom', () => {
    for (const view of pictures([quick, quick], streams([quick, quick], [0.8, 0.8]), 2e6, seed)) {
      expect(view.capacityRowsPerS / 1e6).toBeGreaterThan(0.45 * most(quick));
      expect(view.capacityRowsPerS / 1e6).toBeLessThan(0.51 * most(quick));
      expect(view.headroomRowsPerS).toBe(0);
    }
  });

  test('is all there is where the others ask for nothing', () => {
    const [view] = pictures([quick, quick], streams([quick, quick], [0.4]).slice(0, 1), 2e6, seed);
    expect(view?.capacityRowsPerS).toBeGreaterThan(0.9e6 * most(quick));
    expect(view?.headroomRowsPerS).toBeCloseTo((view?.capacityRowsPerS ?? 0) - (view?.offeredRowsPerS ?? 0));
  });
});
