import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { portHolder } from '../../src/cli/port-holder.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { I, post } from '../support/gateway.ts';
import { type Served, type Started, serveProcess, startProcess, untilReady } from '../support/server-process.ts';

const models = mkdtempSync(join(tmpdir(), 'penstock-supervised-'));
const running = new Set<Served>();

beforeAll(async () => {
  await writeFixtures(models, ['slow8', 'simple']);
});
afterAll(() => rmSync(models, { recursive: true }));
// A failed test must not leave its server behind.
afterEach(() => {
  for (const served of running) served.child.kill('SIGTERM');
});

async function supervised(...flags: string[]): Promise<Served> {
  const served = await serveProcess(models, '--supervise', '--workers', '1', ...flags);
  running.add(served);
  void served.ended.then(() => running.delete(served));
  return served;
}

/** The process that has the port. */
function serverPid({ url }: Served): number {
  return Number(/^process (\d+)/.exec(portHolder(Number(new URL(url).port)))?.[1] ?? Number.NaN);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (holds()) return;
    await pause(25);
  }
  throw new Error(`never: ${holds}`);
}

async function killServer(served: Served, signal: NodeJS.Signals): Promise<void> {
  const pid = serverPid(served);
  process.kill(pid, signal);
  await until(() => ![pid, Number.NaN].includes(serverPid(served)));
}

const metrics = async ({ adminUrl }: Served) => (await fetch(`${adminUrl}/metrics`)).text();

const restartLines = (served: Started) =>
  served
    .output()
    .split('\n')
    .filter((line) => line.includes('started again'))
    .map((line) => JSON.parse(line));

describe.runIf(process.platform === 'linux')('a supervised server', { timeout: 30_000 }, () => {
  test('F3: a server that native code killed is there again on its ports, and log and metrics say so', async () => {
    const served = await supervised();
    await untilReady(served.url);
    expect(await metrics(served)).toContain('penstock_last_restart_info{cause="none"} 1');
    for (const signal of ['SIGSEGV', 'SIGKILL'] as const) await killServer(served, signal);
    await untilReady(served.url);
    const text = await metrics(served);
    expect(text).toContain('penstock_restarts_total 2');
    expect(text).toContain('penstock_last_restart_info{cause="SIGKILL"} 1');
    const lines = restartLines(served);
    expect(lines).toMatchObject([
      { level: 50, cause: 'SIGSEGV', restarts: 1, pauseMs: 100 },
      { level: 50, cause: 'SIGKILL', restarts: 2, pauseMs: 200 },
    ]);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(serverPid(served)).toBeNaN();
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s reaches the server once: it drains, and its exit code is ours',
    async (signal) => {
      const served = await supervised();
      await untilReady(served.url);
      const accepted = post(`${served.url}/v2/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });
      await pause(100);
      for (let i = 0; i < 3; i++) served.child.kill(signal);
      expect((await accepted).status).toBe(200);
      expect(await served.ended).toEqual({ code: 0, signal: null });
      expect(served.output().match(/"draining"/g)).toHaveLength(1);
      expect(restartLines(served)).toEqual([]);
    },
  );

  test('a second signal after more than a second ends both, with the code of a kill and without a restart', async () => {
    const served = await supervised();
    await untilReady(served.url);
    const lost = Array.from({ length: 8 }, () =>
      post(`${served.url}/v2/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] }).catch(() => null),
    );
    await pause(100);
    served.child.kill('SIGTERM');
    await pause(1_200);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 137, signal: null });
    expect(restartLines(served)).toEqual([]);
    expect(await Promise.all(lost)).toContain(null);
  });

  test('a supervisor that is killed leaves no server behind', async () => {
    const served = await supervised();
    await untilReady(served.url);
    served.child.kill('SIGKILL');
    // Its end is the end of the pipe that both write to.
    await served.ended;
    expect(serverPid(served)).toBeNaN();
    expect(served.output()).toContain('end of the supervisor');
  });

  test('a second start says which server process is in the way, and is not tried again', async () => {
    const first = await supervised();
    const second = await supervised('--port', new URL(first.url).port);
    expect((await second.ended).code).toBe(69);
    expect(second.output()).toContain(`process ${serverPid(first)} (`);
    expect(restartLines(second)).toEqual([]);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);
  });

  test('a mistaken setting is exit 78, said once', async () => {
    const served = await supervised('--limits-body-bytes', 'many');
    expect((await served.ended).code).toBe(78);
    expect(served.output().match(/limits-body-bytes/g)).toHaveLength(1);
  });

  test('a server that dies at every start is tried with growing pauses; a signal in a pause ends that', async () => {
    const entry = fileURLToPath(new URL('../support/ends-at-once.ts', import.meta.url));
    const started = startProcess(entry, models);
    await until(() => restartLines(started).length === 4);
    expect(restartLines(started).map(({ cause, pauseMs }) => [cause, pauseMs])).toEqual([
      ['exit 1', 100],
      ['exit 1', 200],
      ['exit 1', 400],
      ['exit 1', 800],
    ]);
    started.child.kill('SIGTERM');
    expect(await started.ended).toEqual({ code: 0, signal: null });
    expect(restartLines(started)).toHaveLength(4);
  });
});
