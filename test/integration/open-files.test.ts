import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cpuUs } from '../../bench/runner/process.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import { sum } from '../support/hostile.ts';
import { followProcess, onFreePorts, untilListening, untilReady } from '../support/server-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const FILES = 256;
const CONNECTIONS = 600;
const BURST = 50;
/** How long the server is watched for turning in vain. */
const WATCHED_MS = 1_500;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Idle connections, some at once so that the listen queue holds them. */
async function opened(url: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    for (let i = 0; i < BURST; i++) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      sockets.push(socket);
    }
    await pause(20);
  }
  return sockets;
}

test.runIf(process.platform === 'linux')(
  'O5 more idle connections than files: the surplus is closed, admin answers, nothing spins, and there is room again',
  async () => {
    const models = mkdtempSync(join(tmpdir(), 'penstock-files-'));
    await writeFixtures(models, ['simple']);
    const args = [MAIN, 'serve', ...onFreePorts(models), '--workers', '1'];
    const command = ['-c', `ulimit -n ${FILES}; exec "$0" "$@"`, process.execPath, ...args];
    const served = await untilListening(followProcess(spawn('bash', command, { stdio: ['ignore', 'pipe', 'pipe'] })));
    const pid = served.child.pid as number;
    try {
      await untilReady(served.url, 'simple');
      const sockets = await opened(served.url, CONNECTIONS);
      await pause(300);
      expect(readdirSync(`/proc/${pid}/fd`).length).toBeLessThan(FILES - 16);
      const before = cpuUs(pid);
      await pause(WATCHED_MS);
      expect(cpuUs(pid) - before).toBeLessThan((WATCHED_MS * 1_000) / 2);
      const metrics = await (await fetch(`${served.adminUrl}/metrics`)).text();
      const open = sum(metrics, 'penstock_connections{listener="inference"}');
      expect(open).toBeGreaterThan(10);
      // One or two more are ours that asked whether it is ready.
      const surplus = sum(metrics, 'penstock_limit_rejections_total{limit="connections"}');
      expect(surplus + open).toBeGreaterThanOrEqual(CONNECTIONS);
      for (const socket of sockets) socket.destroy();
      await pause(200);
      expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
    } finally {
      served.child.kill('SIGTERM');
      expect(await served.ended).toEqual({ code: 0, signal: null });
      rmSync(models, { recursive: true });
    }
    expect(served.output()).toMatch(/fewer connections than configured/);
  },
);
