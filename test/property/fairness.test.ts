import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestPerUs, type DrawnMachine, MACHINE_FIELDS, usOf } from '../support/drawn-machine.ts';
import { type Fate, type Machine, play, quantile, type Stream } from '../support/virtual-traffic.ts';

const SEED = Number(process.env.SEED ?? 20_261_125);
const RUNS = Number(process.env.RUNS ?? 1);
console.log(`SEED=${SEED}`);
const check = <T>(property: fc.IProperty<T>, numRuns: number) =>
  fc.assert(property, { seed: SEED, numRuns: numRuns * RUNS, endOnFailure: true });

/** Long enough for who is new to be known by what he asks for. */
const LEAST_US = 1_200_000;

/** From so many rows on a batch has seats for several. */
const SEATED_ROWS = 10;

const BEST_EFFORT = { patienceUs: Number.POSITIVE_INFINITY };
/** Part of a stream that was not answered in time. */
const lost = (fate: Fate | undefined) => ((fate?.refused ?? 0) + (fate?.late ?? 0)) / (fate?.offered ?? 1);
const p95 = (fate: Fate | undefined) => quantile(fate?.sojournUs ?? [], 0.95);
const p99 = (fate: Fate | undefined) => quantile(fate?.sojournUs ?? [], 0.99);

const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** What a machine is drawn from: times in microseconds, the target in times of a row alone. */
interface Drawn extends DrawnMachine {
  readonly times: number;
  readonly queueRows: number;
  readonly seed: number;
}

const drawn = fc.record<Drawn>({
  ...MACHINE_FIELDS,
  times: fc.integer({ min: 8, max: 50 }),
  queueRows: fc.constantFrom(100, 4096),
  seed: fc.nat(1e6),
});

/** The machine, without a stated target; the rows per microsecond of batches that leave time for another; and how long it runs. */
function built(drawn: Drawn): { machine: Machine; patienceUs: number; perUs: number; untilUs: number } {
  const us = usOf(drawn);
  const { lanes, mostRows, times, queueRows } = drawn;
  const patienceUs = times * us(1);
  const perUs = bestPerUs(drawn, patienceUs);
  return {
    machine: { lanes, mostRows, us, queueRows, sloUs: 0 },
    patienceUs,
    perUs,
    untilUs: Math.max(LEAST_US, 6000 / perUs),
  };
}

test.each([
  ['both with deadlines', false, false],
  ['both best effort', true, true],
  ['the flood best effort', false, true],
  ['the flood with deadlines, the other best effort', true, false],
])(
  'a tenant below its share loses nothing by the flood of another: %s',
  (_, victimFree, floodFree) => {
    const loads = fc.record({ load: double(0.1, 0.25), flood: fc.integer({ min: 2, max: 8 }), from: double(0, 0.2) });
    check(
      fc.property(drawn, loads, (drawn, { load, flood, from }) => {
        const { machine, patienceUs, perUs, untilUs } = built(drawn);
        const stream = (name: string, load: number, free: boolean, fromUs = 0): Stream => ({
          name,
          tenant: name,
          ratePerUs: load * perUs,
          patienceUs: free ? Number.POSITIVE_INFINITY : patienceUs,
          fromUs,
        });
        const victim = stream('victim', load, victimFree);
        const of = (machine: Machine, ...streams: Stream[]) => play(machine, streams, untilUs, untilUs / 2, drawn.seed);
        const solo = of(machine, victim);
        const both = of(machine, victim, stream('flood', flood, floodFree, from * untilUs));
        expect(lost(both.victim)).toBeLessThan(lost(solo.victim) + 0.1);
        if (floodFree) {
          // Of batches without seats for both each has every other one: to it the machine is half as fast.
          const { mostRows, us } = machine;
          const share = mostRows < SEATED_ROWS ? of({ ...machine, us: (rows) => 2 * us(rows) }, victim) : solo;
          expect(p95(both.victim)).toBeLessThan(1.3 * p95(share.victim) + 3 * us(mostRows));
        }
        // And the flood is served with what is left.
        expect(both.flood?.share).toBeGreaterThan(0.4);
      }),
      4,
    );
  },
  10_000,
);

