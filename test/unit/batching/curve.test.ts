import { describe, expect, it } from 'vitest';
import { kneeOf, LatencyCurve } from '../../../src/batching/curve.ts';
import { Random } from '../../../src/load/random.ts';
import { logNormal, type Noise, pareto, profileOf, TRUE_CURVES, type TrueCurve } from '../../support/service-times.ts';

const MOST = 64;
const SEED = 20;

/** A machine whose batches a curve learns from. */
class Machine {
  readonly random = new Random(SEED);
  readonly curve: LatencyCurve;
  speed = 1;
  readonly #truth: TrueCurve;
  readonly #noise: Noise;

  constructor(truth: TrueCurve, noise: Noise, curve: LatencyCurve) {
    this.#truth = truth;
    this.#noise = noise;
    this.curve = curve;
  }

  run(batches: number, sizes?: readonly number[]): void {
    for (let i = 0; i < batches; i++) {
      const draw = this.random.uniform();
      const rows =
        sizes === undefined ? 1 + Math.floor(draw * MOST) : (sizes[Math.floor(draw * sizes.length)] as number);
      this.curve.observe(rows, this.#truth(rows) * this.speed * this.#noise(this.random));
    }
  }

  /** Error as a ratio >= 0 over the sizes asked for: the mean, and the largest. */
  error(sizes = Array.from({ length: MOST }, (_, i) => i + 1)): { mean: number; worst: number } {
    const all = sizes.map((n) => Math.expm1(Math.abs(Math.log(this.curve.at(n) / (this.#truth(n) * this.speed)))));
    return { mean: all.reduce((sum, e) => sum + e, 0) / all.length, worst: Math.max(...all) };
  }
}

describe.each(Object.entries(TRUE_CURVES))('a curve that is %s', (_, truth) => {
  it.each([
    ['right', 1],
    ['three times too long', 3],
    ['three times too short', 1 / 3],
    ['missing', 0],
  ])('is learned where the profile is %s', (_name, factor) => {
    const prior = factor === 0 ? [] : profileOf(truth, MOST, factor);
    const machine = new Machine(truth, logNormal(0.05), new LatencyCurve(MOST, prior));
    machine.run(100);
    expect(machine.error().mean).toBeLessThan(0.08);
    machine.run(900);
    expect(machine.error().mean).toBeLessThan(0.03);
    expect(machine.error().worst).toBeLessThan(0.12);
  });

  it.each([
    ['half speed and back', [2, 1]],
    ['double speed and back', [0.5, 1]],
    ['two thirds and back', [1.5, 1]],
    ['half speed and half of that', [2, 4]],
  ])('follows a machine that suddenly runs at %s, also where it has run only a few sizes since', (_name, speeds) => {
    const machine = new Machine(truth, logNormal(0.1), new LatencyCurve(MOST, profileOf(truth, MOST)));
    machine.run(1000);
    for (const speed of speeds) {
      machine.speed = speed;
      machine.run(25, [7, 20, 32, 50]);
      expect(machine.error().mean).toBeLessThan(0.12);
      machine.run(175);
      expect(machine.error().mean).toBeLessThan(0.06);
    }
    expect(machine.curve.shifts).toBeGreaterThanOrEqual(2);
  });

  it('is learned through heavy noise', () => {
    const machine = new Machine(truth, logNormal(0.3), new LatencyCurve(MOST, profileOf(truth, MOST)));
    machine.run(1000);
    expect(machine.error().mean).toBeLessThan(0.1);
    machine.speed = 2;
    machine.run(200);
    expect(machine.error().mean).toBeLessThan(0.15);
  });
});

describe('sizes that never ran', () => {
  it('lie between the line and the next known size, until others say which it is', () => {
    const padded = TRUE_CURVES['padded to powers of two'] as TrueCurve;
    const curve = new LatencyCurve(MOST, profileOf(padded, MOST));
    expect(curve.at(33)).toBeGreaterThan(17_000 * 1.3);
    expect(curve.at(33)).toBeLessThan(33_000);
    for (const n of [5, 9, 10, 17, 20]) for (let i = 0; i < 2; i++) curve.observe(n, padded(n));
    expect(curve.at(40) / padded(40)).toBeGreaterThan(0.9);
  });

  it('are known for steps from a profile that looked just above some sizes', () => {
    for (const name of ['padded to powers of two', 'affine']) {
      const truth = TRUE_CURVES[name] as TrueCurve;
      const prior = [1, 2, 4, 5, 8, 9, 16, 17, 32, 64].map((rows) => ({ rows, us: truth(rows) }));
      const curve = new LatencyCurve(MOST, prior);
      for (const n of [6, 12, 20, 33, 40, 60]) expect(Math.abs(Math.log(curve.at(n) / truth(n)))).toBeLessThan(0.15);
    }
  });

  it('are taken for a line where the others lie on one', () => {
    const affine = TRUE_CURVES.affine as TrueCurve;
    const curve = new LatencyCurve(MOST, profileOf(affine, MOST));
    for (const n of [5, 9, 10, 17, 20]) for (let i = 0; i < 2; i++) curve.observe(n, affine(n));
    expect(curve.at(40) / affine(40)).toBeLessThan(1.1);
    expect(curve.at(40) / affine(40)).toBeGreaterThan(0.95);
  });

  it('do not move when a step between two profiled sizes is found: that is no change of speed', () => {
    const curve = new LatencyCurve(
      MOST,
      profileOf((n) => 1000 + 500 * n, MOST),
    );
    for (let i = 0; i < 200; i++) curve.observe(33 + (i % 31), 33_000);
    expect(curve.shifts).toBe(0);
    for (const n of [1, 2, 4, 8, 16, 32, 64]) expect(curve.at(n) / (1000 + 500 * n)).toBeCloseTo(1, 1);
  });

  it('above the cap are as slow as the largest in proportion', () => {
    const curve = new LatencyCurve(
      4,
      profileOf((n) => 100 * n, 4),
    );
    expect(curve.at(400)).toBeCloseTo(40_000, 3);
  });
});

describe('a stall', () => {
  it('of ten seconds moves nothing much, and is forgotten', () => {
    const curve = new LatencyCurve(MOST, profileOf(TRUE_CURVES.affine as TrueCurve, MOST));
    for (let i = 0; i < 100; i++) curve.observe(32, 34_000);
    curve.observe(32, 10_000_000);
    expect(curve.at(32)).toBeLessThan(34_000 * 1.1);
    for (let i = 0; i < 30; i++) curve.observe(32, 34_000);
    expect(curve.at(32) / 34_000).toBeCloseTo(1, 1);
    expect(curve.shifts).toBe(0);
  });

  it('in the very first batch of all is healed by the next ones', () => {
    const curve = new LatencyCurve(MOST, []);
    curve.observe(8, 10_000_000);
    for (let i = 0; i < 40; i++) curve.observe(8, 1000);
    expect(curve.at(8) / 1000).toBeCloseTo(1, 1);
  });

  it('now and then, and heavy tails, do not bias what is expected', () => {
    const truth = TRUE_CURVES.affine as TrueCurve;
    const steady = new Machine(truth, logNormal(0.05, 0.02), new LatencyCurve(MOST, profileOf(truth, MOST)));
    steady.run(3000, [24]);
    expect(steady.error([24]).worst).toBeLessThan(0.05);
    const tailed = new Machine(truth, pareto(2.2), new LatencyCurve(MOST, profileOf(truth, MOST)));
    tailed.run(3000, [24]);
    expect(tailed.error([24]).worst).toBeLessThan(0.4);
  });
});

describe('what no batch takes', () => {
  it('is counted and changes nothing', () => {
    const curve = new LatencyCurve(MOST, profileOf(TRUE_CURVES.affine as TrueCurve, MOST));
    const before = Array.from({ length: MOST }, (_, i) => curve.at(i + 1));
    const absurd = [Number.NaN, 0, -1, -0, 1e308, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.7e9, 1e-300];
    for (const us of absurd) curve.observe(8, us);
    for (const rows of [Number.NaN, -1, Number.POSITIVE_INFINITY]) curve.observe(rows, 1000);
    expect(curve.ignored).toBe(absurd.length + 3);
    expect(Array.from({ length: MOST }, (_, i) => curve.at(i + 1))).toEqual(before);
  });

  it('is left out of a profile', () => {
    const prior = [Number.NaN, 0, -5, Number.POSITIVE_INFINITY, 1e308].map((us, i) => ({ rows: i + 1, us }));
    const rows = [0, -1, 1.5, Number.NaN, 65].map((n) => ({ rows: n, us: 77 }));
    expect(new LatencyCurve(MOST, [...prior, ...rows, { rows: 8, us: 500 }]).points()).toEqual([
      { rows: 8, us: 500, batches: 0 },
    ]);
  });
});

describe('the spread', () => {
  it('is modest until enough is known', () => {
    const machine = new Machine(() => 1000, logNormal(0.3, 0), new LatencyCurve(1, [{ rows: 1, us: 1000 }]));
    expect(machine.curve.spread).toBe(0.1);
    machine.run(20, [1]);
    expect(machine.curve.spread).toBe(0.1);
  });

  it.each([0.02, 0.1, 0.3])('is what one batch in fifty exceeds, at sigma %d', (sigma) => {
    const truth = TRUE_CURVES.affine as TrueCurve;
    const machine = new Machine(truth, logNormal(sigma, 0), new LatencyCurve(MOST, profileOf(truth, MOST)));
    machine.run(500);
    let sum = 0;
    for (let i = 0; i < 40; i++) {
      machine.run(128);
      sum += Math.log1p(machine.curve.spread);
    }
    expect(sum / 40 / (2.054 * sigma)).toBeGreaterThan(0.85);
    expect(sum / 40 / (2.054 * sigma)).toBeLessThan(1.25);
  });

  it('does not take a change of speed for noise', () => {
    const truth = TRUE_CURVES.affine as TrueCurve;
    const machine = new Machine(truth, logNormal(0.02, 0), new LatencyCurve(MOST, profileOf(truth, MOST)));
    machine.run(500, [8, 24]);
    machine.speed = 2;
    machine.run(40, [8, 24]);
    expect(machine.curve.shifts).toBe(1);
    expect(machine.curve.spread).toBeLessThan(0.1);
  });
});

describe('the revision', () => {
  it('stands still while nothing moves, and counts what moves', () => {
    const truth = TRUE_CURVES.affine as TrueCurve;
    const machine = new Machine(truth, logNormal(0, 0), new LatencyCurve(MOST, profileOf(truth, MOST)));
    machine.run(500);
    const { revision } = machine.curve;
    machine.run(500);
    expect(machine.curve.revision).toBe(revision);
    machine.speed = 1.5;
    machine.run(20);
    expect(machine.curve.revision).toBeGreaterThan(revision);
  });
});

describe('points', () => {
  it('say what was profiled and what was seen, and make a curve again', () => {
    const curve = new LatencyCurve(MOST, profileOf(TRUE_CURVES.affine as TrueCurve, 8));
    for (let i = 0; i < 5; i++) curve.observe(6, 8000);
    const points = curve.points();
    expect(points.map(({ rows, batches }) => [rows, batches])).toEqual([
      [1, 0],
      [2, 0],
      [4, 0],
      [6, 5],
      [8, 0],
    ]);
    const again = new LatencyCurve(MOST, points);
    for (const { rows, us } of points) expect(again.at(rows)).toBeCloseTo(us, 6);
  });
});

describe('any number of rows', () => {
  const curve = new LatencyCurve(2, [
    { rows: 1, us: 100 },
    { rows: 2, us: 150 },
  ]);

  it('beyond those kept apart takes as many times as long, within the table and behind it', () => {
    for (const rows of [3, 4, 63, 64, 65, 1000]) expect(curve.at(rows)).toBeCloseTo((150 * rows) / 2, 6);
  });

  it('that is none takes as long as the whole number below, and at least one', () => {
    expect([curve.at(0), curve.at(-3), curve.at(0.5), curve.at(Number.NaN)]).toEqual([100, 100, 100, 100]);
    expect(curve.at(1.9)).toBe(curve.at(1));
  });

  it('follows what was observed at once', () => {
    const learning = new LatencyCurve(2, [{ rows: 2, us: 150 }]);
    learning.observe(2, 300);
    expect(learning.at(2)).toBeGreaterThan(160);
    expect(learning.at(100)).toBeCloseTo(50 * learning.at(2), 6);
  });
});

describe('the knee', () => {
  it('is 1 where time is in proportion to rows, and the cap where it hangs on nothing', () => {
    expect(kneeOf({ at: (n) => 1000 * n }, 64)).toBe(1);
    expect(kneeOf({ at: () => 1000 }, 64)).toBe(63);
    expect(kneeOf({ at: () => 1000 }, 1)).toBe(1);
  });

  it('of a line gives within 5 % of the most rows per second', () => {
    for (const fixed of [10, 1000, 100_000]) {
      const at = (n: number): number => fixed + 300 * n;
      const knee = kneeOf({ at }, 64);
      expect(knee / at(knee) / (64 / at(64))).toBeGreaterThan(0.95);
    }
  });

  it('of steps stands at the end of one', () => {
    expect(kneeOf({ at: (n) => 1000 * Math.ceil(n / 8) }, 64)).toBe(8);
  });
});
