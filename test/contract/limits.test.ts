import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { describeConfig } from '../../src/config/schema.ts';
import { MOST_CHUNKS } from '../../src/http/body.ts';
import { loadBinding } from '../../src/native/load.ts';
import { judgePicture } from '../../src/preprocess/judge.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { B, get, I, post, type Reply, type RunningGateway, send, startGateway } from '../support/gateway.ts';
import { anmf, vp8l, vp8x, webp } from '../support/image-bytes.ts';
import { Pictures, rawPipeline } from '../support/pictures.ts';
import { metricValue } from '../support/scrape.ts';
import { serveProcess, untilReady } from '../support/server-process.ts';

const KIB = 1024;

/** More than the most chunks of one byte: the two limits are told apart. */
const BODY_BYTES = 128 * KIB;

const LIVE = 'GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const CHUNKED = 'POST /v2/models/id_fp32/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n';

async function opened(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A connection that is refused may end in a reset: that is what is tested.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Writes raw bytes; resolves with what came back once a JSON document has ended, or the connection has. */
function ask(socket: Socket, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const take = (chunk: Buffer) => {
      text += chunk;
      if (text.endsWith('}')) end();
    };
    const end = () => {
      socket.off('data', take);
      socket.off('close', end);
      resolve(text);
    };
    socket.on('data', take);
    socket.on('close', end);
    if (socket.destroyed) end();
    else socket.write(bytes);
  });
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it never came about');
}

function refusal(reply: Reply): [number, string | null] {
  expect(Object.keys(reply.json)).toEqual(['error']);
  return [reply.status, reply.headers.get('x-error-code')];
}

const floats = (width: number) => new Uint8Array(4 * width);
const TESTED = new Set<string>();

/** A test of one limit; the last test compares them with the schema. */
function limit(name: string, what: string, run: () => Promise<void>): void {
  TESTED.add(`limits.${name}`);
  test(`${name}: ${what}`, run, 20_000);
}

