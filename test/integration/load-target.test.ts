import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ASK_LIMIT_BYTES, ask } from '../../src/load/ask.ts';
import { type Counters, difference, readCounters } from '../../src/load/counters.ts';
import { LoadError } from '../../src/load/error.ts';
import { describeServer, type Target } from '../../src/load/target.ts';
import { I, post, type RunningGateway, startGateway } from '../support/gateway.ts';

/** Whatever a test starts, ended when its file is done. */
const opened: { close(): unknown }[] = [];
let penstock: RunningGateway;
let base: URL;

beforeAll(async () => {
  penstock = await startGateway(['simple', 'v2', 'id_bytes', 'broken']);
  base = new URL(penstock.inferenceUrl);
});
afterAll(async () => {
  for (const server of opened) server.close();
  await penstock.stop();
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  opened.push({ close: () => server.close().closeAllConnections() });
  await new Promise((resolve) => server.once('listening', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** An Open Inference server of documents by path; others are 404. */
function documents(by: Readonly<Record<string, unknown>>): Promise<URL> {
  return serve((request, answer) => {
    const found = by[request.url ?? ''];
    answer.writeHead(found === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    answer.end(JSON.stringify(found ?? { error: 'no such thing' }));
  });
}

async function failure(promise: Promise<unknown>): Promise<LoadError> {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(LoadError);
  expect((error as LoadError).message).not.toMatch(/[\p{Cc}]/u);
  return error as LoadError;
}

describe('a Penstock is asked what it is', () => {
  test('and says name, tensors, largest batch, and that it counts', async () => {
    const target = await describeServer(base, 'simple', null, null);
    expect(target).toMatchObject({
      origin: { host: '127.0.0.1', port: Number(base.port) },
      server: { name: 'penstock' },
      path: '/v2/models/simple',
      maxBatchSize: 8,
      statistics: true,
    });
    expect(target.inputs.map((i) => [i.name, i.datatype.name, i.shape])).toEqual([
      ['INPUT0', 'INT32', [-1, 16]],
      ['INPUT1', 'INT32', [-1, 16]],
    ]);
    expect(target.outputs.map((o) => o.name)).toEqual(['OUTPUT0', 'OUTPUT1']);
  });

  test('a version can be named, and one that is not there is unknown', async () => {
    expect((await describeServer(base, 'v2', '1', null)).path).toBe('/v2/models/v2/versions/1');
    expect((await failure(describeServer(base, 'v2', '2', null))).kind).toBe('unknown-model');
  });

  test('an unknown model and one that failed to load are one clear line each', async () => {
    const unknown = await failure(describeServer(base, 'no such\nmodel', null, null));
    expect([unknown.kind, unknown.message]).toEqual(['unknown-model', expect.stringContaining("'no such model'")]);
    const broken = await failure(describeServer(base, 'broken', null, null));
    expect([broken.kind, broken.message]).toEqual(['not-ready', expect.stringContaining("'broken' is not ready")]);
  });

  test('its counters before and after tell what ran in between', async () => {
    const model = new URL('/v2/models/simple', base);
    const before = await readCounters(model, null);
    const row = Array.from({ length: 32 }, (_, i) => i);
    const inputs = ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [2, 16], row));
    for (let i = 0; i < 3; i++) expect((await post(`${penstock.v2}/models/simple/infer`, { inputs })).status).toBe(200);
    const figures = difference(before, await readCounters(model, null));
    expect(figures).toMatchObject({ inferences: 6, executions: 3, batchRows: 2, batches: [[2, 3]] });
    expect(figures?.computeUs).toBeGreaterThan(0);
  });
});

describe('another server', () => {
  const model = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }], outputs: [] };

  test('without configuration and statistics is taken as it is, below a prefix too', async () => {
    const url = await documents({
      '/up/v2': { name: 'mlserver', version: '1.7', extensions: [] },
      '/up/v2/models/a%2Fb': model,
      '/up/v2/models/a%2Fb/ready': {},
    });
    const target: Target = await describeServer(new URL('/up/', url), 'a/b', null, null);
    expect(target).toMatchObject({ path: '/up/v2/models/a%2Fb', maxBatchSize: null, statistics: false });
  });

  test.each([
    ['no metadata', {}, 'not-open-inference', 'no Open Inference server'],
    ['metadata without a name', { '/v2': ['x'] }, 'not-open-inference', 'no Open Inference server'],
    ['an input without shape', { '/v2/models/m': { inputs: [{ name: 'x' }] } }, 'not-open-inference', "input 'x'"],
    [
      'a shape of text',
      { '/v2/models/m': { inputs: [{ name: 'x', datatype: 'FP32', shape: ['a'] }] } },
      'not-open-inference',
      "input 'x'",
    ],
    [
      'an unknown datatype',
      { '/v2/models/m': { inputs: [{ name: 'x', datatype: 'FP8', shape: [1] }] } },
      'unsuitable',
      "'FP8'",
    ],
    ['inputs that are no list', { '/v2/models/m': { inputs: {} } }, 'not-open-inference', 'no list'],
    ['a model that is not ready', { '/v2/models/m': model }, 'not-ready', 'no such thing'],
  ])('with %s is refused in one line', async (what, by, kind, words) => {
    const server = what.includes('metadata') ? {} : { '/v2': { name: 's' } };
    const error = await failure(describeServer(await documents({ ...server, ...by }), 'm', null, null));
    expect([error.kind, error.message]).toEqual([kind, expect.stringContaining(words)]);
  });

  test('that wants a token gets the one given, and says so where it is not', async () => {
    const url = await serve((request, answer) => {
      const known = request.headers.authorization === 'Bearer right';
      answer.writeHead(known ? 404 : 401).end(JSON.stringify({ error: 'who\u001b[31m are you' }));
    });
    const error = await failure(describeServer(url, 'm', null, null));
    expect([error.kind, error.message]).toEqual(['denied', expect.stringContaining('401 who [31m are you')]);
    expect((await failure(describeServer(url, 'm', null, 'right'))).kind).toBe('not-open-inference');
  });

  test('that is not there, does not speak HTTP, never answers or answers without end', async () => {
    const gone = await failure(describeServer(new URL('http://127.0.0.1:1'), 'm', null, null));
    expect([gone.kind, gone.message]).toEqual([
      'unreachable',
      'cannot reach 127.0.0.1:1: connection refused (ECONNREFUSED)',
    ]);
    const tcp = createTcpServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-x\r\n')).listen(
      0,
      '127.0.0.1',
    );
    opened.push(tcp);
    await new Promise((resolve) => tcp.once('listening', resolve));
    const port = (tcp.address() as AddressInfo).port;
    expect((await failure(ask(new URL(`http://127.0.0.1:${port}/v2`), null))).kind).toBe('not-open-inference');
    const silent = await failure(ask(await serve(() => undefined), null, 100));
    expect([silent.kind, silent.message]).toEqual(['unreachable', expect.stringContaining('within 0.1 s')]);
    const endless = await serve((_, answer) => {
      const part = Buffer.alloc(1024 * 1024, 32);
      const more = () => !answer.destroyed && answer.write(part, () => setImmediate(more));
      more();
    });
    const error = await failure(ask(endless, null));
    expect(error.message).toContain(`more than ${ASK_LIMIT_BYTES} bytes`);
  });

  test.each(['https://127.0.0.1', 'http://u:p@127.0.0.1'])('at %s is not asked at all', async (url) => {
    expect((await failure(describeServer(new URL(url), 'm', null, null))).kind).toBe('unsuitable');
  });
});

