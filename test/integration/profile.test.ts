import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answerBytes, mlpBinary } from '../../bench/http/loads.ts';
import { ourServer, withModels, writeMlp } from '../../bench/http/models.ts';
import { startServer } from '../../bench/runner/process.ts';
import { type Profile, selfTimes } from '../../bench/runner/self-times.ts';

const PRELOAD = new URL('../../bench/runner/profiled.ts', import.meta.url).href;

test('a profile of a server holds its load from one signal to the next, and nothing of its start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-profile-'));
  const path = join(folder, 'x.cpuprofile');
  await withModels(writeMlp, async (models) => {
    const env = { ...process.env, PROFILE_PATH: path };
    const server = await startServer(['--import', PRELOAD, ...ourServer(models)], 0, env);
    await answerBytes(server.url, mlpBinary());
    process.kill(server.pid, 'SIGUSR2');
    for (let i = 0; i < 200; i++) await answerBytes(server.url, mlpBinary());
    expect(existsSync(path)).toBe(false);
    process.kill(server.pid, 'SIGUSR2');
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.stop();
  });
  const { nodes, samples } = JSON.parse(readFileSync(path, 'utf8')) as Profile;
  const files = nodes.map(({ callFrame }) => callFrame.url);
  expect(files).toContain(new URL('../../src/http/exchange.ts', import.meta.url).href);
  expect(nodes.map(({ callFrame }) => callFrame.functionName)).not.toContain('loadConfig');
  expect(selfTimes({ nodes, samples }, 5).functions).toHaveLength(5);
  rmSync(folder, { recursive: true });
}, 60_000);