describe('every limit holds', () => {
  let server: RunningGateway;

  beforeAll(async () => {
    const flags = [
      ...['--workers', '1', '--limits-body-bytes', String(BODY_BYTES), '--limits-json-depth', '5'],
      ...['--limits-queue-rows', '5', '--limits-queue-bytes', String(4 * KIB)],
    ];
    // One lane for both models: while `slow8` runs, requests for `id_fp32` wait.
    server = await startGateway(['id_fp32', 'slow8'], flags, { placement: 'worker' });
  });

  afterAll(() => server.stop());

  const url = () => `${server.v2}/models/id_fp32/infer`;
  const binary = (width: number) =>
    post(url(), { inputs: [B('INPUT0', 'FP32', [1, width], 4 * width)] }, floats(width));
  const slow = () => post(`${server.v2}/models/slow8/infer`, { inputs: [I('INPUT0', 'FP32', [1], [3])] });
  /** Batches of `slow8` that have been given to the lane. */
  const started = async () => {
    const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
    return Number(/^penstock_queue_duration_seconds_count\{model="slow8".*\} (\d+)$/m.exec(text)?.[1]);
  };
  const whileBusy = async (run: () => Promise<void>) => {
    const before = await started();
    // Two, one behind the other on the one lane: a second in which nothing else is run.
    const busy = Promise.all([slow(), slow()]);
    await eventually(async () => (await started()) > before);
    await run();
    expect((await busy).map((reply) => reply.status)).toEqual([200, 200]);
  };
  const alive = async () => {
    expect((await get(`${server.v2}/health/live`)).status).toBe(200);
    expect((await binary(4)).status).toBe(200);
  };

  limit(
    'bodyBytes',
    'a longer Content-Length is refused before the body is read, and the connection closes',
    async () => {
      const head = `POST /v2/models/id_fp32/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${BODY_BYTES + 1}\r\n\r\n`;
      const answer = await ask(await opened(server.inferenceUrl), head);
      expect(answer).toMatch(/^HTTP\/1.1 413 /);
      expect(answer).toMatch(/^connection: close/im);
      expect(answer).toContain('{"error":"the body is larger than the limit of 131072 bytes"}');
      await alive();
    },
  );

  test('bodyBytes: a body of exactly that length is read', async () => {
    const reply = await send(url(), Buffer.alloc(BODY_BYTES, ' '));
    expect(refusal(reply)).toEqual([400, 'INVALID_ARGUMENT']);
  });

  test('bodyBytes: a body without a length is refused when it has become too long', async () => {
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    const answer = await ask(await opened(server.inferenceUrl), CHUNKED + chunk.repeat(9));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('PAYLOAD_TOO_LARGE');
    await alive();
  });

  test('a body of more chunks than are taken is refused', async () => {
    const answer = await ask(await opened(server.inferenceUrl), CHUNKED + '1\r\n \r\n'.repeat(MOST_CHUNKS + 1));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('chunks');
    await alive();
  });

  test('a control request has a small limit of its own', async () => {
    const reply = await send(`${server.v2}/repository/index`, Buffer.alloc(64 * KIB + 1, ' '));
    expect(refusal(reply)).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  /** An answer to a body of which one byte comes every 100 ms. */
  const dripped = async (flags: string[]): Promise<string> => {
    const slow = await startGateway(['id_fp32'], flags);
    const socket = await opened(slow.inferenceUrl);
    const answer = ask(socket, CHUNKED);
    const drip = setInterval(() => socket.write('1\r\n \r\n'), 100);
    const text = await answer;
    clearInterval(drip);
    await slow.stop();
    return text;
  };

  limit('bodyBytesPerS', 'a slower body is answered 408, and its connection closes', async () => {
    const text = await dripped(['--limits-body-stall-s', '1', '--limits-body-bytes-per-s', '100']);
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(text).toMatch(/^connection: close/im);
    expect(text).toContain('{"error":"the body came slower than 100 bytes per second"}');
  });

  limit('bodyStallS', 'its speed is judged over so many seconds, and not before', async () => {
    const startedMs = performance.now();
    await dripped(['--limits-body-stall-s', '2', '--limits-body-bytes-per-s', '100']);
    expect(performance.now() - startedMs).toBeGreaterThan(2_000);
  });

  limit('bodyTimeS', 'a body that is fast enough and does not end is answered 408 too', async () => {
    const flags = ['--limits-body-stall-s', '1', '--limits-body-bytes-per-s', '1', '--limits-body-time-s', '2'];
    const text = await dripped(flags);
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(text).toContain('{"error":"the body was not complete after 2 s"}');
  });

  limit('gatherBytes', 'half-sent bodies that hold it all leave the next 503, and whole ones alone', async () => {
    const few = await startGateway(['id_fp32'], ['--limits-gather-bytes', String(64 * KIB)]);
    const half = `8000\r\n${' '.repeat(0x8000)}\r\n`;
    const held = [await opened(few.inferenceUrl), await opened(few.inferenceUrl)];
    for (const socket of held) socket.write(CHUNKED + half);
    const gathered = async () => (await fetch(`${few.adminUrl}/metrics`)).text();
    await eventually(async () => /^penstock_gathered_bytes 65536$/m.test(await gathered()));
    const answer = await ask(await opened(few.inferenceUrl), CHUNKED + half);
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toMatch(/^retry-after: 1/im);
    const whole = { inputs: [I('INPUT0', 'FP32', [1, 1], [3])] };
    expect((await post(`${few.v2}/models/id_fp32/infer`, whole)).status).toBe(200);
    for (const socket of held) socket.destroy();
    await eventually(async () => /^penstock_gathered_bytes 0$/m.test(await gathered()));
    await few.stop();
  });

  test('gatherBytes: bodies that are only announced take no memory from those that come', async () => {
    const flags = ['--limits-arena-bytes', String(KIB * KIB), '--limits-gather-bytes', String(KIB * KIB)];
    const narrow = await startGateway(['id_fp32', 'pixels_mnist'], flags, { placement: 'worker' });
    const bytes = 200 * KIB;
    const text = JSON.stringify({ inputs: [B('INPUT0', 'FP32', [1, bytes / 4], bytes)] });
    const lengths = `Inference-Header-Content-Length: ${text.length}\r\nContent-Length: ${text.length + bytes}\r\n`;
    const tensor = `POST /v2/models/id_fp32/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n${lengths}\r\n${text}1234`;
    const type = `Content-Type: image/png\r\nContent-Length: ${bytes}\r\n`;
    const picture = `POST /v2/models/pixels_mnist/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n${type}\r\n1234`;
    const held = await Promise.all(Array.from({ length: 8 }, () => opened(narrow.inferenceUrl)));
    const answers = held.map((socket, i) => ask(socket, i % 2 === 0 ? tensor : picture));
    await eventually(async () => (await metricValue(narrow.adminUrl, 'penstock_requests_in_flight')) === 8);
    expect(await metricValue(narrow.adminUrl, 'penstock_arena_bytes')).toBeLessThan(2 * bytes);
    const whole = await post(`${narrow.v2}/models/id_fp32/infer`, text, new Uint8Array(bytes));
    expect(whole.status).toBe(200);
    // What was announced comes after all, and is taken as ever.
    for (const [i, socket] of held.entries()) {
      socket.write(Buffer.alloc(bytes - 4));
      expect((await answers[i])?.slice(9, 12)).toBe(i % 2 === 0 ? '200' : '415');
    }
    for (const socket of held) socket.destroy();
    await eventually(async () => (await metricValue(narrow.adminUrl, 'penstock_gathered_bytes')) === 0);
    expect(await metricValue(narrow.adminUrl, 'penstock_arena_bytes')).toBe(0);
    await narrow.stop();
  });

  limit('jsonDepth', 'JSON nested deeper is refused, and just as deep is not', async () => {
    const nested = (depth: number) => `{"x":${'['.repeat(depth)}${']'.repeat(depth)},"inputs":[]}`;
    const deep = await post(url(), nested(5));
    expect(refusal(deep)).toEqual([400, 'INVALID_ARGUMENT']);
    expect(deep.json.error).toContain('nested deeper than 5 levels');
    expect((await post(url(), nested(4))).json.error).not.toContain('nested');
    await alive();
  });

  limit('queueRows', 'requests beyond the queue of a busy model are refused, with a time to come back', async () => {
    await whileBusy(async () => {
      const replies = await Promise.all(Array.from({ length: 7 }, () => binary(1)));
      expect(replies.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 200, 503, 503]);
      const refused = replies.find((reply) => reply.status === 503) as Reply;
      expect(refusal(refused)).toEqual([503, 'OVERLOADED']);
      const ms = refused.headers.get('retry-after-ms') ?? '';
      expect(ms).toMatch(/^[1-9]\d*$/);
      expect(refused.headers.get('retry-after')).toBe(String(Math.ceil(Number(ms) / 1000)));
    });
  });

  limit('queueBytes', 'so are requests whose bytes the queue of a busy model cannot hold', async () => {
    await whileBusy(async () => {
      const replies = await Promise.all(Array.from({ length: 5 }, () => binary(KIB / 4)));
      expect(replies.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 503]);
    });
    // Alone and with the lane free, a request of more bytes than may wait does not wait: it runs.
    expect((await binary(2 * KIB)).status).toBe(200);
  });

  limit('arenaBytes', 'a request that finds no memory is refused, and leaves none taken', async () => {
    const small = await startGateway(['id_fp32'], ['--limits-arena-bytes', String(KIB * KIB)]);
    const ask = (width: number) =>
      post(`${small.v2}/models/id_fp32/infer`, { inputs: [B('INPUT0', 'FP32', [1, width], 4 * width)] }, floats(width));
    const never = await ask(KIB * KIB);
    expect(refusal(never)).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(never.json.error).toContain('4194304 bytes');
    expect((await ask(KIB)).status).toBe(200);
    const metrics = await (await fetch(`${small.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/^penstock_arena_bytes 0$/m);
    expect(metrics).toMatch(/^penstock_limit_rejections_total\{limit="arenaBytes"\} 1$/m);
    await small.stop();
  });

  test('arenaBytes: a request that finds none when it is to run is refused too, and not as the fault of the model', async () => {
    const small = await startGateway(['ragged'], ['--limits-arena-bytes', String(KIB * KIB)]);
    const half = KIB * KIB;
    const head = (bytes: number) => JSON.stringify({ inputs: [B('INPUT0', 'FP32', [1, bytes / 4], bytes)] });
    // Its input takes half of the arena from its head on; the other half is the second's, and no output finds a place.
    const text = head(half / 2);
    const first = await opened(small.inferenceUrl);
    const lengths = `Inference-Header-Content-Length: ${text.length}\r\nContent-Length: ${text.length + half / 2}\r\n`;
    const answered = ask(first, `POST /v2/models/ragged/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n${lengths}\r\n${text}`);
    first.write(Buffer.alloc(half / 2 - 1));
    await eventually(async () => (await metricValue(small.adminUrl, 'penstock_arena_bytes')) === half / 2);
    const second = await post(`${small.v2}/models/ragged/infer`, head(half / 2), Buffer.alloc(half / 2));
    expect(refusal(second)).toEqual([503, 'OVERLOADED']);
    // Nobody knows when memory will be free: no moment is made up.
    expect([second.headers.get('retry-after'), second.headers.get('retry-after-ms')]).toEqual(['1', null]);
    first.write(Buffer.alloc(1));
    expect(await answered).toMatch(/^HTTP\/1.1 200 /);
    expect(await metricValue(small.adminUrl, 'penstock_arena_bytes')).toBe(0);
    expect(await metricValue(small.adminUrl, 'penstock_limit_rejections_total{limit="arenaBytes"}')).toBe(1);
    await small.stop();
  });

  test('gatherBytes: what comes out of a packed body counts as well', async () => {
    const narrow = await startGateway(['id_fp32'], ['--limits-gather-bytes', '65536']);
    const document = JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 40_000], new Array(40_000).fill(1))] });
    const large = await send(`${narrow.v2}/models/id_fp32/infer`, gzipSync(document), { 'Content-Encoding': 'gzip' });
    expect(refusal(large)).toEqual([503, 'OVERLOADED']);
    const small = await post(`${narrow.v2}/models/id_fp32/infer`, { inputs: [I('INPUT0', 'FP32', [1, 1], [1])] });
    expect(small.status).toBe(200);
    await narrow.stop();
  });

  limit('connections', 'one more is closed unanswered, and there is room again when another has gone', async () => {
    const few = await startGateway([], ['--limits-connections', '3']);
    const held = [await opened(few.inferenceUrl), await opened(few.inferenceUrl), await opened(few.inferenceUrl)];
    for (const socket of held) expect(await ask(socket, LIVE)).toMatch(/^HTTP\/1.1 200 /);
    const surplus = await opened(few.inferenceUrl);
    expect(await ask(surplus, LIVE)).toBe('');
    expect(await metricValue(few.adminUrl, 'penstock_limit_rejections_total{limit="connections"}')).toBe(1);
    expect(await metricValue(few.adminUrl, 'penstock_connections{listener="inference"}')).toBe(3);
    expect(await ask(held[0] as Socket, LIVE)).toMatch(/^HTTP\/1.1 200 /);
    held.pop()?.destroy();
    await eventually(async () => (await ask(await opened(few.inferenceUrl), LIVE)) !== '');
    for (const socket of held) socket.destroy();
    await few.stop();
  });

  limit('headerBytes', 'a longer header block is refused with the connection, a shorter one is read', async () => {
    const models = await mkdtemp(join(tmpdir(), 'penstock-limits-'));
    await writeFixtures(models, ['simple']);
    for (const [flags, most] of [
      [[], 64],
      [['--limits-header-bytes', '8192'], 8],
    ] as const) {
      const served = await serveProcess(models, '--workers', '1', ...flags);
      await untilReady(served.url);
      const padded = (kib: number) => LIVE.replace('\r\n\r\n', `\r\nX-Padding: ${'x'.repeat(kib * KIB)}\r\n\r\n`);
      expect(await ask(await opened(served.url), padded(most - 1))).toMatch(/^HTTP\/1.1 200 /);
      expect(await ask(await opened(served.url), padded(most + 1))).not.toMatch(/^HTTP\/1.1 2/);
      expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
      served.child.kill('SIGTERM');
      expect((await served.ended).code).toBe(0);
    }
    await rm(models, { recursive: true });
  });

  const picturesOf = (...flags: string[]) => new Pictures(loadConfig({ args: flags, env: {} }).limits);
  const square = async (side: number) => {
    const background = { r: 1, g: 2, b: 3 };
    return new Uint8Array(
      await sharp({ create: { width: side, height: side, channels: 3, background } })
        .png()
        .toBuffer(),
    );
  };
  const refusedWith = (code: string, name: string) => ({ code, limit: name });

  limit('imagePixels', 'a picture of more is refused by its header', async () => {
    const pictures = picturesOf('--limits-image-pixels', '100');
    const more = pictures.decode(await square(11), rawPipeline(11, 11));
    await expect(more).rejects.toMatchObject(refusedWith('PAYLOAD_TOO_LARGE', 'imagePixels'));
    expect((await pictures.decode(await square(10), rawPipeline(10, 10))).subarray(0, 3)).toEqual(
      Uint8Array.of(1, 2, 3),
    );
    await pictures.pool.close();
  });

  limit('imageFrames', 'an animation of more is refused by its header', async () => {
    const frame = anmf(0, 0, 5, 4, vp8l(5, 4));
    const film = webp(vp8x(5, 4, 2), frame, frame);
    const most = (frames: number) => loadConfig({ args: ['--limits-image-frames', String(frames)], env: {} }).limits;
    const judge = (frames: number) => judgePicture(loadBinding(), most(frames), film, 0, film.length);
    expect(() => judge(1)).toThrow(expect.objectContaining(refusedWith('PAYLOAD_TOO_LARGE', 'imageFrames')));
    expect(judge(2)).toMatchObject({ frames: 2 });
  });

  limit('imageBytes', 'a picture that takes more memory when decoded is refused by its header', async () => {
    const pictures = picturesOf('--limits-image-bytes', '1024');
    const more = pictures.decode(await square(19), rawPipeline(19, 19));
    await expect(more).rejects.toMatchObject(refusedWith('PAYLOAD_TOO_LARGE', 'imageBytes'));
    expect(await pictures.decode(await square(18), rawPipeline(18, 18))).toHaveLength(18 * 18 * 3);
    await pictures.pool.close();
  });

  limit(
    'imageQueueBytes',
    'pictures that would have to wait beyond it are refused, with a time to come back',
    async () => {
      const pictures = picturesOf('--limits-image-queue-bytes', '1024');
      const file = await square(400);
      const all = Array.from({ length: 12 }, () => pictures.decode(file.slice(), rawPipeline(400, 400)));
      const refused = (await Promise.allSettled(all)).filter(({ status }) => status === 'rejected');
      // Two are decoded at once; of the others as many wait as fit.
      expect(refused).toHaveLength(10 - Math.floor(1_024 / file.length));
      for (const one of refused) {
        expect(one).toMatchObject({ reason: refusedWith('OVERLOADED', 'imageQueueBytes') });
        expect((one as PromiseRejectedResult).reason.retryAfterMs).toBeGreaterThan(0);
      }
      await pictures.pool.close();
    },
  );

  test('and each of those refusals was counted under the limit it is about', async () => {
    const counted = ['bodyBytes', 'jsonDepth', 'queueRows', 'queueBytes', 'chunks', 'controlBytes'].map(
      async (name) => [name, await metricValue(server.adminUrl, `penstock_limit_rejections_total{limit="${name}"}`)],
    );
    expect(Object.fromEntries(await Promise.all(counted))).toEqual({
      bodyBytes: 2,
      jsonDepth: 1,
      queueRows: 2,
      queueBytes: 1,
      chunks: 1,
      controlBytes: 1,
    });
  });

  test('and none is left without a test', () => {
    const limits = describeConfig().flatMap(({ key }) => (key.startsWith('limits.') ? [key] : []));
    expect([...TESTED].sort()).toEqual(limits.sort());
  });
});
