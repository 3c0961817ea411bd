import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeRequests } from '../../src/load/inputs.ts';
import { deadlineFor } from '../../src/load/ramp.ts';
import { readReport } from '../../src/load/report.ts';
import { describeServer } from '../../src/load/target.ts';
import { holds } from '../../src/load/units.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const PLAIN = { deadlineMs: null, sendDeadline: null, token: null };
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
const file = (name: string) => join(folder, name);
let server: RunningGateway;

beforeAll(async () => {
  server = await startGateway(['simple', 'id_fp16', 'slow8']);
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, 'bench', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function ended(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

const run = (...args: string[]) => ended(start(...args));
/** One line on standard error, and nothing else there. */
const oneLine = /^penstock bench: [^\n]+\n$/;

describe('penstock bench', () => {
  test('a closed loop is answered, told, and written as a report', async () => {
    const report = file('closed.json');
    const flags = ['--model', 'simple', '--concurrency', '4', '--duration', '1', '--repeat', '2', '--json', report];
    const { code, out, err } = await run(server.inferenceUrl, ...flags);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toContain('4 at once');
    const read = await readReport(report);
    expect(read).toMatchObject({ complete: true, kind: 'single', model: 'simple', server: { name: 'penstock' } });
    expect(read.runs).toHaveLength(2);
    for (const figures of read.runs) {
      expect(figures.ok).toBe(figures.sent);
      expect(figures.ok).toBeGreaterThan(0);
      // The server counts what it was sent, and nothing else is sent to it.
      expect(figures.server?.inferences).toBe(figures.sent);
    }
  });

  test('the deadline of a ramp without one comes from a server that is asked one thing at a time', async () => {
    const target = await describeServer(new URL(server.inferenceUrl), 'slow8', null, null);
    const requests = makeRequests(target, { ...PLAIN, form: 'json', batch: 1, seed: 1 });
    const never = new AbortController().signal;
    const quiet = { onProgress: () => undefined, onRun: async () => undefined, signal: never, token: null };
    const load = { connections: 64, durationS: 1, deadlineMs: null, arrivals: 'poisson', seed: 1 } as const;
    const deadlineMs = await deadlineFor({ target, requests, ...load, ...quiet });
    // Half a second of work, give or take the machine: 64 at once would take it 32 seconds.
    expect(deadlineMs).toBeGreaterThan(500);
    expect(deadlineMs).toBeLessThan(15_000);
  }, 20_000);

  test('an open loop offers its rate, in binary with a deadline, and its page is written', async () => {
    const [report, page] = [file('open.json'), file('open.html')];
    const load = ['--rate', '100', '--duration', '1', '--binary', '--deadline', '2000', '--send-deadline', 'parameter'];
    const { out } = await run(server.inferenceUrl, '--model', 'simple', ...load, '--json', report, '--html', page);
    const [figures] = (await readReport(report)).runs;
    expect(figures?.loop).toEqual({ kind: 'open', rate: 100, arrivals: 'poisson' });
    expect(figures?.sent).toBe(Math.round((figures?.offered ?? 0) * (figures?.durationS ?? 0)));
    expect(out).toContain('100/s poisson');
    expect(readFileSync(page, 'utf8')).toMatch(/^<!DOCTYPE html>/);
  });

  test('an input without a JSON form asks for --binary, and with it is sent', async () => {
    const load = ['--model', 'id_fp16', '--concurrency', '1', '--duration', '1'];
    const refused = await run(server.inferenceUrl, ...load);
    expect([refused.code, refused.err]).toEqual([64, expect.stringMatching(/FP16.*send binary/)]);
    expect((await run(server.inferenceUrl, ...load, '--binary')).code).toBe(0);
  });

  test('requests of a file are sent as they stand', async () => {
    const data = Array.from({ length: 16 }, (_, i) => i);
    const inputs = ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [1, 16], data }));
    writeFileSync(file('requests.json'), JSON.stringify([{ inputs }, { id: 'second', inputs }]));
    const load = ['--model', 'simple', '--concurrency', '1', '--duration', '1', '--input', file('requests.json')];
    expect((await run(server.inferenceUrl, ...load)).code).toBe(0);
  });

  test('compare tells two reports apart', async () => {
    const { code, out } = await run('compare', file('closed.json'), file('closed.json'));
    expect(code).toBe(0);
    expect(out).toContain('4 at once');
    expect(out).toMatch(/p99 +1\.000/);
  });

  test('Ctrl-C ends the load and leaves a report of what was measured', async () => {
    const report = file('partial.json');
    const load = ['--model', 'simple', '--rate', '50', '--duration', '1', '--repeat', '1000', '--json', report];
    const child = start(server.inferenceUrl, ...load);
    const over = ended(child);
    while ((await readReport(report).catch(() => null))?.runs.length !== 1)
      await new Promise((resolve) => setTimeout(resolve, 50));
    // Twice, as a terminal and the launcher each send it.
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect((await over).code).toBe(130);
    const read = await readReport(report);
    expect(read.complete).toBe(false);
    expect(read.runs.length).toBeGreaterThanOrEqual(1);
  }, 20_000);

  test('a ramp climbs until a rate does not hold, and every run is in its report', async () => {
    const report = file('ramp.json');
    const load = ['--model', 'simple', '--ramp', '--duration', '0.2', '--deadline', '1000', '--connections', '8'];
    const { out } = await run(server.inferenceUrl, ...load, '--json', report);
    const { kind, complete, runs, capacity } = await readReport(report);
    expect({ kind, complete }).toEqual({ kind: 'ramp', complete: true });
    expect(out).toContain('capacity');
    const rates = (which: typeof runs) => which.map(({ loop }) => (loop.kind === 'open' ? loop.rate : 0));
    const capable = capacity?.rate ?? 0;
    expect([0, ...rates(runs.filter(holds))]).toContain(capable);
    const above = runs.filter(({ loop }) => loop.kind === 'open' && loop.rate > capable);
    expect(above.filter(holds)).toEqual([]);
    expect(above.length > 0 || capacity?.limitedBy === 'search').toBe(true);
  }, 60_000);
});

