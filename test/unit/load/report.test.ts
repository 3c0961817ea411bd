import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPORT_BYTES, type Report, readReport, writeReport } from '../../../src/load/report.ts';
import { figures, open, overloaded, reportOf } from '../../support/load-figures.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-report-'));
  file = join(folder, 'report.json');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const server = { inferences: 9, executions: 3, batchRows: 3, queueUs: 10, computeUs: 20, batches: [[3, 3]] } as const;
const full = reportOf(
  [
    figures(open(200), 900, { server, refused: [overloaded(5)] }),
    figures({ kind: 'closed', concurrency: 4 }, 400, { deadlineMs: null }),
  ],
  {
    capacity: { rate: 200, heldDeadlineMs: 50, limitedBy: 'deadline' },
    recovery: { burstRate: 1000, rate: 160, windowS: 1, goodput: [10, 160], recoveredS: 1 },
  },
);

async function refusal(name: string): Promise<string> {
  const error = await readReport(name).then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toMatchObject({ name: 'LoadError', kind: 'bad-file' });
  return (error as Error).message.replaceAll(`${folder}/`, '');
}

describe('a report', () => {
  test('is read back as it was written, and nothing else is left in the folder', async () => {
    await writeReport(file, full);
    expect(await readReport(file)).toEqual(full);
    expect(readdirSync(folder)).toEqual(['report.json']);
  });

  test('that was written after each run is whole at every moment', async () => {
    const runs = Array.from({ length: 30 }, (_, i) => figures(open(10 + i), 900));
    await writeReport(file, reportOf([], { complete: false }));
    let writing = true;
    const writer = (async () => {
      for (let i = 1; i <= runs.length; i++)
        await writeReport(file, reportOf(runs.slice(0, i), { complete: i === runs.length }));
      writing = false;
    })();
    let seen = 0;
    while (writing) {
      const report = await readReport(file);
      expect(report.runs.length).toBeGreaterThanOrEqual(seen);
      expect(report.complete).toBe(report.runs.length === runs.length);
      seen = report.runs.length;
    }
    await writer;
    expect((await readReport(file)).complete).toBe(true);
  });

  // biome-ignore format: a table
  test.each([
    ['another format', 'format', 'penstock-bench/2', 'format: expected "penstock-bench/1"'],
    ['a member missing', 'model', undefined, 'model: expected a text'],
    ['a member too many', 'runs.0.foo', 1, 'runs[0]."foo": there is no such member'],
    ['a text for a number', 'runs.1.latency.p99', '1', 'runs[1].latency.p99: expected a number of at least 0'],
    ['half a request', 'runs.0.sent', 1.5, 'runs[0].sent: expected a whole number'],
    ['an unknown loop', 'runs.0.loop.kind', 'both', 'runs[0].loop.kind: expected "open"'],
    ['a quantile over 1', 'runs.0.latency.points.0', [1.5, 1], 'runs[0].latency.points[0][0]: expected a number from 0 to 1'],
    ['a point of three', 'runs.0.latency.points.0', [0, 1, 2], 'runs[0].latency.points[0]: expected a pair'],
    ['runs that are no list', 'runs', {}, 'runs: expected a list'],
    ['a negative count', 'runs.0.refused.0.count', -1, 'runs[0].refused[0].count: expected a whole number'],
  ])('with %s is refused with the place', async (_, place, value, words) => {
    const document: unknown = JSON.parse(JSON.stringify(full));
    const keys = place.split('.');
    const last = keys.pop() as string;
    const holder = keys.reduce((found, key) => (found as Record<string, unknown>)[key], document);
    (holder as Record<string, unknown>)[last] = value;
    const bad = join(folder, 'spoilt.json');
    await writeFile(bad, JSON.stringify(document));
    expect(await refusal(bad)).toContain(`spoilt.json is no report: ${words}`);
  });

  test('that is cut off, no JSON, missing, a folder or too large is refused', async () => {
    await writeReport(file, full);
    const whole = await readFile(file, 'utf8');
    const bad = join(folder, 'bad.json');
    await writeFile(bad, whole.slice(0, whole.length / 2));
    expect(await refusal(bad)).toContain('bad.json is no JSON');
    await writeFile(bad, 'null');
    expect(await refusal(bad)).toBe('bad.json is no report: the document: expected an object');
    await truncate(bad, REPORT_BYTES + 1);
    expect(await refusal(bad)).toContain(`more than ${REPORT_BYTES}`);
    expect(await refusal(join(folder, 'none.json'))).toContain('(ENOENT)');
    expect(await refusal(folder)).toContain('(EISDIR)');
  });
});

describe('a report that cannot be written', () => {
  async function failure(name: string, report: Report = full): Promise<string> {
    const error = await writeReport(name, report).then(
      () => null,
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ name: 'LoadError', kind: 'cannot-write' });
    return (error as Error).message;
  }

  test('for want of space is one line', async () => {
    expect(await failure('/dev/full')).toBe('cannot write /dev/full: no space left on the device (ENOSPC)');
  });

  test('for want of a folder or a file is one line', async () => {
    expect(await failure(join(folder, 'no', 'report.json'))).toContain('no such file or folder (ENOENT)');
    expect(await failure(folder)).toContain('it is a folder (EISDIR)');
    await writeFile(join(folder, 'plain'), '');
    expect(await failure(join(folder, 'plain', 'report.json'))).toContain('no folder (ENOTDIR)');
  });

  test('half way leaves the earlier one, and no rest of the new one', async () => {
    const name = join(folder, 'kept', 'report.json');
    execFileSync('mkdir', ['-p', join(folder, 'kept')]);
    const early = reportOf([figures(open(10), 900)], { complete: false });
    await writeReport(name, early);
    // No file of this process may be larger than a few KiB: the system ends the write in the middle.
    const script = `
      import { readReport, writeReport } from '${join(import.meta.dirname, '../../../src/load/report.ts')}';
      const early = await readReport(process.argv[1]);
      const long = { ...early, runs: Array(200).fill(early.runs[0]) };
      await writeReport(process.argv[1], long).catch((error) => console.log(error.kind, error.message));`;
    const node = `'${process.execPath}' --input-type=module -e "$0" "$1"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `ulimit -f 16; ${node}`, script, name], { encoding: 'utf8' });
    expect([stdout.trim(), stderr]).toEqual([
      `cannot-write cannot write ${name}: the file would be too large (EFBIG)`,
      '',
    ]);
    expect(await readReport(name)).toEqual(early);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['report.json']);
    expect(existsSync(name)).toBe(true);
  });
});
