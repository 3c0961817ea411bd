import { describe, expect, it } from 'vitest';
import type { Meeting, Sample, Standing } from '../../../bench/peers/contest.ts';
import { judge, noiseOf, ratioOf, tableOf } from '../../../bench/peers/verdict.ts';

const sample = (cpuUs: number, perSecond: number): Sample => ({
  cpuUs,
  perSecond,
  requests: 100,
  p50Us: 1_500,
  p99Us: 3_000,
  bytes: 2 ** 20,
});
const meeting = (theirs: Sample, first: Sample, last = first): Meeting => ({ theirs, ours: [first, last] });
const standing = (name: string, meetings: Meeting[], fault = ''): Standing => ({
  name,
  form: 'json',
  meetings,
  fault,
});

const slow = standing('slow', [meeting(sample(100, 10), sample(20, 50)), meeting(sample(80, 12), sample(20, 48))]);
const quick = standing('quick', [meeting(sample(25, 40), sample(20, 50)), meeting(sample(25, 40), sample(20, 48))]);

describe('the verdict of a contest', () => {
  it('is the median of the rounds, ours being the mean of the slices before and after', () => {
    const { meetings } = standing('x', [meeting(sample(100, 1), sample(10, 1), sample(30, 1))]);
    expect(ratioOf(meetings, 'cpuUs').value).toBeCloseTo(0.2, 12);
    const { value, low, high } = ratioOf(slow.meetings, 'cpuUs');
    expect(value).toBeCloseTo(0.225, 12);
    expect([low, high]).toEqual([0.2, 0.25]);
  });

  it('holds CPU to a most and a rate to a least', () => {
    const of = (quantity: 'cpuUs' | 'perSecond', limit: number) =>
      judge({ of: quantity, against: 'slow', limit }, [slow]).held;
    expect([of('cpuUs', 0.23), of('cpuUs', 0.22), of('perSecond', 4.4), of('perSecond', 4.6)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('names the best rival, which is another one for another quantity only where it is', () => {
    expect(judge({ of: 'cpuUs', against: 'best', limit: 1 }, [slow, quick]).line).toMatch(/\(quick\): 0.800 .*held/);
    expect(judge({ of: 'perSecond', against: 'best', limit: 2 }, [slow, quick]).line).toMatch(/\(quick\): .*missed by/);
  });

  it('is none where the rival was not measured, and says why', () => {
    const gone = standing('gone', [], 'the server ended:\n  no such file');
    const judged = judge({ of: 'cpuUs', against: 'gone', limit: 1 }, [slow, gone]);
    expect(judged).toMatchObject({ ratio: null, held: false });
    const table = tableOf('t', [slow, gone], [judged]);
    expect(table.notes).toContain('gone is out: the server ended: no such file');
    expect(table.rows.map(([name]) => name)).toEqual(['penstock', 'slow']);
  });

  it('shows what noise alone makes', () => {
    const noisy = standing('x', [meeting(sample(1, 1), sample(22, 1), sample(20, 1))]);
    expect(noiseOf([noisy], 'cpuUs')).toBeCloseTo(1.1, 12);
    expect(noiseOf([], 'cpuUs')).toBeNaN();
  });
});
