import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { MOST_CHUNKS } from '../../src/http/body.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { listen, neighbour, opened, pause, request, speak, sum, unharmed, write } from '../support/hostile.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

const MIB = 1024 * 1024;
const INFER = 'POST /v2/models/id_fp32/infer';
const CHUNKED = request(INFER, ['Transfer-Encoding: chunked']);

const models = mkdtempSync(join(tmpdir(), 'penstock-hostile-'));
let served: Served;

beforeAll(async () => {
  await writeFixtures(models, ['simple', 'id_fp32']);
  served = await serveProcess(models, '--workers', '1', '--log-level', 'silent');
  await untilReady(served.url);
});

afterAll(async () => {
  served.child.kill('SIGTERM');
  expect(await served.ended).toEqual({ code: 0, signal: null });
  rmSync(models, { recursive: true });
});

const rss = async ({ adminUrl }: Served) =>
  sum(await (await fetch(`${adminUrl}/metrics`)).text(), 'process_resident_memory_bytes');
const descriptors = () => readdirSync(`/proc/${served.child.pid}/fd`).length;

/** Milliseconds until the server closes the connection, while `drip` writes to it once a second. */
async function untilClosed(socket: Socket, drip: () => void): Promise<number> {
  const startedMs = performance.now();
  const timer = setInterval(() => socket.destroyed || drip(), 1_000);
  await listen(socket, 40_000, 40_000);
  clearInterval(timer);
  return performance.now() - startedMs;
}

describe('slow clients are closed in time', () => {
  test('H11 one header byte a second: within 15 s', async () => {
    await unharmed(served, async () => {
      const socket = await opened(served.url);
      socket.write('GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ');
      expect(await untilClosed(socket, () => socket.write('s'))).toBeLessThan(15_000);
    });
  });

  test('H11 one header byte a second on a connection that was answered before: within 15 s too', async () => {
    const socket = await opened(served.url);
    socket.write(request('GET /v2/health/live'));
    await pause(300);
    expect(await untilClosed(socket, () => socket.write('G'))).toBeLessThan(15_000);
  });

  test('H12 a body of 1 KiB a second: within 25 s', async () => {
    await unharmed(served, async () => {
      const socket = await opened(served.url);
      socket.write(request(INFER, ['Content-Length: 10000000']));
      expect(await untilClosed(socket, () => socket.write(' '.repeat(1024)))).toBeLessThan(25_000);
    });
  });

  test.each([
    ['a NUL', request('GET /v2', ['X-A: a\0b'])],
    ['a CR', request('GET /v2', ['X-A: a\rb'])],
    ['a folded line', request('GET /v2', ['X-A: a\r\n b'])],
    ['a space before the colon', request('GET /v2', ['X-A : a'])],
    ['no Host', 'GET /v2 HTTP/1.1\r\n\r\n'],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('H16 %s: without an answer, within 15 s', async (_name, text) => {
    const said = await speak(served.url, [text], 15_000);
    expect(said).toEqual({ answers: [], closed: true });
  });
});

test('H7 100 bodies of a million one-byte chunks leave no memory behind', async () => {
  // Garbage that V8 is in no hurry to collect is not left behind: with so small a heap it must be.
  vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=24 --max-semi-space-size=1');
  const narrow = await serveProcess(models, '--workers', '1', '--log-level', 'silent');
  vi.unstubAllEnvs();
  await untilReady(narrow.url);
  const million = Buffer.from('1\r\n \r\n'.repeat(1_000_000));
  const once = async () => {
    const said = await speak(narrow.url, [CHUNKED, million], 20_000);
    expect(said.answers.map(({ status }) => status)).toEqual([413]);
  };
  expect(million.length).toBeGreaterThan(6 * MOST_CHUNKS);
  for (let i = 0; i < 100; i++) await once();
  const before = await rss(narrow);
  for (let i = 0; i < 100; i++) await once();
  await expect.poll(async () => (await rss(narrow)) - before, { timeout: 30_000, interval: 1_000 }).toBeLessThan(MIB);
  expect(await neighbour(narrow, 21)).toBe(42);
  narrow.child.kill('SIGTERM');
  expect(await narrow.ended).toEqual({ code: 0, signal: null });
});

test('H12 2,000 sockets that are idle or dribble leave good requests answered and memory bounded', async () => {
  const [descriptorsBefore, before] = [descriptors(), await rss(served)];
  const openings = [
    '',
    'GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-',
    request(INFER, ['Content-Length: 1000000'], '{'),
    `GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Bomb: ${'b'.repeat(16_384)}`,
  ];
  const sockets: Socket[] = [];
  for (let i = 0; i < 2_000; i++) sockets.push(await opened(served.url));
  for (const socket of sockets) socket.resume();
  let most = 0;
  let good = 0;
  await unharmed(served, async () => {
    await Promise.all(sockets.map((socket, i) => write(socket, [openings[i % 4] as string])));
    for (let second = 0; second < 25; second++) {
      for (const [i, socket] of sockets.entries()) if (i % 4 !== 0 && !socket.destroyed) socket.write('a'.repeat(64));
      good += (await Promise.all([neighbour(served, second), neighbour(served, 1)])).length;
      most = Math.max(most, (await rss(served)) - before);
      await pause(1_000);
    }
  });
  // None of them was alive after its time: not the idle, not the slow headers, not the slow bodies.
  expect(sockets.filter((socket) => !socket.destroyed)).toEqual([]);
  expect(good).toBe(50);
  expect(most).toBeLessThan(128 * MIB);
  await expect.poll(descriptors, { timeout: 15_000, interval: 500 }).toBeLessThanOrEqual(descriptorsBefore + 4);
});

test('connections over the limit are closed, and those that hold it are done with in seconds', async () => {
  const few = await serveProcess(models, '--workers', '1', '--limits-connections', '200', '--log-level', 'silent');
  await untilReady(few.url);
  // One after the other: fetch has a connection of its own.
  const sockets: Socket[] = [];
  for (let i = 0; i < 400; i++) sockets.push(await opened(few.url));
  for (const socket of sockets) socket.resume();
  await expect
    .poll(() => sockets.filter((socket) => socket.destroyed).length, { timeout: 5_000 })
    .toBeGreaterThanOrEqual(199);
  await expect.poll(() => neighbour(few, 4).catch(() => 0), { timeout: 20_000, interval: 250 }).toBe(8);
  for (const socket of sockets) socket.destroy();
  few.child.kill('SIGTERM');
  expect(await few.ended).toEqual({ code: 0, signal: null });
});

test('S5 SIGKILL at any time, 20 times: each next start is clean', async () => {
  for (let round = 0; round < 20; round++) {
    const one = await serveProcess(models, '--workers', '1', '--log-level', 'silent');
    if (round % 2 === 0) await untilReady(one.url);
    const lost = Array.from({ length: 4 }, () => neighbour(one, 5).catch(() => null));
    await pause(round * 7);
    one.child.kill('SIGKILL');
    await one.ended;
    await Promise.all(lost);
  }
  const last = await serveProcess(models, '--workers', '1', '--log-level', 'silent');
  await untilReady(last.url);
  expect(await neighbour(last, 21)).toBe(42);
  last.child.kill('SIGTERM');
  expect(await last.ended).toEqual({ code: 0, signal: null });
});