describe('counters', () => {
  const of = (inferences: number, ns: number, batches: [number, number][]): Counters => ({
    inferences,
    executions: inferences,
    queued: { count: inferences, ns },
    computed: { count: inferences, ns: 2 * ns },
    batches: new Map(batches),
  });

  test('means are of what came in between, in microseconds', () => {
    const figures = difference(of(2, 2_000, [[1, 2]]), of(4, 12_000, [[4, 1], [1, 2], [2, 1]])); // biome-ignore format: pairs
    expect(figures).toMatchObject({ queueUs: 5, computeUs: 10, batches: [[2, 1], [4, 1]] }); // biome-ignore format: pairs
  });

  test('say nothing where the server began anew, or has none', () => {
    expect(difference(of(4, 1, []), of(3, 1, []))).toBeNull();
    expect(difference(of(4, 9, []), of(4, 1, []))).toBeNull();
    expect(difference(of(4, 1, [[1, 2]]), of(4, 1, [[1, 1]]))).toBeNull();
    expect(difference(null, of(1, 1, []))).toBeNull();
  });

  test('of several versions are added, numbers as text are read, and nonsense is none', async () => {
    const version = {
      inference_count: '3',
      execution_count: 2,
      inference_stats: { queue: { count: 2, ns: '10' }, compute_infer: { count: 2, ns: 20 } },
      batch_stats: [{ batch_size: 1, compute_infer: { count: 2, ns: 20 } }],
    };
    const url = await documents({
      '/v2/models/m/stats': { model_stats: [version, version] },
      '/v2/models/n/stats': { model_stats: [{ ...version, inference_stats: { queue: { count: -1, ns: 0 } } }] },
    });
    expect(await readCounters(new URL('/v2/models/m', url), null)).toEqual({
      inferences: 6,
      executions: 4,
      queued: { count: 4, ns: 20 },
      computed: { count: 4, ns: 40 },
      batches: new Map([[1, 4]]),
    });
    expect(await readCounters(new URL('/v2/models/n', url), null)).toBeNull();
  });
});
