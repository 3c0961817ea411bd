import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MOST_CHUNKS } from '../../src/http/body.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get } from '../support/gateway.ts';
import {
  chunked,
  expectOwnPage,
  expectRefusal,
  inferRequest,
  listen,
  opened,
  type Piece,
  pause,
  request,
  type Said,
  speak,
  sum,
  unharmed,
  write,
} from '../support/hostile.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

const KIB = 1024;
const GOOD = '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"data":[5]}]}';
const INFER = 'POST /v2/models/id_fp32/infer';
const CHUNKED = 'Transfer-Encoding: chunked';
const METADATA = request('GET /v2');

const models = mkdtempSync(join(tmpdir(), 'penstock-bad-http-'));
let served: Served;

// A process of its own: the header limit is read before uWebSockets.js is loaded, and to be alive is part of the oracle.
beforeAll(async () => {
  await writeFixtures(models, ['simple', 'id_fp32', 'slow8']);
  served = await serveProcess(models, '--workers', '1', '--limits-body-stall-s', '1');
  await untilReady(served.url);
});

afterAll(async () => {
  served.child.kill('SIGTERM');
  // Nothing that was tried left anything open: a slot that was not given back would hold the drain.
  expect(await served.ended).toEqual({ code: 0, signal: null });
  rmSync(models, { recursive: true });
});

/** What the server said to the pieces, and the oracle of every case. */
async function tried(pieces: readonly Piece[], mostMs?: number): Promise<Said> {
  const said = await unharmed(served, () => speak(served.url, pieces, mostMs));
  expect(served.child.exitCode).toBeNull();
  return said;
}

const metrics = async () => (await fetch(`${served.adminUrl}/metrics`)).text();

/** Requests for `id_fp32` that ended with `code`. */
const ended = async (code: string) => sum(await metrics(), 'penstock_requests_total', `version="1",code="${code}"`);

