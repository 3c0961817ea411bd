import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import { inferRequest, listen, neighbour, opened, pause, request, type Said, speak } from '../support/hostile.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

const models = mkdtempSync(join(tmpdir(), 'penstock-bad-shutdown-'));

beforeAll(async () => {
  await writeFixtures(models, ['simple', 'slow8', 'id_fp32']);
});

afterAll(() => rmSync(models, { recursive: true }));

const serve = (...flags: string[]) => serveProcess(models, '--workers', '1', ...flags);

/** Clients that ask one after the other, each on a connection that stays, until it is closed; every answer they got. */
async function load(url: string, clients: number): Promise<{ stop: () => Promise<Said[]> }> {
  const body = `{"inputs":[${[0, 1].map((i) => `{"name":"INPUT${i}","datatype":"INT32","shape":[1,16],"data":[${Array(16).fill(3).join()}]}`).join()}]}`;
  const text = inferRequest('simple', body);
  const sockets = await Promise.all(Array.from({ length: clients }, () => opened(url)));
  const said = sockets.map((socket) => {
    let asked = 1;
    let answered = 0;
    socket.on('data', (chunk: Buffer) => {
      answered += chunk.toString('latin1').split('HTTP/1.1 ').length - 1;
      // The next one is asked when this one is answered, and not on a connection that will be closed.
      if (answered < asked || /^connection: close/im.test(chunk.toString('latin1'))) return;
      asked++;
      socket.write(text);
    });
    socket.write(text);
    return listen(socket, 20_000, 20_000).then((all) => {
      // One that was asked in the very moment of the close got nothing, and nothing of it was taken.
      expect(asked - answered).toBeLessThanOrEqual(1);
      return all;
    });
  });
  return { stop: () => Promise.all(said) };
}

/** A port that was free a moment ago: a listener on port 0 could not be followed by another on its port so soon. */
async function freePort(): Promise<string> {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, 'close');
  return String(port);
}

describe('shutdown', () => {
  test('S1 SIGTERM at full load: not ready first, Connection: close on answers, none lost, exit 0', async () => {
    const served = await serve();
    await untilReady(served.url);
    const under = await load(served.url, 16);
    // These hold the drain for a second and more, so that what happens during it can be seen.
    const accepted = Array.from({ length: 3 }, () =>
      speak(
        served.url,
        [inferRequest('slow8', '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1],"data":[3]}]}')],
        20_000,
      ),
    );
    const kept = await opened(served.url);
    await pause(300);
    served.child.kill('SIGTERM');
    await expect.poll(async () => (await get(`${served.adminUrl}/v2/health/ready`)).status, { interval: 5 }).toBe(503);
    expect((await get(`${served.adminUrl}/v2/health/live`)).status).toBe(200);
    kept.write(request('GET /v2/health/ready'));
    const late = await listen(kept, 2_000);
    expect(late.answers.map(({ status, headers }) => [status, headers.connection])).toEqual([[503, 'close']]);
    for (const { answers, closed } of await Promise.all(accepted)) {
      expect(answers.map(({ status, headers }) => [status, headers.connection])).toEqual([[200, 'close']]);
      expect(closed).toBe(true);
    }
    expect(await served.ended).toEqual({ code: 0, signal: null });
    for (const { answers, closed } of await under.stop()) {
      expect(closed).toBe(true);
      const last = answers.at(-1);
      const before = answers.slice(0, -1);
      expect(before.length).toBeGreaterThan(3);
      expect(new Set(before.map(({ status }) => status))).toEqual(new Set([200]));
      // The last one was accepted, or refused by a server that was draining; it said which, and that it would close.
      expect([200, 503]).toContain(last?.status);
      expect(last?.headers.connection).toBe('close');
      for (const { body } of before) expect(JSON.parse(body).outputs[0].data).toEqual(Array(16).fill(6));
    }
  }, 60_000);

  test('S3 an upload that would not end is answered 503 within the drain time, and the exit is clean', async () => {
    const served = await serve(
      '--drain-timeout-s',
      '4',
      '--limits-body-bytes-per-s',
      '1',
      '--limits-body-stall-s',
      '8',
    );
    await untilReady(served.url);
    const slow = await Promise.all(['id_fp32', 'slow8'].map(() => opened(served.url)));
    const said = slow.map((socket) => listen(socket, 20_000));
    const head =
      '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,100],"parameters":{"binary_data_size":400}}]}';
    const lengths = [`Inference-Header-Content-Length: ${head.length}`, `Content-Length: ${head.length + 400}`];
    slow[0]?.write(request('POST /v2/models/id_fp32/infer', ['Content-Length: 1000'], '{'));
    slow[1]?.write(request('POST /v2/models/id_fp32/infer', lengths, head));
    const drip = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write(' ');
    }, 100);
    await pause(200);
    const startedMs = performance.now();
    served.child.kill('SIGTERM');
    for (const { answers, closed } of await Promise.all(said)) {
      expect(answers.map(({ status, headers }) => [status, headers['x-error-code']])).toEqual([[503, 'SHUTTING_DOWN']]);
      expect(closed).toBe(true);
    }
    clearInterval(drip);
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  }, 60_000);

  test('S5 after SIGKILL under load the next start is clean, on the same ports', async () => {
    const ports = ['--port', await freePort(), '--admin-port', await freePort()];
    const first = await serve(...ports);
    await untilReady(first.url);
    let served = first;
    for (let round = 0; round < 2; round++) {
      const lost = Array.from({ length: 4 }, () => neighbour(served, 5).catch(() => null));
      await pause(round * 15);
      served.child.kill('SIGKILL');
      expect(await served.ended).toEqual({ code: null, signal: 'SIGKILL' });
      await Promise.all(lost);
      served = await serve(...ports);
      await untilReady(served.url);
      expect(served.url).toBe(first.url);
      expect(await neighbour(served, 21)).toBe(42);
    }
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 60_000);

  test('S5 after SIGKILL while models load the next start is clean too', async () => {
    for (let round = 0; round < 2; round++) {
      const served = await serve();
      await pause(round * 40);
      served.child.kill('SIGKILL');
      await served.ended;
    }
    const served = await serve();
    await untilReady(served.url);
    expect(await neighbour(served, 21)).toBe(42);
    served.child.kill('SIGTERM');
    expect(await served.ended).toEqual({ code: 0, signal: null });
  }, 60_000);
});
