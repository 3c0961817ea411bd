import { describe, expect, test } from 'vitest';
import { type Fate, type Machine, play, quantile, type Stream } from '../support/virtual-traffic.ts';

const SEEDS = [1, 2, 3];
const UNTIL_US = 6_000_000;
const WARM_UP_US = 1_000_000;

/** A model of a millisecond whose batches pay: 870 us, and 140 for each row. */
const machine: Machine = { lanes: 2, mostRows: 128, us: (rows) => 870 + 140 * rows, queueRows: 4096, sloUs: 50_000 };
/** Rows per microsecond of both lanes in batches of 64. */
const CAPACITY = (2 * 64) / machine.us(64);

const served = (fate: Fate | undefined) => (fate?.sojournUs.length ?? 0) / (fate?.offered ?? 1);
const p99 = (fate: Fate | undefined) => quantile(fate?.sojournUs ?? [], 0.99);
const batchUs = machine.us(24);

describe.each(SEEDS)('with seed %d', (seed) => {
  const of = (...streams: Stream[]) => play(machine, streams, UNTIL_US, WARM_UP_US, seed);
  const stream = (name: string, load: number, change: Partial<Stream> = {}): Stream => ({
    name,
    tenant: name,
    ratePerUs: load * CAPACITY,
    patienceUs: 50_000,
    ...change,
  });
  const BEST_EFFORT = { patienceUs: Number.POSITIVE_INFINITY };

  test.each([
    ['both with deadlines', {}, {}],
    ['both best effort', BEST_EFFORT, BEST_EFFORT],
    ['the flood best effort', {}, BEST_EFFORT],
  ])('a tenant at half its share hardly feels another at fifty times as much: %s', (_, one, other) => {
    const victim = stream('victim', 0.25, one);
    const solo = of(victim);
    const flooded = of(victim, stream('flood', 12.5, { ...other, fromUs: 500_000 }));
    expect(served(flooded.victim)).toBeGreaterThan(0.99);
    expect(p99(flooded.victim)).toBeLessThan(1.3 * p99(solo.victim) + batchUs);
    // And the flood is served with what is left.
    expect((flooded.flood?.sojournUs.length ?? 0) / (UNTIL_US - WARM_UP_US)).toBeGreaterThan(0.4 * CAPACITY);
  });

  test('classes that want everything have their shares, and the last is slowed and not starved', () => {
    const classes = [1, 2, 3].map((priority) =>
      stream(`class ${priority}`, 2, { tenant: '', priority, ...BEST_EFFORT }),
    );
    const fates = of(...classes);
    const rates = classes.map(({ name }) => (fates[name]?.sojournUs.length ?? 0) / (UNTIL_US - WARM_UP_US) / CAPACITY);
    expect(rates[0]).toBeGreaterThan(2 * (rates[2] as number));
    expect(rates[2]).toBeGreaterThan(0.08);
  });

  test('best effort is not starved by deadlines that want all of the time, and hardly makes them late', () => {
    const fates = of(stream('promised', 4, { tenant: '' }), stream('best effort', 4, { tenant: '', ...BEST_EFFORT }));
    const rate = (fates['best effort']?.sojournUs.length ?? 0) / (UNTIL_US - WARM_UP_US) / CAPACITY;
    expect(rate).toBeGreaterThan(0.08);
    expect(fates.promised?.late).toBeLessThan(0.02 * (fates.promised?.sojournUs.length ?? 0));
  });

  test('requests with little time do not starve those with much, nor the other way round', () => {
    const tight = stream('tight', 1, { tenant: 'a', patienceUs: 15_000 });
    const loose = stream('loose', 1, { tenant: 'b', patienceUs: 50_000 });
    const fates = of(tight, loose);
    for (const { name } of [tight, loose]) expect(served(fates[name])).toBeGreaterThan(0.25);
  });
});
