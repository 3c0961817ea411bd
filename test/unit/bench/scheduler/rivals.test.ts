import { describe, expect, it } from 'vitest';
import { drawArrivals } from '../../../../bench/scheduler/arrivals.ts';
import { type Entry, RIVALS } from '../../../../bench/scheduler/contest.ts';
import { curveOf, type TrueCurve } from '../../../../bench/scheduler/curves.ts';
import { play } from '../../../../bench/scheduler/world.ts';
import { Random } from '../../../../src/load/random.ts';

const SEED = 99;
const NOISE = { sigma: 0.05, stalls: 0.005, shift: 1 };

/** A small network on one core: its time at 1, 8, 16, 32 and 64 rows, straight between. */
const MLP_POINTS = [
  [1, 1_000],
  [8, 1_900],
  [16, 3_100],
  [32, 5_200],
  [64, 9_600],
] as const;

function mlp(weather = NOISE): TrueCurve {
  return curveOf('mlp', 64, between, weather);
}

function between(rows: number): number {
  const above = Math.max(
    1,
    MLP_POINTS.findIndex(([at]) => at >= rows),
  );
  const [low, lowUs] = MLP_POINTS[above - 1] as readonly [number, number];
  const [high, highUs] = MLP_POINTS[above] as readonly [number, number];
  return lowUs + ((highUs - lowUs) * (rows - low)) / (high - low);
}

interface Found {
  /** Over capacity. */
  readonly goodput: number;
  /** Of what was served. */
  readonly late: number;
  /** Mean time to reject over the target. */
  readonly reject: number;
}

/** One lane at a steady load for a good while. */
function measure(name: string, curve: TrueCurve, targetUs: number, load: number): Found {
  const capacity = curve.rowsPerS(1, targetUs);
  const horizonUs = (60_000 * 1e6) / capacity;
  const arrivals = drawArrivals({ kind: 'poisson', rate: load * capacity, horizonUs, targetUs, seed: SEED });
  const setting = { curve, lanes: 1, targetUs, capacity, ceiling: capacity, profile: curve.profile(new Random(SEED)) };
  const spec = { lanes: 1, mostRows: curve.mostRows, targetUs, profile: setting.profile };
  const warmUpUs = horizonUs / 4;
  const world = { curve, lanes: 1, arrivals, targetUs, horizonUs, warmUpUs, seed: SEED };
  const { good, late, rejectUs } = play(world, (RIVALS[name] as Entry)(spec, setting));
  return {
    goodput: (good * 1e6) / (horizonUs - warmUpUs) / capacity,
    late: late / Math.max(1, good + late),
    reject: rejectUs / targetUs,
  };
}

describe(`the rivals on a 1 ms network with a target of 10 ms at twice the capacity, seed ${SEED}`, () => {
  it.each(['triton 8', 'triton max'])('%s answers nothing in time', (name) => {
    const { goodput, late } = measure(name, mlp(), 10_000, 2);
    expect(goodput).toBeLessThan(0.1);
    expect(late).toBeGreaterThan(0.9);
  });

  it('clipper starts what ends too late', () => {
    const { goodput, late } = measure('clipper', mlp(), 10_000, 2);
    expect(goodput).toBeLessThan(0.1);
    expect(late).toBeGreaterThan(0.9);
  });

  it('clockwork keeps most of the capacity, hardly ever late, and rejects late', () => {
    const { goodput, late, reject } = measure('clockwork', mlp({ ...NOISE, stalls: 0 }), 10_000, 2);
    expect(goodput).toBeGreaterThan(0.7);
    expect(late).toBeLessThan(0.02);
    expect(reject).toBeGreaterThan(0.4);
  });

  it('nexus keeps most of the capacity, sometimes late, and rejects late', () => {
    const { goodput, late, reject } = measure('nexus', mlp(), 10_000, 2);
    expect(goodput).toBeGreaterThan(0.7);
    expect(late).toBeGreaterThan(0.02);
    expect(reject).toBeGreaterThan(0.4);
  });

  it('bento keeps most of the capacity', () => {
    expect(measure('bento', mlp(), 10_000, 2).goodput).toBeGreaterThan(0.65);
  });
});

describe('below capacity', () => {
  it.each(['triton max', 'clockwork', 'nexus', 'bento'])('%s answers nearly everything in time', (name) => {
    expect(measure(name, mlp(), 10_000, 0.3).goodput).toBeGreaterThan(0.3 * 0.95);
  });
});

describe('what each is known to fail at', () => {
  it('bento sleeps through a model of a tenth of a millisecond', () => {
    const quick = curveOf('quick', 32, (rows) => 100 + 5 * rows, NOISE);
    expect(measure('bento', quick, 2_000, 2).goodput).toBeLessThan(0.3);
    expect(measure('nexus', quick, 2_000, 2).goodput).toBeGreaterThan(0.7);
  });

  it('nexus does not notice that the machine has slowed down', () => {
    const slowed = mlp({ ...NOISE, shift: 1.5 });
    expect(measure('nexus', slowed, 10_000, 2).late).toBeGreaterThan(0.2);
    expect(measure('clockwork', slowed, 10_000, 2).late).toBeLessThan(0.05);
  });

  it('clockwork never forgets a stall of a size that it then does not use', () => {
    expect(measure('clockwork', mlp({ ...NOISE, stalls: 0.005 }), 10_000, 2).goodput).toBeLessThan(0.7);
  });

  it('clockwork wastes the rest of a power of two', () => {
    const cliff = curveOf('cliff', 63, (rows) => 5_000 + (rows > 62 ? 40_000 : 0), { sigma: 0, stalls: 0, shift: 1 });
    expect(measure('clockwork', cliff, 40_000, 2).goodput).toBeLessThan(0.6);
    expect(measure('nexus', cliff, 40_000, 2).goodput).toBeGreaterThan(0.9);
  });
});