describe('penstock bench refuses in one line', () => {
  test.each([
    ['no URL', [], 64, ''],
    ['no model', ['127.0.0.1:1'], 64, '--model'],
    ['an impossible rate', ['127.0.0.1:1', '--model', 'm', '--rate', '0'], 64, '--rate'],
    ['a rate that is no number', ['127.0.0.1:1', '--model', 'm', '--rate', '1e9'], 64, '--rate'],
    [
      'more requests than a run may have',
      ['127.0.0.1:1', '--model', 'm', '--rate', '999999', '--duration', '9999'],
      64,
      '100000000',
    ],
    ['two loads at once', ['127.0.0.1:1', '--model', 'm', '--rate', '1', '--ramp'], 64, 'only one'],
    [
      'connections of a closed loop',
      ['127.0.0.1:1', '--model', 'm', '--concurrency', '2', '--connections', '3'],
      64,
      'open loops',
    ],
    ['arrivals of a closed loop', ['127.0.0.1:1', '--model', 'm', '--arrivals', 'uniform'], 64, 'open loops'],
    ['repeats of a ramp', ['127.0.0.1:1', '--model', 'm', '--ramp', '--repeat', '2'], 64, '--repeat'],
    ['a host that does not exist', ['http://nowhere.invalid:1', '--model', 'm'], 69, 'nowhere.invalid'],
    ['an unknown flag', ['127.0.0.1:1', '--model', 'm', '--fast'], 64, '--fast'],
    [
      'a deadline form without a deadline',
      ['127.0.0.1:1', '--model', 'm', '--send-deadline', 'header'],
      64,
      '--deadline',
    ],
    ['a machine that is not this one', ['http://192.0.2.1:8000', '--model', 'm'], 64, '--allow-remote'],
    ['a password in the URL', ['http://a:b@127.0.0.1:1', '--model', 'm'], 64, 'PENSTOCK_TOKEN'],
    ['a port where nobody listens', ['http://127.0.0.1:1', '--model', 'm'], 69, '127.0.0.1:1'],
    ['https', ['https://127.0.0.1:1', '--model', 'm'], 64, 'http://'],
    ['a report that is none', ['compare', MAIN, MAIN], 65, 'JSON'],
    ['one report alone', ['compare', MAIN], 64, 'two reports'],
  ])('%s', async (_name, args, code, said) => {
    const result = await run(...args);
    expect(result.code).toBe(code);
    if (said === '') return;
    expect(result.err).toMatch(oneLine);
    expect(result.err).toContain(said);
  });

  test('an unknown model, a request file that is none, and a report that cannot be written', async () => {
    const load = ['--concurrency', '1', '--duration', '1'];
    const unknown = await run(server.inferenceUrl, '--model', 'nobody', ...load);
    expect([unknown.code, unknown.err]).toEqual([69, expect.stringMatching(oneLine)]);
    const requests = await run(server.inferenceUrl, '--model', 'simple', ...load, '--input', MAIN);
    expect([requests.code, requests.err]).toEqual([65, expect.stringMatching(oneLine)]);
    for (const path of ['/dev/full', join(folder, 'no/such/folder.json')]) {
      const report = await run(server.inferenceUrl, '--model', 'simple', ...load, '--json', path);
      expect([report.code, report.err]).toEqual([73, expect.stringMatching(oneLine)]);
    }
  });

  test('a server that speaks something else', async () => {
    const other = createServer((_req, res) => res.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, err } = await run(`127.0.0.1:${port}`, '--model', 'm');
    other.close();
    expect([code, err]).toEqual([76, expect.stringMatching(oneLine)]);
  });
});
