import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StartTimes } from '../../src/core/timeline.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, post, send } from '../support/gateway.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

/** Numbers and words that stand in bodies and headers, and must stand nowhere else. */
const SECRETS = ['271828182', 'tensor-secret', 'Bearer-secret'];

let models: string;
let served: Served;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'penstock-seen-'));
  await writeFixtures(models, ['simple', 'id_bytes', 'picky', 'slow8']);
  served = await serveProcess(models, '--workers', '1', '--log-sample-every', '2', '--log-slow-ms', '100');
  await untilReady(served.url);
  for (const model of ['simple', 'id_bytes', 'picky', 'slow8']) await untilReady(served.url, model);
});

afterAll(() => rm(models, { recursive: true }));

const infer = (model: string, body: unknown) => post(`${served.url}/v2/models/${model}/infer`, body);
const row = (value: unknown) => new Array(16).fill(value);
const sums = (value: unknown) =>
  infer('simple', { inputs: ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [1, 16], row(value))) });

describe('what a server shows of itself', () => {
  test('its start, step by step and model by model, in the log and in the picture', async () => {
    for (let i = 0; i < 400 && !served.output().includes('"started"'); i++) await delay(25);
    const line = served
      .output()
      .split('\n')
      .find((text) => text.includes('"msg":"started"'));
    const { startMs } = JSON.parse(line as string) as { startMs: StartTimes };
    expect(Object.keys(startMs.steps)).toEqual(['process', 'config', 'modules', 'addon', 'ports', 'ready']);
    const order = Object.values(startMs.steps);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
    expect(Object.keys(startMs.models).sort()).toEqual(['id_bytes/1', 'picky/1', 'simple/1', 'slow8/1']);
    for (const steps of Object.values(startMs.models)) {
      expect(Object.keys(steps)).toEqual(['loaded', 'measured', 'placed']);
      const times = Object.values(steps);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[0]).toBeGreaterThanOrEqual(startMs.steps.ports as number);
      expect(times[2]).toBeLessThanOrEqual(startMs.steps.ready as number);
    }
    expect((await get(`${served.adminUrl}/admin/debug`)).json.startMs).toEqual(startMs);
  });

  test('metrics count what was asked, by labels that no client can make', async () => {
    for (let i = 0; i < 4; i++) expect((await sums(271_828_182)).status).toBe(200);
    expect((await sums('tensor-secret')).status).toBe(400);
    expect((await infer('id_bytes', { inputs: [I('INPUT0', 'BYTES', [1, 1], ['tensor-secret'])] })).status).toBe(200);
    // What ONNX Runtime says of a failed run is logged as it is, and may name an index.
    expect((await infer('picky', { inputs: [I('INPUT0', 'INT64', [1, 1], [99])] })).status).toBe(500);
    expect((await infer('made-up', {})).status).toBe(404);
    const path = `${served.url}/v2/models/simple/infer`;
    expect((await send(path, Buffer.from('{'), { Authorization: 'Bearer-secret' })).status).toBe(400);

    expect((await infer('slow8', { inputs: [I('INPUT0', 'FP32', [1], [271_828_182])] })).status).toBe(200);

    const text = await (await fetch(`${served.adminUrl}/metrics`)).text();
    const simple = 'model="simple",version="1"';
    for (const line of [
      `penstock_requests_total{${simple},code="OK"} 4`,
      `penstock_requests_total{${simple},code="INVALID_ARGUMENT"} 2`,
      'penstock_requests_total{model="picky",version="1",code="EXECUTION_FAILED"} 1',
      'penstock_rejections_total{code="MODEL_NOT_FOUND"} 1',
      `penstock_request_duration_seconds_count{${simple}} 4`,
      `penstock_queue_duration_seconds_count{${simple}} 4`,
      `penstock_run_duration_seconds_count{${simple}} 4`,
      `penstock_batch_rows_count{${simple}} 4`,
      `penstock_queue_rows{${simple}} 0`,
      'penstock_log_lines_dropped_total 0',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/^penstock_event_loop_delay_p99_seconds /m);
    expect(text).toMatch(/^process_resident_memory_bytes /m);
    expect(text).not.toContain('made-up');
  });

  test('the log has a line for every refused and failed request, some of the others, and never a tensor', async () => {
    served.child.kill('SIGTERM');
    await served.ended;
    const lines = served
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const codes = lines.filter((line) => line.code !== undefined).map(({ code, status }) => `${code} ${status}`);
    // Readiness was asked for until it came: how often that was refused is not said here.
    expect(codes.filter((code) => !code.startsWith('MODEL_NOT_READY')).sort()).toEqual([
      'EXECUTION_FAILED 500',
      'INVALID_ARGUMENT 400',
      'INVALID_ARGUMENT 400',
      'MODEL_NOT_FOUND 404',
    ]);
    for (const line of lines.filter((l) => l.code !== undefined)) expect(line.requestId).toBeTypeOf('string');
    expect(lines.filter(({ sampled, slow }) => sampled === 2 || slow === true).length).toBeGreaterThanOrEqual(2);
    const failed = lines.find(({ code }) => code === 'EXECUTION_FAILED');
    expect(failed).toMatchObject({ model: 'picky', version: '1', path: '/v2/models/picky/infer', method: 'POST' });
    for (const key of ['queueUs', 'totalUs', 'bytesIn', 'bytesOut']) expect(failed?.[key]).toBeGreaterThan(0);
    const missing = lines.find(({ code }) => code === 'MODEL_NOT_FOUND');
    expect(Object.keys(missing as object)).not.toContain('model');
    // On a machine that is busy, others may be slow as well.
    const slow = lines.filter((line) => line.slow === true && line.model === 'slow8');
    expect(slow).toEqual([expect.objectContaining({ model: 'slow8', status: 200, bytesIn: expect.any(Number) })]);
    expect(slow[0]?.runUs).toBeGreaterThan(100_000);
    expect(slow[0]?.totalUs).toBeGreaterThan(slow[0]?.runUs as number);
    for (const secret of SECRETS) expect(JSON.stringify(lines)).not.toContain(secret);
  });
});
