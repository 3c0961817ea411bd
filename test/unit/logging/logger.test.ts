import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/error.ts';
import { Logger, type RequestFacts, writtenAtOnce } from '../../../src/logging/logger.ts';

const FACTS: RequestFacts = {
  method: 'POST',
  path: '/v2/models/m/infer',
  requestId: 'r-1',
  bytesIn: 120,
  bytesOut: 34,
  infer: { target: { model: 'm', version: '3' }, decodeUs: 0, queueUs: 40, runUs: 50 },
};
/** As they stand in a line. */
const SHOWN = {
  method: 'POST',
  path: '/v2/models/m/infer',
  requestId: 'r-1',
  bytesIn: 120,
  bytesOut: 34,
  model: 'm',
  version: '3',
  queueUs: 40,
  runUs: 50,
};
const MODULE = new URL('../../../src/logging/logger.ts', import.meta.url).href;

function collecting(sampleEvery: number, slowMs = 1000) {
  const lines: Record<string, unknown>[] = [];
  const sink = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, log: new Logger(writtenAtOnce(sink), { sampleEvery, slowMs }) };
}

describe('request lines', () => {
  it('are written for one of so many successes', () => {
    const { log, lines } = collecting(3);
    for (let i = 0; i < 7; i++) log.request(FACTS, 200, null, 95);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ ...SHOWN, status: 200, sampled: 3, totalUs: 95 });
  });

  it('say what pictures took to be decoded, where there were some', () => {
    const { log, lines } = collecting(1);
    const infer = { target: { model: 'm', version: '3' }, decodeUs: 30, queueUs: 40, runUs: 50 };
    for (const facts of [FACTS, { ...FACTS, infer }]) log.request(facts, 200, null, 95);
    expect(lines.map(({ decodeUs }) => decodeUs)).toEqual([undefined, 30]);
  });

  it('are written for no success where sampling is off', () => {
    const { log, lines } = collecting(0);
    for (let i = 0; i < 7; i++) log.request(FACTS, 200, null, 95);
    expect(lines).toEqual([]);
  });

  it('are written for every success that was slow, sampled or not', () => {
    const { log, lines } = collecting(0, 10);
    log.request(FACTS, 200, null, 10_000);
    log.request(FACTS, 200, null, 10_001);
    expect(lines).toEqual([expect.objectContaining({ ...SHOWN, status: 200, slow: true, totalUs: 10_001, level: 40 })]);
  });

  it('call nothing slow where that is off', () => {
    const { log, lines } = collecting(0, 0);
    log.request(FACTS, 200, null, 3_600_000_000);
    expect(lines).toEqual([]);
  });

  it('name no model where none was reached', () => {
    const { log, lines } = collecting(1);
    log.request({ ...FACTS, infer: null }, 404, new GatewayError('MODEL_NOT_FOUND', 'no such model'), 12);
    expect(Object.keys(lines[0] as object)).not.toContain('model');
    expect(lines[0]).toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND', totalUs: 12 });
  });

  it('name the limit that was run into', () => {
    const { log, lines } = collecting(1000);
    log.request(FACTS, 503, new GatewayError('OVERLOADED', 'full', { limit: 'queueRows' }), 12);
    expect(lines[0]).toMatchObject({ code: 'OVERLOADED', limit: 'queueRows' });
  });

  it('are written for every refusal, with its code and its sentence', () => {
    const { log, lines } = collecting(1000);
    log.request(FACTS, 400, new GatewayError('INVALID_ARGUMENT', "input 'x' is missing"), 95);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT', reason: "input 'x' is missing" });
  });

  it('hold the cause of a failure, which the caller never sees', () => {
    const { log, lines } = collecting(1000);
    log.request(FACTS, 500, new GatewayError('INTERNAL', 'internal error', { cause: new Error('disk on fire') }), 95);
    expect(JSON.stringify(lines[0]?.err)).toContain('disk on fire');
  });

  it('stay one line each and of bounded length, whatever the path holds', () => {
    const raw: string[] = [];
    const sink = pino({ base: null }, { write: (line: string) => void raw.push(line) });
    const log = new Logger(writtenAtOnce(sink), { sampleEvery: 1, slowMs: 0 });
    log.request({ ...FACTS, path: `/a\n{"level":60}\u001b[2J${'x'.repeat(5000)}` }, 200, null, 95);
    expect(raw).toHaveLength(1);
    const controls = [...(raw[0] ?? '').trimEnd()].filter((character) => character < ' ');
    expect(controls).toEqual([]);
    expect(raw[0]?.length).toBeLessThan(1000);
  });
});

