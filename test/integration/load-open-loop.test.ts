import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { Connection, encodeRequest } from '../../src/load/connection.ts';
import type { LoadFigures, LoadPlan, Origin } from '../../src/load/figures.ts';
import { type OpenLoopOptions, runOpenLoop } from '../../src/load/open-loop.ts';
import type { Progress } from '../../src/load/progress.ts';
import { deafServer } from '../support/deaf-server.ts';
import { scriptedServer, whole } from '../support/scripted-server.ts';

const BODY = Buffer.from('{"inputs":[]}');

function plan(origin: Origin, changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    origin,
    requests: [{ path: '/v2/models/m/infer', headers: { 'Content-Type': 'application/json' }, body: BODY }],
    loop: { kind: 'open', rate: 200, arrivals: 'poisson' },
    connections: 8,
    durationS: 0.5,
    deadlineMs: null,
    seed: 3,
    ...changes,
  };
}

/** Runs it, and checks that every arrival is accounted for once. */
async function load(asked: LoadPlan, options: OpenLoopOptions = {}): Promise<LoadFigures> {
  const figures = await runOpenLoop(asked, options);
  const { ok, late, refused, errors, unanswered } = figures;
  const failed = errors.connect + errors.reset + errors.timeout + errors.malformed;
  const ended = ok + late + refused.reduce((sum, { count }) => sum + count, 0) + failed + unanswered;
  expect(ended).toBe(Math.round(figures.offered * figures.durationS));
  expect(figures.latency.count).toBe(ok + late);
  return figures;
}

const NO_ERRORS = { connect: 0, reset: 0, timeout: 0, malformed: 0 };
const later = (ms: number, what: () => void) => setTimeout(what, ms);