describe('framing', () => {
  test.each([
    ['Content-Length first', [`Content-Length: ${GOOD.length}`, CHUNKED]],
    ['Transfer-Encoding first', [CHUNKED, `Content-Length: ${GOOD.length}`]],
  ])('H1 a length and chunks, %s: refused by a page of uWebSockets.js', async (_name, headers) => {
    expectOwnPage(await tried([request(INFER, headers, chunked(GOOD))]), 400);
  });

  test('H1 a Transfer-Encoding without a value beside a length is refused, and the connection closes', async () => {
    const headers = ['Transfer-Encoding:', `Content-Length: ${GOOD.length}`];
    const said = await tried([request(INFER, headers, GOOD)]);
    expect(expectRefusal(said.answers[0], 400)).toContain('Transfer-Encoding');
    expect(said.closed).toBe(true);
  });

  test.each(['gzip, chunked', 'Chunked', 'xchunked', 'identity'])(
    'H1 transfer coding "%s" is refused, and the connection closes',
    async (coding) => {
      const said = await tried([request(INFER, [`Transfer-Encoding: ${coding}`], chunked(GOOD) + METADATA)]);
      // Another request that lies behind it in the same segment is not served: uWebSockets.js closes instead.
      expect(said).toEqual({ answers: [], closed: true });
      const alone = await tried([request(INFER, [`Transfer-Encoding: ${coding}`], chunked(GOOD))]);
      expect(expectRefusal(alone.answers[0], 400)).toContain('Transfer-Encoding');
      expect(alone.closed).toBe(true);
    },
  );

  test.each(['abc', '+5', '-1', '5,5', '0x10', '99999999999999999999'])(
    'H3 a Content-Length of "%s" is refused by a page of uWebSockets.js, and nothing stays open',
    async (length) => {
      expectOwnPage(await tried([request(INFER, [`Content-Length: ${length}`], GOOD)]), 400);
      expectOwnPage(await tried([request('POST /v2/repository/index', [`Content-Length: ${length}`], '{}')]), 400);
    },
  );

  test('a connection is closed after every chunked request, answered or refused, whatever the route', async () => {
    const infer = await tried([request(INFER, [CHUNKED], chunked(GOOD))]);
    expect(infer.answers.map((answer) => answer.status)).toEqual([200]);
    const index = await tried([request('POST /v2/repository/index', [CHUNKED], chunked('{}'))]);
    expect(index.answers.map((answer) => answer.status)).toEqual([200]);
    const bodied = await tried([request('GET /v2', [CHUNKED], chunked('{}'))]);
    expectRefusal(bodied.answers[0], 400);
    const unknown = await tried([request('POST /v2/models/nope/infer', [CHUNKED], chunked(GOOD))]);
    expectRefusal(unknown.answers[0], 404);
    for (const said of [infer, index, bodied, unknown]) {
      expect(said.answers[0]?.headers.connection).toBe('close');
      expect(said.closed).toBe(true);
    }
  });

  test.each([
    ['an inference', request(INFER, [CHUNKED], chunked(GOOD))],
    ['a refused inference', request(INFER, [CHUNKED], chunked('{'))],
    ['a control request', request('POST /v2/repository/index', [CHUNKED], chunked('{}'))],
    ['a refused control request', request('POST /v2/repository/index', [CHUNKED], chunked('{'))],
    ['a refused method', request('GET /v2', [CHUNKED], chunked('{}'))],
    ['a route that is not there', request('POST /nope', [CHUNKED], chunked('{}'))],
  ])('what lies behind the chunks of %s in the same segment is not served', async (_name, text) => {
    const said = await tried([text + METADATA]);
    expect(said.closed).toBe(true);
    expect(said.answers.length).toBeLessThan(2);
    expect(JSON.stringify(said.answers)).not.toContain('extensions');
  });

  test.each([
    ['an extension', `${GOOD.length.toString(16)};a=b\r\n${GOOD}\r\n0\r\n\r\n`],
    ['a size that is no number', `G\r\n${GOOD}\r\n0\r\n\r\n`],
    ['a negative size', `-1\r\n${GOOD}\r\n0\r\n\r\n`],
    ['a size of 68 bits', `FFFFFFFFFFFFFFFFF\r\n${GOOD}\r\n0\r\n\r\n`],
    ['a trailer', `${GOOD.length.toString(16)}\r\n${GOOD}\r\n0\r\nX-Trailer: 1\r\n\r\n`],
  ])(
    'chunks with %s are not answered with anything but one page or refusal, and the connection ends',
    async (_name, body) => {
      const said = await tried([request(INFER, [CHUNKED], body)], 3_000);
      expect(said.answers.length).toBeLessThan(2);
      if (said.answers[0]?.status !== 200) expect(said.answers.every(({ status }) => status >= 400)).toBe(true);
      expect(said.closed).toBe(true);
    },
  );

  test('H7 a body of more one-byte chunks than are taken is refused, and the connection closes', async () => {
    const said = await tried([request(INFER, [CHUNKED]), '1\r\n \r\n'.repeat(MOST_CHUNKS + 1)], 10_000);
    expect(expectRefusal(said.answers[0], 413)).toContain('chunks');
    expect(said.closed).toBe(true);
  });

  test('H8 a length of 10 GiB is refused at the headers, on every route that reads a body', async () => {
    for (const line of [INFER, 'POST /v2/repository/index']) {
      const said = await tried([request(line, ['Content-Length: 10737418240'])]);
      expectRefusal(said.answers[0], 413);
      expect(said.closed).toBe(true);
    }
  });

  test('H9 a body that ends one byte early is the client going away, not an error', async () => {
    const before = await ended('CLIENT_CLOSED');
    await unharmed(served, async () => {
      const socket = await opened(served.url);
      socket.end(inferRequest('id_fp32', GOOD).slice(0, -1));
      expect((await listen(socket, 2_000)).answers).toEqual([]);
    });
    expect(await ended('CLIENT_CLOSED')).toBe(before + 1);
    expect(await ended('INTERNAL')).toBe(0);
  });
});

describe('slow clients', () => {
  test('H12 a body slower than the least speed is answered 408, and the connection closes', async () => {
    const drip = Array.from({ length: 40 }, () => [' '.repeat(100), 100]).flat();
    for (const line of [INFER, 'POST /v2/repository/index']) {
      const said = await tried([request(line, ['Content-Length: 10000']), ...drip], 6_000);
      expect(expectRefusal(said.answers[0], 408)).toContain('slower than 16384 bytes per second');
      expect(said.answers[0]?.headers['x-error-code']).toBe('REQUEST_TIMEOUT');
      expect(said.closed).toBe(true);
    }
  }, 30_000);

  test('H12 so is one of which nothing comes, and a binary one whose memory is already taken', async () => {
    const head =
      '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1000],"parameters":{"binary_data_size":4000}}]}';
    const lengths = [`Inference-Header-Content-Length: ${head.length}`, `Content-Length: ${head.length + 4000}`];
    for (const body of ['', head, `${head}1234`]) {
      const said = await tried([request(INFER, lengths, body)], 6_000);
      expectRefusal(said.answers[0], 408);
      expect(said.closed).toBe(true);
    }
  }, 30_000);
});