describe('the form of the log', () => {
  const printed = async (format: string) => {
    const program = `
      import { createLogger } from ${JSON.stringify(MODULE)};
      const log = createLogger({ level: 'info', format: '${format}', sampleEvery: 1, slowMs: 0 });
      log.info({ answer: 42 }, 'hello');
      await log.flush();`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    await new Promise((resolve) => child.once('close', resolve));
    return text;
  };

  it('is JSON, one line each, where nobody looks at a terminal', async () => {
    expect(JSON.parse(await printed('auto'))).toMatchObject({ level: 30, answer: 42, msg: 'hello' });
  });

  it('is for people where it is asked for', async () => {
    expect(await printed('pretty')).toMatch(/INFO: hello\n\s+answer: 42/);
  });
});

describe('a reader that has stopped reading', () => {
  it('does not hold up the process that logs, and what it misses is counted', async () => {
    const program = `
      import { createLogger } from ${JSON.stringify(MODULE)};
      const log = createLogger({ level: 'info', format: 'json', sampleEvery: 1, slowMs: 0 });
      let ticks = 0;
      const timer = setInterval(() => {
        for (let i = 0; i < 2000; i++) log.info({ filler: 'x'.repeat(500) }, 'line');
        if (++ticks === 20) { clearInterval(timer); process.stderr.write(String(log.dropped)); process.kill(process.pid, 'SIGKILL'); }
      }, 5);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk));
    // Nobody reads standard output: its pipe fills after 64 KiB, of 20 MB written.
    await new Promise((resolve) => child.once('exit', resolve));
    child.stdout.destroy();
    // 40,000 lines; what fits the pipe and the waiting room of 4 MiB is not lost.
    expect(Number(text)).toBeGreaterThan(20_000);
    expect(Number(text)).toBeLessThan(40_000);
  });
});

describe('a log that cannot be written', () => {
  /** What a process says on standard error that logs 30,000 lines of 500 bytes to a place like this, a few at a time. */
  async function logged(stdout: 'pipe' | number, gone: boolean): Promise<{ code: number | null; dropped: number }> {
    const program = `
      import { createLogger } from ${JSON.stringify(MODULE)};
      const log = createLogger({ level: 'info', format: 'json', sampleEvery: 1, slowMs: 0 });
      let ticks = 0;
      const timer = setInterval(async () => {
        for (let i = 0; i < 1500; i++) log.info({ filler: 'x'.repeat(500) }, 'line');
        if (++ticks < 20) return;
        clearInterval(timer);
        process.stderr.write(String(log.dropped));
        if (!(await log.flush())) process.exit(0);
      }, 5);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', stdout, 'pipe'],
    });
    if (gone) child.stdout?.destroy();
    let text = '';
    child.stderr?.on('data', (chunk) => (text += chunk));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, dropped: Number(text) };
  }

  it.runIf(process.platform === 'linux')(
    'since the disk is full ends nothing, and what is lost is counted',
    async () => {
      const full = openSync('/dev/full', 'w');
      const { code, dropped } = await logged(full, false);
      closeSync(full);
      expect(code).toBe(0);
      // The waiting room of 4 MiB has some 7,500 of them.
      expect(dropped).toBeGreaterThan(20_000);
      expect(dropped).toBeLessThan(30_000);
    },
  );

  it('since its reader has gone ends nothing, and what is lost is counted', async () => {
    const { code, dropped } = await logged('pipe', true);
    expect(code).toBe(0);
    expect(dropped).toBeGreaterThan(20_000);
    expect(dropped).toBeLessThan(30_001);
  });
});
