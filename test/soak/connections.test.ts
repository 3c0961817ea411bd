import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cpuUs, openFiles } from '../../bench/runner/process.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import { metricValue } from '../support/scrape.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

const ATTEMPTS = 50_000;
const MOST = 2_000;
const BURST = 100;
/** From so many addresses of this machine: one has not ports enough. */
const ADDRESSES = 8;
const WATCHED_MS = 3_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when the connection is open, or has ended. */
function attempt(port: number, index: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (index % ADDRESSES)}` });
    socket.on('error', () => undefined);
    socket.once('connect', () => resolve(socket));
    socket.once('close', () => resolve(socket));
  });
}

test('O5 50,000 idle connections: the surplus is closed, admin answers, nothing spins, and there is room again', async () => {
  const models = mkdtempSync(join(tmpdir(), 'penstock-idle-'));
  await writeFixtures(models, ['simple']);
  const served = await serveProcess(
    models,
    '--workers',
    '1',
    '--log-level',
    'error',
    '--limits-connections',
    `${MOST}`,
  );
  const pid = served.child.pid as number;
  try {
    await untilReady(served.url, 'simple');
    const port = Number(new URL(served.url).port);
    const open: Socket[] = [];
    for (let made = 0; made < ATTEMPTS; made += BURST) {
      const burst = await Promise.all(Array.from({ length: BURST }, (_, i) => attempt(port, made + i)));
      open.push(...burst.filter((socket) => !socket.destroyed));
      if (made % 10_000 === 0) expect((await get(`${served.adminUrl}/v2/health/live`)).status).toBe(200);
    }
    await pause(500);
    expect(openFiles(pid)).toBeLessThan(MOST + 200);
    const before = cpuUs(pid);
    await pause(WATCHED_MS);
    expect(cpuUs(pid) - before).toBeLessThan((WATCHED_MS * 1_000) / 2);
    expect(
      await metricValue(served.adminUrl, 'penstock_limit_rejections_total{limit="connections"}'),
    ).toBeGreaterThanOrEqual(ATTEMPTS - 2 * MOST);
    for (const socket of open) socket.destroy();
    await pause(1_000);
    expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
  } finally {
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
    rmSync(models, { recursive: true });
  }
});