describe('headers', () => {
  test.each([4097, 6 * KIB, 12 * KIB, 16 * KIB, 60 * KIB])('H14 a block of %i bytes is accepted', async (bytes) => {
    const said = await tried([request('GET /v2', [`Authorization: Bearer ${'a'.repeat(bytes)}`])]);
    expect(said.answers.map((answer) => answer.status)).toEqual([200]);
  });

  test('H14 one over the limit is refused by a page of uWebSockets.js', async () => {
    expectOwnPage(await tried([request('GET /v2', [`Authorization: Bearer ${'a'.repeat(64 * KIB)}`])]), 431);
  });

  test('H15 101 headers are refused by a page of uWebSockets.js', async () => {
    const headers = (count: number) => Array.from({ length: count - 1 }, (_, i) => `X-${i}: a`);
    expect((await tried([request('GET /v2', headers(90))])).answers[0]?.status).toBe(200);
    expectOwnPage(await tried([request('GET /v2', headers(101))]), 431);
  });

  // uWebSockets.js says nothing to these, and closes when its idle time of about ten seconds is over: test/soak waits for it.
  test.each([
    ['a NUL', 'X-A: a\0b'],
    ['a CR', 'X-A: a\rb'],
    ['a folded line', 'X-A: a\r\n b'],
    ['a space before the colon', 'X-A : a'],
    ['a name outside ASCII', 'X-\xff: a'],
    ['a name with a parenthesis', 'X(: a'],
  ])('H16 %s is never served', async (_name, header) => {
    const said = await tried([request('GET /v2', [header])], 200);
    expect(said.answers.filter(({ status }) => status < 400)).toEqual([]);
  });

  test('H16 neither is a request without a Host, or what is no HTTP at all', async () => {
    for (const text of [
      'GET /v2 HTTP/1.1\r\n\r\n',
      'hello\r\n\r\n',
      '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
      '\0'.repeat(99),
    ]) {
      const said = await tried([text], 150);
      expect(said.answers.filter(({ status }) => status < 400)).toEqual([]);
    }
  });

  test('H24 a type that promises no JSON does not matter: the body decides', async () => {
    const types = ['application/x-pickle', `multipart/form-data; boundary=${'b'.repeat(60 * KIB)}`];
    for (const type of types) {
      const good = await tried([inferRequest('id_fp32', GOOD, [`Content-Type: ${type}`])]);
      expect(good.answers.map((answer) => answer.status)).toEqual([200]);
      const bad = await tried([inferRequest('id_fp32', '\x80\x04K\x01.', [`Content-Type: ${type}`])]);
      expectRefusal(bad.answers[0], 400, 415);
    }
    const tooLong = inferRequest('id_fp32', GOOD, [
      `Content-Type: multipart/form-data; boundary=${'b'.repeat(64 * KIB)}`,
    ]);
    expectOwnPage(await tried([tooLong]), 431);
  });

  test('H25 nobody is believed about where a request comes from', async () => {
    const forged = [
      'X-Forwarded-For: 203.0.113.7',
      'Forwarded: for=203.0.113.7;host=127.0.0.1',
      'X-Forwarded-Host: 127.0.0.1',
    ];
    const same = await tried([request('GET /v2/models/nope', [...forged, 'X-Request-Id: h25-a'])]);
    expectRefusal(same.answers[0], 404);
    const evil = `POST /v2/repository/index HTTP/1.1\r\nHost: evil.example\r\n${forged.join('\r\n')}\r\nContent-Length: 2\r\n\r\n{}`;
    expectRefusal((await tried([evil])).answers[0], 403);
    await expect.poll(() => served.output()).toContain('h25-a');
    expect(served.output()).not.toContain('203.0.113.7');
    expect(await metrics()).not.toContain('203.0.113.7');
  });
});

