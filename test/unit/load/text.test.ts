import { describe, expect, test } from 'vitest';
import { progressLine } from '../../../src/load/progress.ts';
import { headText, reportText, runText } from '../../../src/load/text.ts';
import { plain, time } from '../../../src/load/units.ts';
import { figures, open, overloaded, reportOf } from '../../support/load-figures.ts';

describe('figures', () => {
  test.each([
    [0, '0'],
    [0.123, '0.12'],
    [9.876, '9.88'],
    [12.34, '12.3'],
    [123.4, '123'],
    [1234.5, '1,235'],
    [1e7, '10,000,000'],
  ])(
    // biome-ignore format: pairs
    'like %d have three digits that count: %s',
    (value, words) => expect(plain(value)).toBe(words),
  );

  test.each([
    [0, '0 us'],
    [999, '999 us'],
    [999.7, '1.00 ms'],
    [1500, '1.50 ms'],
    [999_700, '1.00 s'],
    [66e6, '66.0 s'],
  ])(
    // biome-ignore format: pairs
    'of %d us have the unit that suits them: %s',
    (us, words) => expect(time(us)).toBe(words),
  );
});

describe('the progress line', () => {
  const progress = {
    elapsedS: 5,
    sent: 5001,
    ok: 5000,
    late: 0,
    refused: 0,
    failed: 0,
    inFlight: 1,
    waitingUs: 0,
    p50: 903,
    p99: 9010,
  };

  test('says how far it is and what came, in less than 120 characters', () => {
    expect(progressLine(progress, open(1000), 10)).toBe(
      '[#####.....] 5.00/10.0 s  1,000/s poisson  good 1,000/s  p50 903 us  p99 9.01 ms',
    );
    const worse = progressLine({ ...progress, elapsedS: 12, late: 3, refused: 7, failed: 10 }, open(1000), 10);
    expect(worse).toContain('[##########] 10.0/10.0 s');
    expect(worse).toContain('good 417/s');
    expect(worse).toContain('late 3  refused 7  failed 10');
    expect(progressLine({ ...progress, late: 3, waitingUs: 2_340_000 }, open(1000), 10)).toMatch(
      /late 3 {2}waiting 2.34 s$/,
    );
    const most = { ok: 1e8, late: 1e8, refused: 1e8, failed: 1e8, waitingUs: 6e8 };
    for (const more of [{ failed: 10, refused: 7, late: 3, waitingUs: 2_340_000 }, most]) {
      expect(progressLine({ ...progress, ...more }, open(100_000), 3600).length).toBeLessThan(120);
    }
  });
});

describe('the text of a run', () => {
  const good = figures(open(1000), 900);
  const bad = figures(open(1000), 900, {
    late: 12,
    ok: 5000,
    refused: [overloaded(40)],
    errors: { connect: 1, reset: 2, timeout: 0, malformed: 0 },
    unanswered: 6,
    wait: good.latency,
    firstByte: good.latency,
    generator: { lag: good.latency, cpuUsPerRequest: 21.5, busy: 0.5, void: 'p99 lag of 0.9 ms' },
    server: { inferences: 30, executions: 10, batchRows: 3, queueUs: 12, computeUs: 1500, batches: [[1, 4], [4, 6]] }, // biome-ignore format: pairs
  });

  test('has all that went wrong, and what the server counted', () => {
    const text = runText(bad);
    for (const words of [
      'VOID: p99 lag of 0.9 ms.',
      'goodput    1,000/s, 98.8 % of all: 5,000 were 2xx within 50.0 ms',
      'late       12 were',
      'failed     1 connect, 2 reset',
      'unanswered 6',
      'generator  21.5 us of CPU per request, busy 50.0 % of the time, lag p50 903 us p99 9.01 ms',
      '30 rows in 10 batches of 3.00, queue 12.0 us, compute 1.50 ms',
      'batches    1 (4x), 4 (6x)',
    ]) {
      expect(text).toContain(words);
    }
    expect(text).toMatch(/^OVERLOADED +503 +40 +404 us +409 us +40 of 40$/m);
    expect(text).toMatch(/^latency( +[\d.]+ [um]s){8}$/m);
    expect(text).toMatch(/^ {2}of it waiting( +[\d.]+ [um]s){8}$/m);
  });

  test('has nothing of what did not happen', () => {
    const text = runText(good);
    for (const word of ['VOID', 'late  ', 'failed', 'unanswered', 'refused', 'waiting', 'first byte', 'lag']) {
      expect(text).not.toContain(word);
    }
    expect(text).toContain('no statistics of it');
  });
});

describe('the text of a report', () => {
  test('has a line for each run, what was found, and that it is incomplete', () => {
    const runs = [figures(open(1000), 900), figures(open(2000), 900, { generator: { lag: figures(open(1), 1).wait, cpuUsPerRequest: 1, busy: 1, void: 'x' } })]; // biome-ignore format: one line
    const recovery = { burstRate: 5000, rate: 800, windowS: 1, goodput: [], recoveredS: 2 };
    const text = reportText(
      reportOf(runs, {
        complete: false,
        capacity: { rate: 1000, heldDeadlineMs: 50, limitedBy: 'deadline' },
        recovery,
      }),
    );
    const lines = text.split('\n');
    expect(lines[1]).toMatch(/^1,000\/s poisson +1,000 +1,000 +1,000 +903 us +9.01 ms +0 +0 +0 +-$/);
    expect(lines[2]).toMatch(/^2,000\/s poisson .* VOID$/);
    expect(text).toContain('capacity   1,000/s with p99 within 50.0 ms');
    expect(text).toContain('from 5,000/s to 800/s: goodput back after 2.00 s');
    expect(text).toContain('INCOMPLETE');
  });

  test('shows nothing that a terminal would obey', () => {
    const hostile = 'x\u001b[2J\u202e\n<b>';
    const report = reportOf([figures(open(10), 900, { refused: [{ ...overloaded(1), code: hostile }] })], {
      model: hostile,
      server: { name: hostile, version: hostile },
    });
    const text = headText(report) + reportText(report) + runText(report.runs[0] as (typeof report.runs)[0]);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).toContain('x [2J <b>');
  });
});
