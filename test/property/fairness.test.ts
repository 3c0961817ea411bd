import { describe, expect, test } from 'vitest';
import { Random } from '../../src/load/random.ts';
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
const BEST_EFFORT = { patienceUs: Number.POSITIVE_INFINITY };

/** A machine by chance, whose batches pay or do not, and the rows per microsecond of batches that leave time for another. */
function drawn(random: Random, queueRows: number): { machine: Machine; perUs: number } {
  const between = (least: number, most: number) => least * (most / least) ** random.uniform();
  const [base, row, tile] = [between(100, 2000), between(20, 500), Math.round(between(1, 8))];
  const us = (rows: number) => base + row * tile * Math.ceil(rows / tile);
  const [lanes, mostRows] = [Math.round(between(1, 3)), Math.round(between(1, 64))];
  const sloUs = between(8, 50) * us(1);
  let perUs = 0;
  for (let rows = 1; rows <= mostRows && (rows === 1 || 2 * us(rows) <= sloUs); rows++) {
    perUs = Math.max(perUs, (lanes * rows) / us(rows));
  }
  return { machine: { lanes, mostRows, us, queueRows, sloUs }, perUs };
}

describe.each(SEEDS)('with seed %d', (seed) => {
  const of = (...streams: Stream[]) => play(machine, streams, UNTIL_US, WARM_UP_US, seed);
  const stream = (name: string, load: number, change: Partial<Stream> = {}): Stream => ({
    name,
    tenant: name,
    ratePerUs: load * CAPACITY,
    patienceUs: 50_000,
    ...change,
  });

  test.each([
    ['both with deadlines', {}, {}],
    ['both best effort', BEST_EFFORT, BEST_EFFORT],
    ['the flood best effort', {}, BEST_EFFORT],
    ['the flood with deadlines, the other best effort', BEST_EFFORT, {}],
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

  // A tenant who sends nothing else has its half, since that is what tenants are.
  test.each([
    ['of one tenant, a wide queue', '', 4096, 0.5, [0.07, 0.2]],
    ['of one tenant, a narrow queue', '', 100, 0.5, [0.07, 0.2]],
    ['of another tenant, a wide queue', 'other', 4096, 0.4, [0.4, 0.6]],
    ['of another tenant, a narrow queue', 'other', 100, 0.4, [0.4, 0.6]],
  ] as const)(
    'best effort takes what deadlines leave, and its share beside a flood: %s',
    (_, tenant, queueRows, low, share) => {
      const random = new Random(seed);
      for (let i = 0; i < 3; i++) {
        const { machine, perUs } = drawn(random, queueRows);
        const many = 4 * perUs;
        const untilUs = 10_000 / perUs;
        const shares = (load: number) => {
          const promised = { name: 'promised', tenant: '', ratePerUs: load * perUs, patienceUs: machine.sloUs };
          const free = { name: 'free', tenant, ratePerUs: many, ...BEST_EFFORT };
          return play(machine, [promised, free], untilUs, untilUs / 4, seed);
        };
        const where = JSON.stringify({ ...machine, us: [machine.us(1), machine.us(machine.mostRows)] });
        for (const load of [low, 4]) {
          const { promised, free } = shares(load);
          expect((promised?.share ?? 0) + (free?.share ?? 0), where).toBeGreaterThan(0.99);
          expect(promised?.late, where).toBeLessThan(0.03 * (promised?.sojournUs.length ?? 0));
          if (load < 1) expect(served(promised), where).toBeGreaterThan(0.95);
          else {
            expect(free?.share, where).toBeGreaterThan(share[0]);
            expect(free?.share, where).toBeLessThan(share[1]);
          }
        }
      }
    },
  );

  test('requests with little time do not starve those with much, nor the other way round', () => {
    const tight = stream('tight', 1, { tenant: 'a', patienceUs: 15_000 });
    const loose = stream('loose', 1, { tenant: 'b', patienceUs: 50_000 });
    const fates = of(tight, loose);
    for (const { name } of [tight, loose]) expect(served(fates[name])).toBeGreaterThan(0.25);
  });
});