test.each([
  ['both with deadlines', false, false],
  ['both best effort', true, true],
  ['the flood with deadlines, the other best effort', true, false],
])('and finds room though few more rows may wait than two batches have: %s', (_, victimFree, floodFree) => {
  const us = (rows: number) => 1800 + 480 * Math.ceil(rows / 8);
  const machine: Machine = { lanes: 2, mostRows: 43, us, queueRows: 100, sloUs: 0 };
  const stream = (tenant: string, load: number, free: boolean) => ({
    name: tenant,
    tenant,
    ratePerUs: (load * 2 * 40) / us(40),
    patienceUs: free ? Number.POSITIVE_INFINITY : 22_000,
  });
  for (const seed of [1, 2, 3]) {
    const { victim } = play(
      machine,
      [stream('victim', 0.25, victimFree), stream('flood', 8, floodFree)],
      1.2e6,
      6e5,
      seed,
    );
    expect(lost(victim)).toBeLessThan(0.05);
  }
});

/** A model of a millisecond whose batches pay, and its rows per microsecond in batches of 64. */
const millisecond: Machine = {
  lanes: 2,
  mostRows: 128,
  us: (rows) => 870 + 140 * rows,
  queueRows: 4096,
  sloUs: 50_000,
};
const MILLISECOND_PER_US = (2 * 64) / millisecond.us(64);

/** What becomes of a tenant alone, and beside the flood of another that begins half a second later. */
function beside(load: number, flood: number, seed: number, one: Partial<Stream>, other: Partial<Stream>) {
  const stream = (tenant: string, load: number) => ({
    name: tenant,
    tenant,
    ratePerUs: load * MILLISECOND_PER_US,
    patienceUs: 50_000,
  });
  const victim = { ...stream('victim', load), ...one };
  const solo = play(millisecond, [victim], 4e6, 1.5e6, seed).victim;
  const both = play(millisecond, [victim, { ...stream('flood', flood), ...other, fromUs: 500_000 }], 4e6, 1.5e6, seed);
  return { solo, flooded: both.victim, flood: both.flood };
}

test.each([
  ['both with deadlines', {}, {}],
  ['the flood with deadlines, the other best effort', BEST_EFFORT, {}],
])(
  'where batches are large it waits a few of them longer at most: %s',
  (_, one, other) => {
    const loads = fc.record({ load: double(0.1, 0.25), flood: double(5, 12.5), seed: fc.nat(1e6) });
    check(
      fc.property(loads, ({ load, flood, seed }) => {
        const { solo, flooded } = beside(load, flood, seed, one, other);
        expect(lost(flooded)).toBeLessThan(0.01);
        expect(p99(flooded)).toBeLessThan(1.3 * p99(solo) + 4 * millisecond.us(24));
      }),
      2,
    );
  },
  10_000,
);

test.each([
  ['both with deadlines', {}, {}],
  ['both best effort', BEST_EFFORT, BEST_EFFORT],
  ['the flood best effort', {}, BEST_EFFORT],
])('at half its share it hardly feels fifty times as much: %s', (_, one, other) => {
  for (const seed of [1, 2, 3]) {
    const { solo, flooded, flood } = beside(0.25, 12.5, seed, one, other);
    expect(lost(flooded)).toBeLessThan(0.01);
    expect(p99(flooded)).toBeLessThan(1.3 * p99(solo) + millisecond.us(24));
    expect(flood?.share).toBeGreaterThan(0.4);
  }
});

test.each([
  ['a row alone takes as long', 3000, 150],
  ['a row alone takes a quarter', 500, 600],
])('where batches are small it does not wait behind all of them: %s', (_, base, row) => {
  const us = (rows: number) => base + row * rows;
  const machine: Machine = { lanes: 1, mostRows: 6, us, queueRows: 4096, sloUs: 200_000 };
  const perUs = 6 / machine.us(6);
  const stream = (tenant: string, load: number) => ({
    name: tenant,
    tenant,
    ratePerUs: load * perUs,
    patienceUs: 200_000,
  });
  for (const seed of [1, 2, 3]) {
    const victim = stream('victim', 0.04);
    const { victim: flooded, flood } = play(machine, [victim, stream('flood', 2)], 8e6, 2e6, seed);
    expect(lost(flooded)).toBeLessThan(0.01);
    expect(quantile(flooded?.sojournUs ?? [], 0.5)).toBeLessThan(2 * us(6));
    expect(p99(flooded)).toBeLessThan(0.35 * machine.sloUs);
    expect(flood?.share).toBeGreaterThan(0.8);
  }
});

