import { exec, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, post } from '../support/gateway.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

const models = mkdtempSync(join(tmpdir(), 'penstock-life-'));

beforeAll(async () => {
  await writeFixtures(models, ['slow8', 'simple']);
});

afterAll(() => {
  rmSync(models, { recursive: true });
});

const serve = (...flags: string[]) => serveProcess(models, '--workers', '1', ...flags);

const slow = (url: string) => post(`${url}/v2/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });

/** What the first group of `pattern` matches in what the server prints, once it has. */
async function printed(served: Served, pattern: RegExp): Promise<string> {
  for (let i = 0; i < 400; i++) {
    const found = pattern.exec(served.output());
    if (found) return found[1] as string;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never printed ${pattern}: ${served.output()}`);
}

describe('the life of a server', () => {
  test('it is live before its models are, and prints what it serves with a curl line', async () => {
    const served = await serve();
    expect((await get(`${served.url}/v2/health/live`)).json).toEqual({ live: true });
    await untilReady(served.url);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(served.output()).toContain('simple 1: READY');
    expect(served.output()).toMatch(/try: curl \S+/);
  }, 30_000);

  test('SIGTERM finishes what was accepted, refuses what comes, and exits 0; repeats within a second are the same signal', async () => {
    const served = await serve();
    await untilReady(served.url);
    const accepted = [slow(served.url), slow(served.url)];
    await new Promise((resolve) => setTimeout(resolve, 100));
    served.child.kill('SIGTERM');
    served.child.kill('SIGINT');
    const replies = await Promise.all(accepted);
    expect(replies.map((r) => r.status)).toEqual([200, 200]);
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('a request whose body is still coming at SIGTERM is finished too', async () => {
    const served = await serve();
    await untilReady(served.url);
    const body = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1], [3])] });
    const status = new Promise<number>((resolve, reject) => {
      const headers = { 'Content-Length': String(body.length) };
      const outgoing = request(`${served.url}/v2/models/slow8/infer`, { method: 'POST', headers }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      });
      outgoing.on('error', reject);
      outgoing.write(body.slice(0, 20));
      setTimeout(() => served.child.kill('SIGTERM'), 150);
      setTimeout(() => outgoing.end(body.slice(20)), 400);
    });
    expect(await status).toBe(200);
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('a second signal after more than a second ends it at once, and not with 0', async () => {
    const served = await serve();
    await untilReady(served.url);
    // Enough work for several seconds of draining.
    const lost = Array.from({ length: 8 }, () => slow(served.url).catch(() => null));
    await new Promise((resolve) => setTimeout(resolve, 200));
    served.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(served.output()).toContain('a second SIGTERM');
    expect(await Promise.all(lost)).toContain(null);
  }, 30_000);

  test('an overrun of the drain time ends it at once, and not with 0', async () => {
    const served = await serve('--drain-timeout-s', '0');
    await untilReady(served.url);
    const lost = slow(served.url).catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 100));
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(served.output()).toContain('the drain time is over');
    await lost;
  }, 30_000);

  test('a second server on the same port says who has it', async () => {
    const first = await serve();
    const port = new URL(first.url).port;
    const second = await serve('--port', port);
    expect((await second.ended).code).toBe(69);
    expect(second.output()).toContain(port);
    expect(second.output()).toContain(String(first.child.pid));
    first.child.kill('SIGTERM');
    await first.ended;
  }, 30_000);

  test('a taken admin port is refused too, and the inference port is let go', async () => {
    const first = await serve();
    const port = new URL(first.adminUrl).port;
    const second = await serve('--admin-port', port);
    expect((await second.ended).code).toBe(69);
    expect(second.output()).toContain(`port ${port} on 127.0.0.1 is taken`);
    expect(second.output()).toContain(String(first.child.pid));
    first.child.kill('SIGTERM');
    await first.ended;
  }, 30_000);

  test('the curl line that start prints works as it stands', async () => {
    const served = await serveProcess('models', '--workers', '1');
    await untilReady(served.url);
    const line = await printed(served, /try: (curl .+)/);
    const { stdout } = await promisify(exec)(line);
    expect(JSON.parse(stdout).outputs[0]).toMatchObject({ name: 'probabilities', shape: [1, 10] });
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('a models folder that is not there is said, and the process stays live and not ready', async () => {
    const served = await serveProcess(join(models, 'nowhere'), '--workers', '1');
    await printed(served, /(cannot be read)/);
    expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
    expect((await get(`${served.url}/v2/health/ready`)).status).toBe(503);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 30_000);

  test('a missing addon is exit 78 with the command that builds it', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const bare = join(models, '..', `${basename(models)}-bare`);
    for (const name of ['src', 'package.json']) cpSync(join(root, name), join(bare, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(bare, 'node_modules'));
    const args = [join(bare, 'src/main.ts'), 'serve', '--port', '0', '--admin-port', '0', '--models', models];
    const found = spawnSync(process.execPath, args, { encoding: 'utf8' });
    rmSync(bare, { recursive: true });
    expect(found.status).toBe(78);
    expect(found.stderr).toContain('build it with: node bin/penstock.mjs build-addon');
  }, 30_000);

  test('a mistaken setting is exit 78 with its name', async () => {
    const served = await serve('--limits-body-bytes', 'many');
    expect((await served.ended).code).toBe(78);
    expect(served.output()).toContain('limits-body-bytes');
  }, 30_000);
});
