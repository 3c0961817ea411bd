import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { ourServer, writePolicy } from '../../bench/http/models.ts';
import { SHARED, tenantLoad, writeShared } from '../../bench/http/tenants.ts';
import { layoutOf } from '../../bench/runner/layout.ts';
import { OpenGenerator, withDeadline } from '../../bench/runner/open-generator.ts';
import { startServer } from '../../bench/runner/process.ts';
import { loadBinding } from '../../src/native/load.ts';
import { metricValue } from '../support/scrape.ts';
import { untilReady } from '../support/server-process.ts';

const binding = loadBinding();
const DEADLINE_MS = 50;

test('a message of another thread ends a rest, and what lies in sockets does not', async () => {
  const server = createServer((accepted) => accepted.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  // In the kernel when write returns.
  socket.write('here');
  expect(binding.rest(0)).toBe(false);
  expect(binding.rest(20)).toBe(false);
  socket.destroy();
  server.close();

  const told = new Int32Array(new SharedArrayBuffer(4));
  const sender = `const { parentPort, workerData } = require('node:worker_threads');
    parentPort.once('message', () => {
      parentPort.postMessage('here');
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });`;
  const worker = new Worker(sender, { eval: true, workerData: told });
  await once(worker, 'online');
  worker.postMessage('now');
  Atomics.wait(told, 0, 0);
  expect(binding.rest(1000)).toBe(true);
  const [message] = await once(worker, 'message');
  expect(message).toBe('here');
  await worker.terminate();
});

test('a rest longer than a second, or of no length, is refused', () => {
  expect(() => binding.rest(1001)).toThrow(RangeError);
  expect(() => binding.rest(-1)).toThrow(RangeError);
  expect(() => binding.rest(Number.NaN)).toThrow(RangeError);
});

test('on one core with batches, the front thread rests while more comes than can be served, and says so', async () => {
  const models = await mkdtemp(join(tmpdir(), 'penstock-rest-'));
  await writeShared(models, DEADLINE_MS, 12);
  writePolicy(models, SHARED, `slo: { p99Ms: ${DEADLINE_MS} }\nmaxBatchRows: 1\n`);
  const served = await startServer(ourServer(models), 0);
  const generator = new OpenGenerator(layoutOf('shared').load);
  const rested = () => metricValue(served.adminUrl, 'penstock_front_rest_seconds_total');
  try {
    await untilReady(served.url, SHARED);
    expect(await rested()).toBe(0);
    const load = withDeadline(tenantLoad(''), DEADLINE_MS);
    const [sent] = await generator.run({
      url: served.url,
      load,
      rate: 2_000,
      seconds: 1,
      deadlineMs: DEADLINE_MS,
      connections: 200,
      seed: 1,
      drainMs: 1_000,
    });
    expect(sent?.figures.ok).toBeGreaterThan(0);
    expect(await rested()).toBeGreaterThan(0);
  } finally {
    await generator.stop();
    await served.stop();
    await rm(models, { recursive: true });
  }
}, 20_000);