describe('an open loop', () => {
  it('sends the drawn requests in turn, byte for byte, and counts their answers', async () => {
    const heads: string[] = [];
    await using server = await scriptedServer((socket, _n, head) => {
      heads.push(head);
      socket.write(whole('200 OK', 'X: y\r\n', 'fine'));
    });
    const requests = [
      { path: '/a?b=c', headers: { 'Inference-Header-Content-Length': '5' }, body: BODY },
      { path: '/d', headers: {}, body: Buffer.alloc(0) },
    ];
    const progress: Progress[] = [];
    const asked = plan(server.origin, { requests, connections: 1, durationS: 1.2 });
    const figures = await load(asked, { onProgress: (p) => progress.push(p) });
    const host = `Host: 127.0.0.1:${server.origin.port}\r\n`;
    const first = `POST /a?b=c HTTP/1.1\r\n${host}Inference-Header-Content-Length: 5\r\nContent-Length: 13\r\n\r\n`;
    expect(heads.slice(0, 3)).toEqual([first, `POST /d HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`, first]);
    expect(figures).toMatchObject({
      ok: heads.length,
      sent: heads.length,
      errors: NO_ERRORS,
      refused: [],
      server: null,
    });
    expect(figures.sent).toBe(Math.round(figures.offered * 1.2));
    expect(figures.achieved).toBeLessThanOrEqual(figures.offered);
    expect(figures.generator.lag.count).toBe(figures.sent);
    expect(figures.generator.cpuUsPerRequest).toBeGreaterThan(0);
    expect(server.accepted()).toBe(1);
    expect(progress[0]?.sent).toBeGreaterThan(0);
    expect(progress[0]?.sent).toBeLessThanOrEqual(figures.sent);
  });

  it('tells late answers from good ones', async () => {
    await using server = await scriptedServer((socket, n) =>
      later(n % 10 === 3 ? 1500 : 0, () => socket.write(whole('200 OK'))),
    );
    const figures = await load(plan(server.origin, { connections: 40, deadlineMs: 1400 }));
    const expected = Math.floor((figures.sent + 6) / 10);
    expect(figures.late).toBe(expected);
    expect(figures.ok).toBe(figures.sent - expected);
    expect(figures.goodput).toBeLessThanOrEqual(figures.achieved);
    expect(figures.latency.max).toBeGreaterThanOrEqual(1_490_000);
  });

  it('counts refusals by code, with their time and with Retry-After where it came', async () => {
    const answers = [
      whole('503 Busy', 'X-Error-Code: OVERLOADED\r\nRetry-After: 1\r\n', 'no'),
      whole('503 Busy', 'X-Error-Code: OVERLOADED\r\n'),
      whole('503 Busy', 'Retry-After: 5\r\n'),
      whole('404 Not Found', 'X-Error-Code: <b>hostile</b>\r\n'),
      whole('302 Found'),
      whole('201 Created'),
    ];
    await using server = await scriptedServer((socket, n) => later(20, () => socket.write(answers[n % 6] as string)));
    const figures = await load(plan(server.origin, { connections: 64 }));
    const share = (i: number) => Math.floor((figures.sent + 5 - i) / 6);
    const found = Object.fromEntries(figures.refused.map((r) => [r.code, r]));
    expect(found.OVERLOADED).toMatchObject({ status: 503, count: share(0) + share(1), retryAfter: share(0) });
    expect(found['HTTP 503']).toMatchObject({ status: 503, count: share(2), retryAfter: share(2) });
    expect(found['HTTP 404']).toMatchObject({ status: 404, count: share(3), retryAfter: 0 });
    expect(found['HTTP 302']).toMatchObject({ count: share(4) });
    expect(found.OVERLOADED?.timeToRefuse.min).toBeGreaterThanOrEqual(18_000);
    expect(figures).toMatchObject({ ok: share(5), errors: NO_ERRORS });
    expect(server.requests()).toBe(figures.sent);
  });

  it('reads chunked answers in pieces, and bodies that end with the connection', async () => {
    const answer = (socket: Socket, n: number) => {
      if (n % 2 === 1) return socket.end('HTTP/1.1 200 OK\r\n\r\nto the end');
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chu');
      return later(5, () => {
        socket.write('nked\r\n\r\n5\r\nhel');
        later(5, () => socket.write('lo\r\n0\r\n\r\n'));
      });
    };
    await using server = await scriptedServer(answer);
    const figures = await load(plan(server.origin));
    expect(figures).toMatchObject({ ok: figures.sent, errors: NO_ERRORS });
  });

  it('has the first byte apart from the last one', async () => {
    await using slow = await scriptedServer((socket) => later(200, () => socket.write(whole('200 OK'))));
    const first = await load(plan(slow.origin, { connections: 100 }));
    expect(first.firstByte?.min).toBeGreaterThanOrEqual(195_000);
    await using dripping = await scriptedServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      later(200, () => socket.write('Content-Length: 0\r\n\r\n'));
    });
    const figures = await load(plan(dripping.origin, { connections: 100 }));
    expect(figures.firstByte?.count).toBe(figures.ok);
    expect(figures.latency.mean - (figures.firstByte?.mean ?? 0)).toBeGreaterThan(190_000);
  });

  it('tells resets, cut answers and what is no HTTP from answers, and goes on', async () => {
    const script = (socket: Socket, n: number) => {
      if (n % 5 === 0) socket.resetAndDestroy();
      else if (n % 5 === 1) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      else if (n % 5 === 2) socket.write('220 mail.example ESMTP\r\n');
      else socket.write(whole('200 OK', '', 'x'));
    };
    await using server = await scriptedServer(script);
    const figures = await load(plan(server.origin));
    const share = (i: number) => Math.floor((figures.sent + 4 - i) / 5);
    expect(figures.errors).toEqual({ connect: 0, reset: share(0) + share(1), timeout: 0, malformed: share(2) });
    expect(figures.ok).toBe(share(3) + share(4));
    expect(server.requests()).toBe(figures.sent);
  });

  it('gives up an answer that does not come in time, and uses the connection anew', async () => {
    await using server = await scriptedServer((socket, n) => {
      if (n % 4 !== 0) socket.write(whole('200 OK'));
    });
    const asked = plan(server.origin, { connections: 64, durationS: 0.3 });
    const figures = await load(asked, { timeoutMs: 600 });
    expect(figures.errors).toEqual({ ...NO_ERRORS, timeout: Math.ceil(figures.sent / 4) });
    expect(figures.ok).toBe(figures.sent - figures.errors.timeout);
  });

  it('opens a connection again where the server closes after an answer, or while it is idle', async () => {
    await using closing = await scriptedServer((socket) => socket.end(whole('200 OK', 'Connection: close\r\n')));
    const closed = await load(plan(closing.origin, { connections: 4 }));
    expect(closed).toMatchObject({ ok: closed.sent, errors: NO_ERRORS });
    // Those that were opened first, and one for every request that found none.
    expect(closing.accepted()).toBe(Math.max(closed.sent, 4));
    await using idle = await scriptedServer((socket) =>
      socket.write(whole('200 OK'), () => later(2, () => socket.end())),
    );
    const loop = { kind: 'open', rate: 10, arrivals: 'uniform' } as const;
    const figures = await load(plan(idle.origin, { connections: 1, durationS: 0.95, loop }));
    expect(figures).toMatchObject({ ok: 9, errors: NO_ERRORS });
    expect(idle.accepted()).toBe(9);
  });

  it('does not use a connection again whose server answered before it had read the request', async () => {
    const early = (socket: Socket) => {
      socket.pause();
      socket.write(whole('413 Too Large'));
    };
    await using server = await scriptedServer(() => undefined, early);
    const requests = [{ path: '/', headers: {}, body: Buffer.alloc(32 * 1024 * 1024) }];
    const loop = { kind: 'open', rate: 10, arrivals: 'uniform' } as const;
    const figures = await load(plan(server.origin, { requests, loop, connections: 1 }), { timeoutMs: 2000 });
    expect(figures.errors).toEqual(NO_ERRORS);
    expect(figures.refused).toMatchObject([{ code: 'HTTP 413', count: figures.sent }]);
  });

  it('sends a server that breaks every connection the drawn requests and no more', async () => {
    await using server = await scriptedServer(
      () => undefined,
      (socket) => socket.resetAndDestroy(),
    );
    const loop = { kind: 'open', rate: 1000, arrivals: 'poisson' } as const;
    const figures = await load(plan(server.origin, { loop }));
    expect(figures.ok).toBe(0);
    expect(figures.errors.connect + figures.errors.reset).toBe(Math.round(figures.offered * figures.durationS));
    expect(server.accepted()).toBeLessThanOrEqual(figures.sent + 8);
  });

  it('fails what it cannot open a connection for, and tries no more often than its pause allows', async () => {
    const server = await scriptedServer(() => undefined);
    await server[Symbol.asyncDispose]();
    const figures = await load(plan(server.origin, { connections: 2 }));
    expect(figures.errors).toEqual({ ...NO_ERRORS, connect: Math.round(figures.offered * figures.durationS) });
    // Two connections, one attempt per 100 ms in half a second, and one for each at its beginning.
    expect(figures.sent).toBeLessThanOrEqual(2 * 6);
    expect(figures.sent).toBeGreaterThan(0);
  });

  it('counts what a dead server leaves over as unanswered, after the drain', async () => {
    await using server = await scriptedServer(() => undefined);
    const figures = await load(plan(server.origin, { connections: 2 }), { drainMs: 100 });
    expect(figures).toMatchObject({ sent: 2, ok: 0, errors: NO_ERRORS });
    expect(figures.unanswered).toBe(Math.round(figures.offered * figures.durationS));
  });

  it('ends when it is told to, with what it has', async () => {
    await using server = await scriptedServer((socket) => socket.write(whole('200 OK')));
    const stop = new AbortController();
    const running = load(plan(server.origin, { durationS: 60 }), { signal: stop.signal });
    later(400, () => stop.abort());
    const figures = await running;
    expect(figures.durationS).toBeLessThan(30);
    expect(figures.ok).toBeGreaterThan(0);
    const never = await load(plan(server.origin), { signal: AbortSignal.abort() });
    expect(never).toMatchObject({ sent: 0, generator: { void: 'no request was due in this time' } });
  });

  it('is void where it had no idle time left, though no request was late by itself', async () => {
    await using server = await scriptedServer((socket) => socket.write(whole('200 OK')));
    const loop = { kind: 'open', rate: 500_000, arrivals: 'uniform' } as const;
    const figures = await load(plan(server.origin, { loop, connections: 2 }), { drainMs: 0 });
    expect(figures.generator.busy).toBeGreaterThan(0.95);
    expect(figures.generator.void).not.toBe('');
    const seldom = { kind: 'open', rate: 20, arrivals: 'uniform' } as const;
    const idle = await load(plan(server.origin, { loop: seldom }));
    expect(idle.generator.busy).toBeGreaterThan(0);
    expect(idle.generator.busy).toBeLessThan(0.8);
  });

  it('has no CPU of less than nothing, however long its clock says that turns took', async () => {
    await using server = await scriptedServer((socket) => socket.write(whole('200 OK')));
    const clock = { nowUs: () => systemClock.nowUs() * 5 };
    const loop = { kind: 'open', rate: 510, arrivals: 'uniform' } as const;
    const figures = await load(plan(server.origin, { loop, durationS: 2 }), { clock });
    expect(figures.ok).toBe(figures.sent);
    expect(figures.generator.cpuUsPerRequest).toBeGreaterThanOrEqual(0);
  });

  it('tells of every part of an answer that it read: each is work', async () => {
    const parts = [...whole('200 OK', '', 'abc')];
    let written = 0;
    let write: () => void = () => undefined;
    await using server = await scriptedServer((socket) => {
      write = () => void (written < parts.length && socket.write(parts[written++] as string));
      write();
    });
    let read = 0;
    let began = 0;
    const kept = await new Promise((resolve) => {
      const owner = {
        read: () => {
          read++;
          write();
        },
        began: () => began++,
        answered: (_connection: Connection, keeps: boolean) => resolve(keeps),
        failed: (_connection: Connection, failure: string) => resolve(failure),
        lost: () => resolve('lost'),
        short: resolve,
      };
      const connection = new Connection(0, server.origin, Buffer.alloc(64), owner);
      connection.send(encodeRequest(server.origin, { path: '/', headers: {}, body: BODY }));
      later(5000, () => connection.close());
    });
    expect([kept, began, read]).toEqual([true, 1, parts.length]);
  });

  it('ends when it is told to while it still opens connections', async () => {
    await using deaf = await deafServer();
    const before = performance.now();
    const figures = await load(plan(deaf.origin, { connections: 20 }), { signal: AbortSignal.timeout(200) });
    expect(figures.sent).toBe(0);
    // The opening alone may take five seconds.
    expect(performance.now() - before).toBeLessThan(4000);
  });

  it('shows a stall of a second to all that arrive in it, not only to those it holds', async () => {
    let stallEndsMs = 0;
    await using server = await scriptedServer((socket, n) => {
      if (n === 200) stallEndsMs = performance.now() + 1000;
      later(Math.max(stallEndsMs - performance.now(), 0), () => socket.write(whole('200 OK')));
    });
    const loop = { kind: 'open', rate: 200, arrivals: 'uniform' } as const;
    const figures = await load(plan(server.origin, { loop, connections: 4, durationS: 3 }));
    // 200 of 600 arrive in it and see from a second to nothing of it: the slowest 10 % see 0.7 s or more.
    expect(figures.latency.p90).toBeGreaterThan(650_000);
    expect(figures.latency.p99).toBeGreaterThan(900_000);
    expect(figures.latency.max).toBeGreaterThan(980_000);
    expect(figures.wait.p90).toBeGreaterThan(600_000);
    expect(figures.ok).toBe(figures.sent);
  });

  it.each([
    ['a closed loop', { loop: { kind: 'closed', concurrency: 1 } }],
    ['no requests', { requests: [] }],
    ['no connections', { connections: 0 }],
    ['half a connection', { connections: 1.5 }],
    ['no time', { durationS: 0 }],
    ['no rate', { loop: { kind: 'open', rate: 0, arrivals: 'poisson' } }],
    ['too many requests', { durationS: 1e9 }],
    ['a path that is none', { requests: [{ path: '/a b', headers: {}, body: BODY }] }],
    ['a header that ends its line', { requests: [{ path: '/', headers: { A: 'x\r\nB: y' }, body: BODY }] }],
    ['a header name that is none', { requests: [{ path: '/', headers: { 'A B': 'x' }, body: BODY }] }],
    ['a length of its own', { requests: [{ path: '/', headers: { 'content-length': '3' }, body: BODY }] }],
  ] satisfies [string, Partial<LoadPlan>][])('refuses a plan with %s', async (_what, changes) => {
    await expect(runOpenLoop(plan({ host: '127.0.0.1', port: 1 }, changes))).rejects.toThrow(RangeError);
  });
});