describe('paths and methods', () => {
  test.each([
    '/v2/%2e%2e%2fmodels',
    '/v2/models/../models',
    '/v2/models/simple%00',
    '/v2/models/%c0%ae%c0%ae',
    '/v2/models/%',
    '/v2/models/%zz',
    '//v2//models',
    '/v2//models',
    '/v2/models/',
    '/v2/models;x=y',
    '/v2/models/simple;x=y',
    '/v2/models%2fsimple',
    '/v2/models/simple%2fready',
    '/v2/models/simple/',
    '/v2/models/simple/ready/',
    '/v2\\models',
    '/V2/models',
    '/v2#fragment',
    '/v2/models/__proto__',
    '/v2/models/constructor',
    '/v2/models/simple/constructor',
    '/v2/models/simple/versions',
    '/v2/models/simple/versions/01',
    '/v2/models/simple/versions/%31%00',
  ])('H19 %s is nothing that is served', async (path) => {
    expectRefusal((await tried([request(`GET ${path}`)])).answers[0], 400, 404);
    if (!path.includes('#'))
      expectRefusal(
        (await tried([request(`POST ${path}/infer`, ['Content-Length: 2'], '{}')])).answers[0],
        400,
        404,
        405,
      );
  });

  test('H19 percent-encoding of what needs none names the same model, to routing and to what is judged before it', async () => {
    const plain = await tried([request('GET /v2/models/simple')]);
    const encoded = await tried([request('GET /v2/models/%73imple')]);
    expect(plain.answers[0]?.status).toBe(200);
    expect(encoded.answers.map(({ status, body }) => [status, body])).toEqual(
      plain.answers.map(({ status, body }) => [status, body]),
    );
    const evil = 'POST /v2/models/%73imple/infer HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}';
    expectRefusal((await tried([evil])).answers[0], 403);
  });

  test.each(['/v2/models/', '/', '/v2/models/simple/versions/'])(
    'H19 8 KiB behind %s is too long, and not echoed',
    async (path) => {
      const said = await tried([request(`GET ${path}${'a'.repeat(8 * KIB)}`)]);
      expect(expectRefusal(said.answers[0], 414)).not.toContain('aaaa');
    },
  );

  test.each(['BREW', 'TRACE', 'OPTIONS', 'DELETE', 'PATCH', 'get', 'PRI'])(
    'H21 method %s is refused with what is allowed',
    async (method) => {
      const said = await tried([request(`${method} /v2`)]);
      expectRefusal(said.answers[0], 405, 501);
      expect(said.answers[0]?.headers.allow).toBe('GET, HEAD');
    },
  );

  test.each([
    ['CONNECT', request('CONNECT 127.0.0.1:80')],
    ['an absolute target', request('GET http://127.0.0.1/v2')],
    [
      'an absolute target with a body',
      request('POST http://127.0.0.1/v2/models/id_fp32/infer', [`Content-Length: ${GOOD.length}`], GOOD),
    ],
    ['the target *', request('OPTIONS *')],
    ['a target without a slash', request('GET v2')],
    ['HTTP/1.0', 'GET /v2 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['lines without CR', 'GET /v2 HTTP/1.1\nHost: 127.0.0.1\n\n'],
  ])('H21 %s is refused by a page of uWebSockets.js', async (_name, text) => {
    expectOwnPage(await tried([text]), 505);
  });

  test('H22 a second request while the first is under way closes the connection, and no answer is mixed', async () => {
    const slow = inferRequest('slow8', '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1],"data":[5]}]}');
    for (const pieces of [[slow + METADATA], [slow, 50, METADATA], [slow + inferRequest('id_fp32', GOOD)]]) {
      const said = await tried(pieces, 3_000);
      expect(said.closed).toBe(true);
      expect(said.answers.length).toBeLessThan(2);
      for (const { body } of said.answers) expect(JSON.parse(body).model_name).toBe('slow8');
    }
  }, 30_000);

  test('H22 requests that are answered at once are answered in their order', async () => {
    const said = await tried([METADATA + request('GET /v2/health/live') + request('GET /v2/models')]);
    expect(said.answers.map(({ body }) => Object.keys(JSON.parse(body))[0])).toEqual(['name', 'live', 'models']);
  });
});

describe('floods', () => {
  test('300 connections that are idle, dribble headers or dribble a body leave good requests answered', async () => {
    const kinds = ['', 'GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-', request(INFER, ['Content-Length: 100000'], '{')];
    const before = sum(await metrics(), 'process_resident_memory_bytes');
    const sockets = await Promise.all(Array.from({ length: 300 }, () => opened(served.url)));
    for (const socket of sockets) socket.resume();
    try {
      await unharmed(served, async () => {
        for (let round = 0; round < 10; round++) {
          sockets.forEach((socket, i) => {
            if (!socket.destroyed) socket.write(round === 0 ? (kinds[i % 3] as string) : i % 3 === 0 ? '' : 'a');
          });
          await pause(150);
        }
      });
      // A third asked for a body and sent next to nothing: those have been ended.
      await expect
        .poll(() => sockets.filter((socket) => socket.destroyed).length, { timeout: 5_000 })
        .toBeGreaterThanOrEqual(100);
      expect(sum(await metrics(), 'process_resident_memory_bytes') - before).toBeLessThan(64 * KIB * KIB);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    expect((await get(`${served.url}/v2/health/live`)).status).toBe(200);
  }, 30_000);

  test('100 header blocks of almost the limit that never end leave good requests answered', async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => opened(served.url)));
    await unharmed(served, async () => {
      const block = `GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Bomb: ${'b'.repeat(63 * KIB)}`;
      await Promise.all(sockets.map((socket) => write(socket, [block])));
      await pause(300);
    });
    for (const socket of sockets) socket.destroy();
  }, 30_000);
});
