import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { floodLog } from '../support/log-flood.ts';
import { metricValue } from '../support/scrape.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

test('O10 nobody reads standard output: log lines are dropped and counted, and every request is answered', async () => {
  const models = mkdtempSync(join(tmpdir(), 'penstock-blocked-'));
  await writeFixtures(models, ['mlp']);
  const served = await serveProcess(models, '--workers', '1', '--log-level', 'info', '--log-sample-every', '1');
  const dropped = () => metricValue(served.adminUrl, 'penstock_log_lines_dropped_total');
  try {
    await untilReady(served.url, 'mlp');
    served.child.stdout?.pause();
    const sent = await floodLog(served.url, dropped);
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
