import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRecord } from '../../../bench/replay/record.ts';
import { Recorder } from '../../../bench/replay/recorder.ts';
import { observed, replay } from '../../../bench/replay/replay.ts';
import { RecordedTimes } from '../../../bench/replay/times.ts';
import { BareTraveller } from '../../../bench/runner/schedulers.ts';
import { LatencyCurve } from '../../../src/batching/curve.ts';
import { PlanScheduler } from '../../../src/batching/plan-scheduler.ts';
import { Random } from '../../../src/load/random.ts';

const ROWS = 32;
const GAP_US = 80;
const DEADLINE_US = 12_000;
const batchUs = (rows: number) => 900 + 110 * rows;

/** A server of one lane on virtual time: what it did is in the recorder, what came of it is counted here. */
function serve(recorder: Recorder<BareTraveller, ReturnType<PlanScheduler<BareTraveller>['open']>>, load: number) {
  const random = new Random(11);
  const queue = recorder.open({
    maxBatchRows: ROWS,
    lanes: [0],
    queueRows: 1e6,
    queueBytes: 1e9,
    sloUs: 0,
    curve: new LatencyCurve(ROWS, [
      { rows: 1, us: batchUs(1) },
      { rows: ROWS, us: batchUs(ROWS) },
    ]),
  });
  const meanGapUs = batchUs(ROWS) / ROWS / load;
  const counts = { offered: 0, good: 0, refused: 0 };
  let arrivalUs = 1_000_000;
  let freeUs = arrivalUs;
  const endUs = arrivalUs + 4e6;
  while (arrivalUs < endUs) {
    const untilUs = Math.max(freeUs, arrivalUs);
    for (; arrivalUs <= untilUs; arrivalUs += Math.ceil(random.exponential(meanGapUs))) {
      const request = new BareTraveller();
      request.again(arrivalUs, arrivalUs + DEADLINE_US);
      counts.offered++;
      if (recorder.arrive(queue, request, arrivalUs) !== null) counts.refused++;
    }
    const batch = recorder.next(untilUs, []);
    if (batch === null) continue;
    const endedUs = untilUs + Math.round(batchUs(batch.rows) * Math.exp(0.05 * (random.uniform() - 0.5)));
    for (; arrivalUs <= endedUs; arrivalUs += Math.ceil(random.exponential(meanGapUs))) {
      const request = new BareTraveller();
      request.again(arrivalUs, arrivalUs + DEADLINE_US);
      counts.offered++;
      if (recorder.arrive(queue, request, arrivalUs) !== null) counts.refused++;
    }
    for (const request of batch.requests) {
      request.state = 'ENDED';
      if (request.deadlineUs >= endedUs) counts.good++;
    }
    recorder.finish(batch, endedUs, true);
    freeUs = endedUs + GAP_US;
  }
  return counts;
}

describe('a recorded run', () => {
  for (const load of [0.5, 1.5]) {
    it(`at ${load} of the capacity is what was offered and done, and plays again to within 3 %`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'penstock-replay-'));
      const file = join(folder, 'record.jsonl');
      try {
        const recorder = new Recorder(new PlanScheduler<BareTraveller>(1));
        const counts = serve(recorder, load);
        recorder.write(file);
        const record = readRecord(file);
        const found = observed(record);
        expect(found).toMatchObject(counts);
        expect(found.good).toBeGreaterThan(1_000);
        const times = [1, 2, 3].map((seed) => replay(record, (lanes) => new PlanScheduler<BareTraveller>(lanes), seed));
        for (const { good, offered } of times) {
          expect(offered).toBe(counts.offered);
          expect(Math.abs(good / counts.good - 1)).toBeLessThan(0.03);
        }
        // The same seed, the same fates.
        expect(replay(record, (lanes) => new PlanScheduler<BareTraveller>(lanes), 1)).toEqual(times[0]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  it('twice as slow as recorded is told apart', () => {
    const recorder = new Recorder(new PlanScheduler<BareTraveller>(1));
    const { good } = serve(recorder, 1.5);
    const folder = mkdtempSync(join(tmpdir(), 'penstock-replay-'));
    try {
      recorder.write(join(folder, 'record'));
      const record = readRecord(join(folder, 'record'));
      const slow = record.batches.map(([kind, from, to, ...rest]) => [kind, from, to + (to - from), ...rest] as const);
      const found = replay({ ...record, batches: slow }, (lanes) => new PlanScheduler<BareTraveller>(lanes), 1);
      expect(found.good / good).toBeLessThan(0.8);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('recorded times', () => {
  it('are drawn from batches of that size around that time, and follow from the profile where there were none', () => {
    const at = (rows: number, startedUs: number, us: number) =>
      ['batch', startedUs, startedUs + us, 0, rows, rows, 0, 0] as const;
    const early = Array.from({ length: 50 }, (_, i) => [at(4, i * 100, 40), at(8, i * 100 + 50, 80)]).flat();
    const lateOnes = Array.from({ length: 50 }, (_, i) => at(4, 100_000 + i * 100, 400));
    const times = new RecordedTimes([...early, ...lateOnes], (rows) => 5 + rows);
    const random = new Random(1);
    expect(times.service(4, 0, random)).toBe(40);
    expect(times.service(4, 104_000, random)).toBe(400);
    expect(times.service(8, 104_000, random)).toBe(80);
    expect(times.service(3, 0, random)).toBeCloseTo((40 * 8) / 9);
    expect(() => new RecordedTimes([], () => 1)).toThrow(/no batch/);
  });
});
