import dns from 'node:dns';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { HOPELESS_FAILURES, runClosedLoop } from '../../src/load/closed-loop.ts';
import { difference, readCounters } from '../../src/load/counters.ts';
import type { LoadFigures, LoadPlan } from '../../src/load/figures.ts';
import { BODIES, makeRequests } from '../../src/load/inputs.ts';
import type { Progress } from '../../src/load/progress.ts';
import { describeServer } from '../../src/load/target.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const servers: { close(): void }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

async function serve(listener: RequestListener): Promise<LoadPlan> {
  const server = createServer(listener);
  servers.push({ close: () => server.close().closeAllConnections() });
  return planTo(await listen(server));
}

/** A server of raw bytes: `answer` runs for each request, numbered over all connections. */
async function serveRaw(answer: (socket: Socket, index: number) => void): Promise<LoadPlan> {
  const open = new Set<Socket>();
  let index = 0;
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('data', () => answer(socket, index++));
  });
  servers.push({
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  });
  return planTo(await listen(server));
}

function planTo(port: number, more: Partial<LoadPlan> = {}): LoadPlan {
  const requests = ['a', 'b', 'c'].map((text) => ({
    path: `/${text}`,
    headers: { 'X-Which': text },
    body: Buffer.from(text),
  }));
  return {
    origin: { host: '127.0.0.1', port },
    requests,
    loop: { kind: 'closed', concurrency: 2 },
    connections: 2,
    durationS: 0.3,
    deadlineMs: null,
    seed: 1,
    ...more,
  };
}