test.each([
  ['in batches of many rows', 33, 2.6, { lanes: 1, mostRows: 64, us: (n: number) => 400 + 20 * n, sloUs: 50_000 }],
  ['in tiles', 24, 3, { lanes: 2, mostRows: 32, us: (n: number) => 600 + 800 * Math.ceil(n / 8), sloUs: 30_000 }],
  ['in batches of few', 3, 20, { lanes: 1, mostRows: 6, us: (n: number) => 500 + 600 * n, sloUs: 200_000 }],
  ['in few on two lanes', 4, 9, { lanes: 2, mostRows: 8, us: (n: number) => 300 + 300 * n, sloUs: 60_000 }],
])('at half its share it boards the next batch although the flood has its seats: %s', (_, rows, batches, machine) => {
  let perUs = 0;
  for (let n = 1; n <= machine.mostRows && 2 * machine.us(n) <= machine.sloUs; n++) {
    perUs = Math.max(perUs, (machine.lanes * n) / machine.us(n));
  }
  const stream = (tenant: string, load: number) => ({
    name: tenant,
    tenant,
    ratePerUs: load * perUs,
    patienceUs: machine.sloUs,
  });
  for (const seed of [1, 2, 3]) {
    const streams = [stream('victim', 0.25), stream('flood', 12.5)];
    const { victim } = play({ ...machine, queueRows: 4096 }, streams, 1.5e6, 5e5, seed);
    expect(lost(victim)).toBeLessThan(0.005);
    expect(quantile(victim?.sojournUs ?? [], 0.5)).toBeLessThan(2.5 * machine.us(rows));
    expect(p99(victim)).toBeLessThan(batches * machine.us(rows));
  }
});

test('classes that want everything have their shares, from whenever each of them came and whoever sends it', () => {
  const kind = fc.record({
    tenants: fc.integer({ min: 1, max: 3 }),
    from: double(0, 0.3),
  });
  const mixes = fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 3 });
  const weights = [6, 3, 1];
  check(
    fc.property(drawn, mixes, fc.array(kind, { minLength: 3, maxLength: 3 }), (drawn, classes, kinds) => {
      const { machine, perUs, untilUs } = built({ ...drawn, queueRows: 4096 });
      const streams = classes.flatMap((priority) => {
        const { tenants, from } = kinds[priority - 1] as { tenants: number; from: number };
        return Array.from({ length: tenants }, (_, i) => ({
          name: `${priority} ${i}`,
          tenant: `${i}`,
          priority,
          ratePerUs: (2 * perUs) / tenants,
          fromUs: from * untilUs,
          ...BEST_EFFORT,
        }));
      });
      const fates = play(machine, streams, untilUs, 0.4 * untilUs, drawn.seed);
      const all = classes.reduce((sum, priority) => sum + (weights[priority - 1] as number), 0);
      for (const { name, priority } of streams) {
        const due = (weights[priority - 1] as number) / all / (kinds[priority - 1]?.tenants ?? 1);
        expect((fates[name]?.share ?? 0) / due, name).toBeGreaterThan(0.8);
        expect((fates[name]?.share ?? 0) / due, name).toBeLessThan(1.25);
      }
    }),
    10,
  );
}, 10_000);

test('classes with deadlines that want everything have their shares where batches have seats for them', () => {
  const of = [6, 3, 1];
  check(
    fc.property(fc.nat(1e6), double(1.5, 3), (seed, load) => {
      const streams = of.map((_, i) => ({
        name: `${i}`,
        priority: i + 1,
        ratePerUs: load * MILLISECOND_PER_US,
        patienceUs: 50_000,
      }));
      const fates = play(millisecond, streams, 3e6, 1.5e6, seed);
      for (const [i, weight] of of.entries()) {
        expect(fates[i]?.share).toBeGreaterThan(0.08 * weight);
        expect(fates[i]?.share).toBeLessThan(0.12 * weight);
      }
    }),
    2,
  );
});

/** Models whose batches have no seats: of a row, of few, and of few that take long. */
const unseated: readonly (readonly [string, Machine, number, number])[] = [
  ['one by one', { lanes: 1, mostRows: 0, us: () => 1000, queueRows: 4096, sloUs: 50_000 }, 1e-3, 3e6],
  [
    'in batches of few',
    { lanes: 1, mostRows: 6, us: (n) => 500 + 600 * n, queueRows: 4096, sloUs: 50_000 },
    6 / 4100,
    3e6,
  ],
  [
    'in long ones',
    { lanes: 1, mostRows: 8, us: (n) => 6000 + 10_000 * n, queueRows: 4096, sloUs: 200_000 },
    8 / 86_000,
    12e6,
  ],
];

