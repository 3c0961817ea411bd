import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { answerBytes, mlpBinary } from '../../bench/http/loads.ts';
import { freePort } from '../../bench/runner/group.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import { floodLog } from '../support/log-flood.ts';
import { metricValue } from '../support/scrape.ts';
import { followProcess, onFreePorts, untilReady } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** No file of the server may be longer, KiB: what a full disk is, but only for it. */
const DISK_KIB = 64;

/** The server whose standard output is the end of this file, which may have so many KiB. */
function logging(models: string, log: string, kib: number, ...flags: string[]) {
  const level = ['--log-level', 'info', '--log-sample-every', '1'];
  const args = [MAIN, 'serve', ...onFreePorts(models), '--workers', '1', ...level, ...flags];
  const command = ['-c', `ulimit -f ${kib}; exec "$0" "$@" >>"$LOG"`, process.execPath, ...args];
  const env = { ...process.env, LOG: log };
  return followProcess(spawn('bash', command, { stdio: ['ignore', 'ignore', 'pipe'], env }));
}

test.runIf(process.platform === 'linux')(
  'O10 the disk under the log is full: log lines are dropped and counted, every request is answered, and lines are written again when there is room',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-full-'));
    const models = join(folder, 'models');
    const log = join(folder, 'log.jsonl');
    await writeFixtures(models, ['mlp']);
    const file = openSync(log, 'a');
    const served = logging(models, log, DISK_KIB);
    const written = () => readFileSync(log, 'utf8');
    try {
      const announced = /on (http:\/\/\S+) \(admin (http:\/\/\S+)\)/;
      while (!announced.test(written()) && served.child.exitCode === null) await sleep(20);
      const [, url = '', adminUrl = ''] = announced.exec(written()) ?? [];
      await untilReady(url, 'mlp');
      const dropped = () => metricValue(adminUrl, 'penstock_log_lines_dropped_total');
      const sent = await floodLog(url, dropped);
      expect(written().length).toBe(DISK_KIB * 1024);
      const lost = await dropped();
      expect(lost).toBeGreaterThan(0);
      expect(lost).toBeLessThan(sent);
      ftruncateSync(file);
      for (let i = 0; i < 100 && written() === ''; i++) await sleep(50);
      expect(written()).not.toBe('');
    } finally {
      served.child.kill('SIGTERM');
      expect(await served.ended).toEqual({ code: 0, signal: null });
      closeSync(file);
      rmSync(folder, { recursive: true });
    }
    expect(served.errors()).toBe('');
  },
);

test.runIf(process.platform === 'linux')(
  'O10 a disk that is full from the start keeps no server from serving',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-full-'));
    const models = join(folder, 'models');
    await writeFixtures(models, ['mlp']);
    // Nobody can read where it listens.
    const port = await freePort();
    const served = logging(models, '/dev/full', DISK_KIB, '--port', `${port}`);
    try {
      const ready = () => get(`http://127.0.0.1:${port}/v2/models/mlp/ready`).then(({ status }) => status);
      await expect.poll(() => ready().catch(() => 0), { timeout: 10_000, interval: 25 }).toBe(200);
      await answerBytes(`http://127.0.0.1:${port}`, mlpBinary());
    } finally {
      served.child.kill('SIGTERM');
      expect(await served.ended).toEqual({ code: 0, signal: null });
      rmSync(folder, { recursive: true });
    }
  },
);