/** Everything sent is accounted for. */
function balanced(figures: LoadFigures): LoadFigures {
  const { errors, refused } = figures;
  const failed = errors.connect + errors.reset + errors.timeout + errors.malformed;
  const refusals = refused.reduce((sum, r) => sum + r.count, 0);
  expect(figures.ok + figures.late + refusals + failed + figures.unanswered).toBe(figures.sent);
  expect(figures.latency.count).toBe(figures.ok + figures.late);
  return figures;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const NO_ERRORS = { connect: 0, reset: 0, timeout: 0, malformed: 0 };

describe('a closed loop', () => {
  test('sends each request whole and in turn, one at a time a connection, and counts what the server counted', async () => {
    const seen: string[] = [];
    let open = 0;
    let most = 0;
    const plan = await serve((request, answer) => {
      most = Math.max(most, ++open);
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${request.headers['x-which']} ${body}`);
        setTimeout(() => {
          open--;
          answer.end('ok');
        }, 2);
      });
    });
    const figures = balanced(await runClosedLoop(plan));
    expect(figures).toMatchObject({
      ok: seen.length,
      sent: seen.length,
      late: 0,
      refused: [],
      errors: NO_ERRORS,
      unanswered: 0,
    });
    expect(figures.firstByte).toBeNull();
    expect(most).toBe(2);
    const counts = ['a', 'b', 'c'].map(
      (text) => seen.filter((line) => line === `POST /${text} ${text} ${text}`).length,
    );
    expect(counts.reduce((a, b) => a + b)).toBe(seen.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
    expect(figures.achieved * figures.durationS).toBeLessThanOrEqual(figures.ok + 1e-6);
    expect(figures.achieved * figures.durationS).toBeGreaterThanOrEqual(figures.ok - 2 - 1e-6);
  });

  test('has in its rates what was answered while it sent, however late the last answer is', async () => {
    let count = 0;
    const plan = await serve((_, answer) => {
      setTimeout(() => answer.end('ok'), count++ === 5 ? 2000 : 2);
    });
    const figures = balanced(await runClosedLoop(plan));
    expect(figures).toMatchObject({ sent: count, ok: count, unanswered: 0 });
    expect(figures.latency.max).toBeGreaterThanOrEqual(1_990_000);
    expect(figures.durationS).toBeLessThan(1.5);
    const inTime = figures.achieved * figures.durationS;
    expect(inTime).toBeLessThanOrEqual(figures.ok - 1 + 1e-6);
    expect(inTime).toBeGreaterThanOrEqual(figures.ok - 2 - 1e-6);
    expect(figures.goodput).toBe(figures.achieved);
  });

  test('times an answer from its request to its last byte, and calls it late behind the deadline', async () => {
    let count = 0;
    const plan = await serve((_, answer) => {
      answer.write('o');
      setTimeout(() => answer.end('k'), count++ % 2 === 0 ? 0 : 60);
    });
    const figures = balanced(await runClosedLoop({ ...plan, connections: 1, deadlineMs: 50 }));
    expect(figures.late).toBe(Math.floor(count / 2));
    expect(figures.ok).toBe(Math.ceil(count / 2));
    expect(figures.latency.max).toBeGreaterThanOrEqual(59_000);
    expect(figures.latency.min).toBeLessThan(50_000);
  });

  test('counts refusals by code, with Retry-After, and by status where there is no code', async () => {
    let count = 0;
    const plan = await serve((_, answer) => {
      const kind = count++ % 4;
      if (kind === 0) answer.writeHead(503, { 'X-Error-Code': 'OVERLOADED', 'Retry-After': '1' });
      if (kind === 1) answer.writeHead(503, { 'X-Error-Code': 'OVERLOADED' });
      if (kind === 2) answer.writeHead(400, { 'X-Error-Code': '<b>hostile</b>' });
      answer.end('{}');
    });
    const figures = balanced(await runClosedLoop({ ...plan, connections: 1 }));
    const by = Object.fromEntries(figures.refused.map((r) => [r.code, r]));
    expect(Object.keys(by).sort()).toEqual(['HTTP 400', 'OVERLOADED']);
    expect(by.OVERLOADED?.retryAfter).toBe(Math.ceil(count / 4));
    expect(by.OVERLOADED?.timeToRefuse.count).toBe(by.OVERLOADED?.count);
    expect(figures.ok).toBe(Math.floor(count / 4));
  });

  test('counts resets and closed connections, half answers too, and reads the next answer right', async () => {
    const planned = { reset: 0, ok: 0 };
    const plan = await serveRaw((socket, index) => {
      const kind = index % 4;
      planned[kind === 3 ? 'ok' : 'reset']++;
      if (kind === 0) socket.resetAndDestroy();
      else if (kind === 1) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      else if (kind === 2) socket.end();
      else socket.write(OK);
    });
    const figures = balanced(await runClosedLoop({ ...plan, connections: 1 }));
    expect(figures).toMatchObject({ ok: planned.ok, errors: { ...NO_ERRORS, reset: planned.reset }, unanswered: 0 });
    expect(planned.ok).toBeGreaterThan(2);
  });

  test('takes no announced end of a connection for a reset', async () => {
    let count = 0;
    const plan = await serve((_, answer) => {
      if (count++ % 3 === 0) answer.setHeader('Connection', 'close');
      answer.end('ok');
    });
    const figures = balanced(await runClosedLoop(plan));
    expect(figures).toMatchObject({ ok: count, errors: NO_ERRORS, refused: [] });
  });

  test('takes an answer that is cut for a reset, also where the end of the connection was announced', async () => {
    let requests = 0;
    const plan = await serveRaw((socket) => {
      // Sent before the end was seen: it is sent once more.
      if (socket.writableEnded) return;
      const index = requests++;
      const cut = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf';
      socket.end(index % 3 === 0 ? OK.replace('\r\n', '\r\nConnection: close\r\n') : cut);
    });
    const figures = balanced(await runClosedLoop({ ...plan, connections: 1 }));
    const ok = Math.ceil(requests / 3);
    expect(figures).toMatchObject({ sent: requests, ok, errors: { ...NO_ERRORS, reset: requests - ok } });
    expect(ok).toBeGreaterThan(1);
  });

  test('reads chunked answers in pieces, and bodies that end with the connection', async () => {
    let requests = 0;
    const plan = await serveRaw((socket) => {
      if (socket.writableEnded) return;
      if (requests++ % 2 === 1) return void socket.end('HTTP/1.1 200 OK\r\n\r\nto the end');
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chu');
      setTimeout(() => {
        socket.write('nked\r\n\r\n5\r\nhel');
        setTimeout(() => socket.write('lo\r\n0\r\n\r\n'), 5);
      }, 5);
    });
    const figures = balanced(await runClosedLoop(plan));
    expect(figures).toMatchObject({ sent: requests, ok: requests, errors: NO_ERRORS, refused: [], unanswered: 0 });
    expect(requests).toBeGreaterThan(4);
    expect(figures.latency.max).toBeGreaterThanOrEqual(9000);
  });

  test('times an answer whose first byte is slow from its request', async () => {
    const plan = await serveRaw((socket) => void setTimeout(() => socket.write(OK), 50));
    const figures = balanced(await runClosedLoop(plan));
    expect(figures).toMatchObject({ ok: figures.sent, errors: NO_ERRORS });
    expect(figures.latency.min).toBeGreaterThanOrEqual(49_000);
  });

  test('counts what is no HTTP as malformed, and answers that never end as timeouts', async () => {
    let odd = 0;
    const noise = await serveRaw((socket, index) => {
      if (index % 2 === 0) return void socket.write(OK);
      odd++;
      socket.write('220 smtp.example ESMTP\r\n');
    });
    const malformed = balanced(await runClosedLoop({ ...noise, connections: 1 }));
    expect(malformed.errors).toEqual({ ...NO_ERRORS, malformed: odd });
    expect(malformed.ok).toBeGreaterThan(0);

    const silent = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
    const timeouts = balanced(await runClosedLoop(silent, { answerLimitMs: 1000 }));
    expect(timeouts).toMatchObject({ sent: 2, ok: 0, errors: { ...NO_ERRORS, timeout: 2 }, unanswered: 0 });
  });

  test('keeps nothing of an answer that never ends', async () => {
    const part = Buffer.alloc(256 * 1024, 65);
    let bytes = 0;
    const endless = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n');
      const more = () => {
        while (!socket.destroyed && socket.write(part)) bytes += part.length;
      };
      socket.on('drain', more);
      more();
    });
    const before = process.memoryUsage().heapUsed;
    const figures = balanced(await runClosedLoop({ ...endless, connections: 1 }, { answerLimitMs: 1000 }));
    expect(figures).toMatchObject({ sent: 1, errors: { ...NO_ERRORS, timeout: 1 } });
    expect(bytes).toBeGreaterThan(0);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('gives up on a port where nobody is, and says so', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const figures = balanced(await runClosedLoop(planTo(port, { durationS: 30 })));
    expect(figures.errors.connect).toBeGreaterThanOrEqual(HOPELESS_FAILURES);
    expect(figures.errors.connect).toBe(figures.sent);
    expect(figures.generator.void).toContain('failures in a row');
  });

  test('counts a name of which each address refuses as not connected', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    // Whether this machine has such a name is not ours to say. The addresses and what they answer are real.
    const two = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    const lookup = (_name: string, _options: unknown, found: (error: null, addresses: typeof two) => void) =>
      process.nextTick(found, null, two);
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as never);
    const figures = balanced(await runClosedLoop(planTo(port, { origin: { host: 'two-addresses', port } })));
    expect(figures.errors).toEqual({ ...NO_ERRORS, connect: figures.sent });
    expect(figures.sent).toBeGreaterThan(0);
  });

  test('gives a server more failures the more connections it has, and tells of giving up whatever comes after', async () => {
    let failures = HOPELESS_FAILURES + 200;
    const plan = await serveRaw((socket) => {
      if (failures-- > 0) socket.resetAndDestroy();
      else socket.write(OK);
    });
    const wide = balanced(await runClosedLoop({ ...plan, connections: 150, durationS: 2 }));
    expect(wide.errors).toEqual({ ...NO_ERRORS, reset: HOPELESS_FAILURES + 200 });
    expect(wide.ok).toBeGreaterThan(0);
    expect(wide.generator.void).toBe('');

    let narrow = 0;
    const late = await serveRaw((socket) => {
      if (narrow++ === 0) setTimeout(() => socket.write(OK), 3000);
      else socket.resetAndDestroy();
    });
    const figures = balanced(await runClosedLoop({ ...late, durationS: 30 }));
    expect(figures).toMatchObject({ ok: 1, errors: { ...NO_ERRORS, reset: HOPELESS_FAILURES } });
    expect(figures.generator.void).toContain(`${HOPELESS_FAILURES} failures in a row`);
  });

  test('tells its progress, and ends early when it is told to', async () => {
    const plan = await serve((_, answer) => void setTimeout(() => answer.end('ok'), 5));
    const seen: number[] = [];
    const stopped = new AbortController();
    const onProgress = ({ sent, ok, inFlight }: Progress) => {
      expect([ok + inFlight, inFlight]).toEqual([sent, 2]);
      seen.push(ok);
      if (seen.length === 2) stopped.abort();
    };
    const figures = balanced(await runClosedLoop({ ...plan, durationS: 30 }, { onProgress, signal: stopped.signal }));
    expect(figures.durationS).toBeLessThan(10);
    expect(seen[0]).toBeLessThan(seen[1] as number);
    expect(figures).toMatchObject({ errors: NO_ERRORS, unanswered: 0 });
  });
});

describe('a closed loop against Penstock', () => {
  let penstock: RunningGateway;
  beforeAll(async () => {
    penstock = await startGateway(['simple', 'slow']);
  });
  afterAll(() => penstock.stop());

  test.each(['json', 'binary'] as const)('in %s agrees with its counters', async (form) => {
    const base = new URL(penstock.inferenceUrl);
    const target = await describeServer(base, 'simple', null, null);
    const requests = makeRequests(target, {
      form,
      batch: 2,
      seed: 5,
      deadlineMs: null,
      sendDeadline: null,
      token: null,
    });
    expect(requests).toHaveLength(BODIES);
    const model = new URL(target.path, base);
    const before = await readCounters(model, null);
    const plan = { ...planTo(target.origin.port), requests, connections: 8, durationS: 0.5 };
    const figures = balanced(await runClosedLoop(plan));
    const server = difference(before, await readCounters(model, null));
    expect(figures).toMatchObject({ refused: [], errors: NO_ERRORS, unanswered: 0, ok: figures.sent });
    expect(figures.ok).toBeGreaterThan(8);
    expect(server?.inferences).toBe(2 * figures.ok);
    expect(server?.batches.reduce((sum, [rows, count]) => sum + rows * count, 0)).toBe(2 * figures.ok);
    expect(figures.generator.cpuUsPerRequest).toBeGreaterThan(0);
    expect(figures.generator.busy).toBeGreaterThan(0);
    expect(figures.generator.busy).toBeLessThanOrEqual(1);
  });

  test('that is overloaded counts its OVERLOADED with Retry-After', async () => {
    const target = await describeServer(new URL(penstock.inferenceUrl), 'slow', null, null);
    const requests = makeRequests(target, {
      form: 'json',
      batch: 1,
      seed: 5,
      deadlineMs: null,
      sendDeadline: null,
      token: null,
    });
    const figures = balanced(
      await runClosedLoop({ ...planTo(target.origin.port), requests, connections: 6, durationS: 0.5 }),
    );
    const [refusal] = figures.refused;
    expect(refusal).toMatchObject({ code: 'OVERLOADED', status: 503, retryAfter: refusal?.count });
    expect(figures.ok).toBeGreaterThan(0);
  });
});