describe.each(unseated)('those who ask for more than their share, %s', (_, machine, perUs, untilUs) => {
  const stream = (name: string, load: number, priority: number, tenant = '') => ({
    name,
    tenant,
    priority,
    ratePerUs: load * perUs,
    patienceUs: machine.sloUs,
  });

  test.each<[string, Stream[], number[]]>([
    ['three classes', [stream('1', 2, 1), stream('2', 2, 2), stream('3', 2, 3)], [0.6, 0.3, 0.1]],
    ['of three tenants', [stream('1', 2, 1, 'a'), stream('2', 2, 2, 'b'), stream('3', 2, 3, 'c')], [0.6, 0.3, 0.1]],
    ['a class hardly above it', [stream('1', 1.05, 1), stream('2', 0.5, 2)], [0.67, 0.33]],
    ['a class twice above it', [stream('1', 1.5, 1), stream('3', 0.3, 3)], [0.86, 0.14]],
    ['tenants that ask for more and less', [stream('a', 8, 2, 'a'), stream('b', 1, 2, 'b')], [0.5, 0.5]],
  ])('have their shares: %s', (_, streams, due) => {
    const fates = play(machine, streams, untilUs, untilUs / 3, SEED);
    for (const [i, { name }] of streams.entries()) {
      expect(fates[name]?.share, name).toBeGreaterThan(0.85 * (due[i] as number));
      expect(fates[name]?.share, name).toBeLessThan(1.15 * (due[i] as number));
      expect(fates[name]?.late, name).toBeLessThan(0.01 * (fates[name]?.sojournUs.length ?? 0));
    }
  });

  test('do not wait for those who have gone', () => {
    const gone = { ...stream('gone', 3, 1, 'gone'), untilUs: untilUs / 2 };
    const fates = play(machine, [stream('left', 3, 3), gone], untilUs, untilUs / 2, SEED);
    expect(fates.gone?.offered).toBe(0);
    expect(fates.left?.share).toBeGreaterThan(0.95);
  });
});

test.each([
  ['in large batches', millisecond],
  ['one by one', { ...millisecond, lanes: 1, mostRows: 0, us: () => 1000 }],
])('a low class with deadlines below its share loses nothing by the flood of a high one, %s', (_, machine) => {
  const perUs = machine.mostRows === 0 ? 1e-3 : MILLISECOND_PER_US;
  const streams = [
    { name: 'high', priority: 1, ratePerUs: 4 * perUs, patienceUs: 50_000 },
    { name: 'low', priority: 3, ratePerUs: 0.05 * perUs, patienceUs: 50_000 },
  ];
  for (const seed of [1, 2, 3]) {
    const { low, high } = play(machine, streams, 4e6, 1.5e6, seed);
    expect(lost(low)).toBeLessThan(0.02);
    expect(high?.share).toBeGreaterThan(0.8);
  }
});

test.each([
  ['of one tenant', '', 0.1],
  ['of another tenant', 'other', 0.5],
])(
  'best effort has its seats, and what is promised is kept beside it however long that may wait: %s',
  (_, tenant, due) => {
    const us = (rows: number) => 1000 + 100 * rows;
    const perUs = 32 / us(32);
    for (const patienceUs of [20_000, 50_000, 200_000]) {
      const machine = { lanes: 1, mostRows: 32, us, queueRows: 4096, sloUs: patienceUs };
      const promised = { name: 'promised', ratePerUs: 3 * perUs, patienceUs };
      const free = { name: 'free', tenant, ratePerUs: perUs, ...BEST_EFFORT };
      const fates = play(machine, [promised, free], 4e6, 2e6, SEED);
      expect(fates.free?.share).toBeGreaterThan(0.9 * due);
      expect(fates.free?.share).toBeLessThan(1.4 * due);
      expect(fates.promised?.late).toBeLessThan(0.015 * (fates.promised?.sojournUs.length ?? 0));
    }
  },
);

/** Batches of its own fit between promised ones only where these may wait for more than ten of them. */
const patient = drawn.map((drawn) => ({ ...drawn, times: 8 + drawn.times }));

