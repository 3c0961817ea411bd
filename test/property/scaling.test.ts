/** The number of instances under loads drawn at random, on virtual time: bounds, flapping, and how soon need is met. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/load/random.ts';
import { type Look, Scaling } from '../../src/pipeline/scaling.ts';
import { Usage } from '../../src/pipeline/usage.ts';

const LOOK_US = 100_000;
const SECOND_US = 1_000_000;

/** When the next request comes after one, and how long it runs, microseconds. */
interface Load {
  readonly gapUs: () => number;
  readonly runUs: () => number;
}

/** Requests that run alone, first come first served, on as many lanes as scaling says; what it decided, with the time. */
class Served {
  readonly usage = new Usage();
  readonly scaling = new Scaling();
  readonly changes: { atUs: number; instances: number }[] = [];
  readonly #min: number;
  readonly #max: number;
  readonly #waiting: number[] = [];
  readonly #running: { startedUs: number; endsUs: number }[] = [];
  instances: number;
  #busyUs = 0;
  #waits = 0;
  #nextUs = 0;
  #nowUs = 0;

  constructor(min: number, max: number) {
    this.#min = min;
    this.#max = max;
    this.instances = min;
  }

  /** How often what was given up was taken again. */
  get inVain(): number {
    const counts = [this.#min, ...this.changes.map(({ instances }) => instances)];
    const up = counts.map((count, i) => count > (counts[i - 1] ?? count));
    return up.filter((grown, i) => grown && i > 1 && !up[i - 1]).length;
  }

  /** Goes on under a load until `untilUs`. */
  run(load: Load, untilUs: number): void {
    this.#nextUs = this.#nowUs + load.gapUs();
    while (this.#nowUs < untilUs) {
      this.#playUntil(load, this.#nowUs + LOOK_US);
      this.#look();
    }
  }

  #playUntil(load: Load, lookUs: number): void {
    for (;;) {
      const first = this.#running.reduce((least, { endsUs }) => Math.min(least, endsUs), Number.POSITIVE_INFINITY);
      const nowUs = Math.min(this.#nextUs, first, lookUs);
      if (nowUs === first) this.#end(nowUs);
      else if (nowUs === this.#nextUs) {
        this.#waiting.push(load.runUs());
        this.#nextUs = nowUs + load.gapUs();
      }
      while (this.#waiting.length > 0 && this.#running.length < this.instances) this.#start(nowUs);
      if (nowUs === lookUs) return;
    }
  }

  #start(nowUs: number): void {
    this.usage.began(nowUs);
    this.#running.push({ startedUs: nowUs, endsUs: nowUs + (this.#waiting.shift() as number) });
  }

  #end(nowUs: number): void {
    const index = this.#running.findIndex(({ endsUs }) => endsUs === nowUs);
    const [ended] = this.#running.splice(index, 1);
    this.usage.ended(ended.startedUs, nowUs, this.#waiting.length > 0);
  }

  #look(): void {
    this.#nowUs += LOOK_US;
    const nowUs = this.#nowUs;
    const busyUs = this.usage.busyUs(nowUs);
    const wanted = this.scaling.decide({
      nowUs,
      sinceUs: nowUs - LOOK_US,
      running: this.instances,
      min: this.#min,
      max: this.#max,
      busyUs: busyUs - this.#busyUs,
      peak: this.usage.takePeak(),
      waited: this.usage.waits > this.#waits || this.#waiting.length > 0,
      refused: 0,
    });
    this.#busyUs = busyUs;
    this.#waits = this.usage.waits;
    if (wanted !== this.instances) this.changes.push({ atUs: nowUs, instances: wanted });
    this.instances = wanted;
  }
}

const bounds = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 12 }))
  .map(([min, more]) => ({ min, max: min + more }));
const service = fc.integer({ min: 1_000, max: 400_000 });
/** Lanes that are busy on average. */
const load = fc.double({ min: 0.01, max: 6, noNaN: true });

/** Of what is true of nearly every load: the same loads in every run. */
const SEED = 20261125;

describe('the number of instances', () => {
  test('is within its bounds whatever is seen', () => {
    const seen = fc.record({
      passedUs: fc.integer({ min: 0, max: 60_000_000 }),
      running: fc.integer({ min: 0, max: 20 }),
      busyUs: fc.oneof(fc.double(), fc.integer({ min: 0, max: 10_000_000 })),
      peak: fc.integer({ min: 0, max: 20 }),
      waited: fc.boolean(),
      refused: fc.integer({ min: 0, max: 1_000 }),
    });
    fc.assert(
      fc.property(bounds, fc.array(seen, { maxLength: 200 }), ({ min, max }, looks) => {
        const scaling = new Scaling();
        let nowUs = 0;
        for (const { passedUs, ...rest } of looks) {
          const look: Look = { ...rest, sinceUs: nowUs, nowUs: nowUs + passedUs, min, max };
          nowUs += passedUs;
          const wanted = scaling.decide(look);
          expect(wanted).toBeGreaterThanOrEqual(min);
          expect(wanted).toBeLessThanOrEqual(max);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('settles once for good under a load without chance', () => {
    fc.assert(
      fc.property(bounds, service, load, ({ min, max }, runUs, lanes) => {
        const served = new Served(min, max);
        const gapUs = Math.max(1, Math.round(runUs / lanes));
        served.run({ gapUs: () => gapUs, runUs: () => runUs }, 60 * SECOND_US);
        const late = served.changes.filter(({ atUs }) => atUs > 15 * SECOND_US);
        expect(late.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  }, 20_000);

  test('is given up in vain ever more rarely under a load of chance', () => {
    const lanes = fc.double({ min: 0.01, max: 3, noNaN: true });
    fc.assert(
      fc.property(bounds, service, lanes, fc.integer(), ({ min, max }, runUs, busy, seed) => {
        const random = new Random(seed);
        const served = new Served(min, max);
        const gapUs = () => Math.max(1, Math.round(random.exponential(runUs / busy)));
        served.run({ gapUs, runUs: () => runUs }, 1_200 * SECOND_US);
        // A rest of 10 s doubles each time: six of them are ten minutes and a half, and then it is ten minutes.
        expect(served.inVain).toBeLessThanOrEqual(7);
      }),
      { seed: SEED, numRuns: 40, endOnFailure: true },
    );
  }, 20_000);

  test('has what a sudden load needs within two seconds', () => {
    fc.assert(
      fc.property(service, fc.integer({ min: 2, max: 12 }), (runUs, lanes) => {
        const served = new Served(1, 16);
        // Three quarters of the time of so many lanes, evenly.
        const gapUs = Math.max(1, Math.round(runUs / (0.75 * lanes)));
        served.run({ gapUs: () => gapUs, runUs: () => runUs }, 10 * SECOND_US);
        expect(served.instances).toBeGreaterThanOrEqual(Math.ceil(0.75 * lanes));
        const grown = served.changes.at(-1);
        expect(grown?.atUs ?? 0).toBeLessThanOrEqual(2 * SECOND_US);
      }),
      { numRuns: 100 },
    );
  }, 20_000);

  test('is the least again some time after the load has gone', () => {
    fc.assert(
      fc.property(bounds, service, load, ({ min, max }, runUs, lanes) => {
        const served = new Served(min, max);
        served.run({ gapUs: () => Math.max(1, Math.round(runUs / lanes)), runUs: () => runUs }, 5 * SECOND_US);
        served.run({ gapUs: () => Number.POSITIVE_INFINITY, runUs: () => runUs }, 120 * SECOND_US);
        expect(served.instances).toBe(min);
      }),
      { numRuns: 100 },
    );
  }, 20_000);
});
