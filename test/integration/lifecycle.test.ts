import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, post } from '../support/gateway.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

const models = mkdtempSync(join(tmpdir(), 'penstock-life-'));

beforeAll(async () => {
  await writeFixtures(models, ['slow8', 'simple']);
});

afterAll(() => {
  rmSync(models, { recursive: true });
});

const serve = (...flags: string[]) => serveProcess(models, '--workers', '1', ...flags);

const slow = (url: string) => post(`${url}/v2/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });

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

  test('F1, F2: SIGTERM finishes what was accepted, refuses what comes, and exits 0; repeats within a second are the same signal', async () => {
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

  test('F2: a second signal after more than a second ends it at once, and not with 0', async () => {
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

  test('F2: an overrun of the drain time ends it at once, and not with 0', async () => {
    const served = await serve('--drain-timeout-s', '0');
    await untilReady(served.url);
    const lost = slow(served.url).catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 100));
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(served.output()).toContain('the drain time is over');
    await lost;
  }, 30_000);
});