test.each([
  ['of one tenant', '', 0.5, [0.06, 0.2]],
  ['of another tenant', 'other', 0.4, [0.35, 0.65]],
] as const)(
  'best effort takes what deadlines leave, and its share beside a flood: %s',
  (_, tenant, low, share) => {
    check(
      fc.property(patient, (drawn) => {
        const { machine, patienceUs, perUs, untilUs } = built(drawn);
        for (const load of [low, 4]) {
          const promised = { name: 'promised', tenant: '', ratePerUs: load * perUs, patienceUs };
          const free = { name: 'free', tenant, ratePerUs: 4 * perUs, ...BEST_EFFORT };
          const fates = play({ ...machine, sloUs: patienceUs }, [promised, free], untilUs, untilUs / 2, drawn.seed);
          expect((fates.promised?.share ?? 0) + (fates.free?.share ?? 0)).toBeGreaterThan(0.97);
          expect(fates.promised?.late).toBeLessThan(0.1 * (fates.promised?.sojournUs.length ?? 0));
          if (load < 1) expect(lost(fates.promised)).toBeLessThan(0.05);
          else {
            expect(fates.free?.share).toBeGreaterThan(share[0]);
            expect(fates.free?.share).toBeLessThan(share[1]);
          }
        }
      }),
      6,
    );
  },
  10_000,
);

test('best effort is not starved where deadlines leave no more than a few batches of time', () => {
  const hurried = fc.record({ drawn, times: double(2, 8) });
  check(
    fc.property(hurried, ({ drawn, times }) => {
      const { machine, patienceUs, perUs, untilUs } = built({ ...drawn, times });
      const promised = { name: 'promised', tenant: '', ratePerUs: 4 * perUs, patienceUs };
      const free = { name: 'free', tenant: '', ratePerUs: 4 * perUs, ...BEST_EFFORT };
      const fates = play({ ...machine, sloUs: patienceUs }, [promised, free], untilUs, untilUs / 2, drawn.seed);
      expect(fates.free?.share).toBeGreaterThan(0.05);
      expect(fates.promised?.late).toBeLessThan(0.1 * (fates.promised?.sojournUs.length ?? 0));
    }),
    12,
  );
}, 10_000);

/** A machine whose batches pay, so that small ones cost much. */
const paying = drawn.map((drawn) => ({ ...drawn, row: drawn.base / 15, tile: 1, mostRows: 16 + drawn.mostRows }));

/** A time from just enough for a row alone to far more. */
const hurry = double(1.1, 4);

describe('those who are in a hurry', () => {
  test('do not take from another tenant what is his', () => {
    const loads = fc.record({
      load: double(0.1, 0.35),
      other: fc.constantFrom(0.05, 0.1, 0.5, 2, 5),
    });
    check(
      fc.property(paying, hurry, loads, (drawn, times, { load, other }) => {
        const { machine, patienceUs, perUs, untilUs } = built(drawn);
        const victim = { name: 'victim', tenant: 'a', ratePerUs: load * perUs, patienceUs };
        const hurried = { name: 'hurried', tenant: 'b', ratePerUs: other * perUs, patienceUs: times * machine.us(1) };
        const of = (...streams: Stream[]) => play(machine, streams, untilUs, untilUs / 2, drawn.seed);
        expect(lost(of(victim, hurried).victim)).toBeLessThan(lost(of(victim).victim) + 0.1);
      }),
      8,
    );
  }, 10_000);

  test('and are few do not make the batches of everybody short', () => {
    check(
      fc.property(paying, hurry, double(0.3, 0.6), (drawn, times, load) => {
        const { machine, patienceUs, perUs, untilUs } = built({ ...drawn, queueRows: 4096 });
        const many = { name: 'many', ratePerUs: load * perUs, patienceUs };
        const few = { name: 'few', ratePerUs: 0.2 * load * perUs, patienceUs: times * machine.us(1) };
        const fates = play(machine, [many, few], untilUs, untilUs / 2, drawn.seed);
        expect(lost(fates.many)).toBeLessThan(0.1);
      }),
      8,
    );
  }, 10_000);

  test('and are most are served nearly as well as alone', () => {
    check(
      fc.property(paying, double(3, 8), (drawn, times) => {
        const { machine, patienceUs, perUs, untilUs } = built(drawn);
        const most = { name: 'most', ratePerUs: 0.5 * perUs, patienceUs: times * machine.us(1) };
        const rest = { name: 'rest', ratePerUs: 0.05 * perUs, patienceUs };
        const of = (...streams: Stream[]) => play(machine, streams, untilUs, untilUs / 2, drawn.seed);
        const alone = lost(of({ ...most, ratePerUs: 0.55 * perUs }).most);
        expect(lost(of(most, rest).most)).toBeLessThan(alone + 0.1);
      }),
      10,
    );
  }, 10_000);
});
