import { afterEach, describe, expect, test } from 'vitest';
import { get, I, type Reply, type RunningGateway, send } from '../support/gateway.ts';
import { request, speak } from '../support/hostile.ts';
import { BELIEVED_US, OwnTime, startInOwnTime } from '../support/own-time.ts';
import { metricValue } from '../support/scrape.ts';

const MS = 1000;
const SLO_MS = 400;

let server: RunningGateway;
let time: OwnTime;
afterEach(() => server.stop());

async function start(policy = ''): Promise<void> {
  time = new OwnTime();
  server = await startInOwnTime('id_fp32', policy, time);
}

function ask(headers: Record<string, string> = {}, timeout = 0, value = 1): Promise<Reply> {
  const document = { parameters: { timeout }, inputs: [I('INPUT0', 'FP32', [1, 1], [value])] };
  return send(`${server.v2}/models/id_fp32/infer`, Buffer.from(JSON.stringify(document)), headers);
}

const scheduler = async () => (await get(`${server.adminUrl}/v2/models/id_fp32/scheduler`)).json;

async function untilWaiting(requests: number): Promise<void> {
  while ((await scheduler()).queue.requests !== requests) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('the deadline of a request', () => {
  const all = (own: number, envoy: number, grpc: number, timeout: number) =>
    [
      {
        'X-Request-Timeout-Ms': String(own),
        'x-envoy-expected-rq-timeout-ms': String(envoy),
        'grpc-timeout': `${grpc}m`,
      },
      timeout * MS,
    ] as const;

  test('is the stated target where it states none, and else the earliest of all, to the microsecond', async () => {
    await start(`slo: { p99Ms: ${SLO_MS} }\n`);
    for (const [headers, timeout, mostMs] of [
      [{}, 0, SLO_MS],
      [...all(300, 500, 600, 700), 300],
      [...all(500, 300, 600, 700), 300],
      [...all(600, 500, 300, 700), 300],
      [...all(700, 600, 500, 300), 300],
      [...all(700, 600, 500, 800), SLO_MS],
    ] as const) {
      const spent = [];
      for (const takesUs of [mostMs * MS, mostMs * MS + 1]) {
        time.takesUs = takesUs;
        const { status, json, headers: answered } = await ask(headers, timeout);
        spent.push(status === 200 ? 200 : [status, answered.get('x-error-code'), json.error]);
      }
      expect(spent).toEqual([200, [504, 'DEADLINE_EXCEEDED', `the deadline passed after ${mostMs} ms`]]);
    }
  });

  test('is looked at before an answer is written, and costs the neighbours in its batch nothing', async () => {
    await start();
    const release = time.hold();
    time.takesUs = 100 * MS;
    const running = ask();
    while ((await scheduler()).requests.admitted < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const neighbours = [ask({}, 0, 7), ask({ 'X-Request-Timeout-Ms': '150' }, 0, 8), ask({}, 0, 9)];
    await untilWaiting(3);
    release();
    expect((await running).status).toBe(200);
    const replies = await Promise.all(neighbours);
    expect(replies.map(({ status, json }) => (status === 200 ? json.outputs[0].data[0] : status))).toEqual([7, 504, 9]);
    const count = (code: string) =>
      metricValue(server.adminUrl, `penstock_requests_total{model="id_fp32",version="1",code="${code}"}`);
    expect([await count('OK'), await count('DEADLINE_EXCEEDED')]).toEqual([3, 1]);
    expect((await scheduler()).requests).toMatchObject({ late: 1 });
  });
});

test('a target that nobody stated is shown, and refuses nobody, however late he is', async () => {
  await start();
  time.takesUs = 100_000 * MS;
  const replies = await Promise.all(Array.from({ length: 30 }, () => ask()));
  expect(replies.map(({ status }) => status)).toEqual(new Array(30).fill(200));
  expect(await scheduler()).toMatchObject({
    targetMs: (10 * BELIEVED_US) / MS,
    targetSource: 'measured',
    requests: { admitted: 30, refused: 0, impossible: 0, late: 0 },
  });
});

test('a body whose length tells that it cannot be in time is refused before it comes', async () => {
  time = new OwnTime();
  server = await startInOwnTime('mlp', '', time, (rows) => rows * BELIEVED_US);
  const announced = (rows: number) =>
    request('POST /v2/models/mlp/infer', [
      'X-Request-Timeout-Ms: 50',
      'Inference-Header-Content-Length: 100',
      `Content-Length: ${100 + rows * 784 * 4}`,
    ]);
  const [early] = (await speak(server.inferenceUrl, [announced(6)])).answers;
  expect([early?.status, early?.headers['x-error-code']]).toEqual([504, 'DEADLINE_EXCEEDED']);
  expect((await speak(server.inferenceUrl, [announced(5)], 100)).answers).toEqual([]);
});

test('a body that could be in time but for who runs before it is refused before it comes, with the time to come again', async () => {
  await start();
  const release = time.hold();
  const running = ask();
  while ((await scheduler()).requests.admitted < 1) await new Promise((resolve) => setTimeout(resolve, 2));
  const announced = (mostMs: number) =>
    request('POST /v2/models/id_fp32/infer', [`X-Request-Timeout-Ms: ${mostMs}`, 'Content-Length: 1000']);
  // What runs takes 10 ms, and so would this one: alone it would have time enough.
  const { answers } = await speak(server.inferenceUrl, [announced(15)]);
  expect(answers.map(({ status }) => status)).toEqual([503]);
  expect(answers[0]?.headers).toMatchObject({
    'x-error-code': 'OVERLOADED',
    'retry-after': '1',
    'retry-after-ms': '5',
  });
  expect(answers[0]?.body).toContain('would be answered in 20 ms, and 15 ms are left');
  expect((await speak(server.inferenceUrl, [announced(20)], 100)).answers).toEqual([]);
  expect((await scheduler()).requests).toMatchObject({ admitted: 1, refused: 1, impossible: 0 });
  release();
  expect((await running).status).toBe(200);
});

describe('what is said of the load', () => {
  /** Rows per second as three documents have them. */
  async function shown(): Promise<{ offered: number[]; served: number[] }> {
    const { models } = (await get(`${server.adminUrl}/v2/capacity`)).json;
    const documents = [await scheduler(), models[0]];
    const metric = (what: string) =>
      metricValue(server.adminUrl, `penstock_scheduler_${what}_rows_per_second{model="id_fp32",version="1"}`);
    return {
      offered: [...documents.map(({ offeredRowsPerS }) => offeredRowsPerS), await metric('offered')],
      served: [...documents.map(({ servedRowsPerS }) => servedRowsPerS), await metric('served')],
    };
  }

  /** Six at once and again, until 2 s of the gateway's own time have passed. @returns rows per second sent and answered */
  async function flood(headers: Record<string, string>): Promise<{ sent: number; answered: number }> {
    const sinceUs = time.nowUs();
    let sent = 0;
    let answered = 0;
    while (time.nowUs() - sinceUs < 2e6) {
      const replies = await Promise.all(Array.from({ length: 6 }, () => ask(headers)));
      sent += replies.length;
      answered += replies.filter(({ status }) => status === 200).length;
    }
    const seconds = (time.nowUs() - sinceUs) / 1e6;
    return { sent: sent / seconds, answered: answered / seconds };
  }

  function expectTrue(values: readonly number[], truth: number): void {
    for (const value of values) {
      expect(value).toBeGreaterThan(0.75 * truth);
      expect(value).toBeLessThan(1.25 * truth);
    }
  }

  test.each([
    ['a full queue refuses half of it', 'maxBatchRows: 0\nqueueRows: 2\n', {}],
    ['late answers are given to nobody', 'maxBatchRows: 0\n', { 'X-Request-Timeout-Ms': '35' }],
  ])('is true where %s', async (_how, policy, headers) => {
    await start(policy);
    time.takesUs = 12 * MS;
    const { sent, answered } = await flood(headers);
    expect(answered).toBeLessThan(0.7 * sent);
    const { offered, served } = await shown();
    expectTrue(offered, sent);
    expectTrue(served, answered);
  });
});
