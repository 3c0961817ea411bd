import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mlpBinary } from '../../bench/http/loads.ts';
import { runClosedLoop } from '../../src/load/closed-loop.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { metricValue } from '../support/scrape.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

/** Beyond what a pipe and the waiting room of 4 MiB hold, a line being some 200 bytes. */
const MOST_LOADS = 12;

test('O10 nobody reads standard output: log lines are dropped and counted, and every request is answered', async () => {
  const models = mkdtempSync(join(tmpdir(), 'penstock-blocked-'));
  await writeFixtures(models, ['mlp']);
  const served = await serveProcess(models, '--workers', '1', '--log-level', 'info', '--log-sample-every', '1');
  const dropped = () => metricValue(served.adminUrl, 'penstock_log_lines_dropped_total');
  try {
    await untilReady(served.url, 'mlp');
    served.child.stdout?.pause();
    const { hostname, port } = new URL(served.url);
    const plan = { origin: { host: hostname, port: Number(port) }, requests: [mlpBinary()], connections: 32, seed: 1 };
    let sent = 0;
    for (let i = 0; i < MOST_LOADS && (await dropped()) === 0; i++) {
      const loop = { kind: 'closed', concurrency: 32 } as const;
      const figures = await runClosedLoop({ ...plan, loop, durationS: 1, deadlineMs: null });
      expect(figures).toMatchObject({ ok: figures.sent, errors: { connect: 0, reset: 0, timeout: 0, malformed: 0 } });
      sent += figures.sent;
    }
    const lost = await dropped();
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(sent);
    // A reader that is back gets lines again.
    const seen = served.output().length;
    served.child.stdout?.resume();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(served.output().length).toBeGreaterThan(seen);
  } finally {
    served.child.stdout?.resume();
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
    rmSync(models, { recursive: true });
  }
}, 20_000);
