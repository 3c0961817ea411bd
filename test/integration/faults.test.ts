import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { B, get, I, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';
import { metricValue } from '../support/scrape.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-once-'));
let server: RunningGateway;

beforeAll(async () => {
  process.env.PENSTOCK_TEST_ONCE = join(folder, 'died');
  // For threads that start from here on: a heap that is soon exhausted.
  setFlagsFromString('--max-old-space-size=96');
  server = await startGateway(['raw8', 'picky', 'simple'], [], {
    placement: 'worker',
    workerEntry: new URL('../support/dying-thread.ts', import.meta.url),
  });
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const eight = (first: number): Promise<Reply> =>
  post(`${server.v2}/models/raw8/infer`, { inputs: [I('INPUT0', 'FP32', [1, 8], [first, 0, 0, 0, 0, 0, 0, 0])] });
const pick = (index: number): Promise<Reply> =>
  post(`${server.v2}/models/picky/infer`, { inputs: [I('INPUT0', 'INT64', [1, 1], [index])] });

describe('faults', () => {
  test('a request that ONNX Runtime refuses fails alone; its neighbours are answered', async () => {
    const replies = await Promise.all([0, 1, 99, 2, 3, 0, 1].map(pick));
    expect(replies.map((r) => r.status)).toEqual([200, 200, 500, 200, 200, 200, 200]);
    expect(replies.filter((r) => r.status === 200).map((r) => r.json.outputs[0].data[0])).toEqual([
      10, 11, 12, 13, 10, 11,
    ]);
    const guilty = replies[2] as Reply;
    expect(guilty.headers.get('x-error-code')).toBe('EXECUTION_FAILED');
    expect(guilty.json.error).not.toMatch(/[/\\]|\.cc|Gather/);
  });

  test.each([
    ['ends itself', 667],
    ['has a task that throws', 668],
    ['throws where nobody catches', 669],
    ['has no heap left', 670],
  ])(
    'W1 a worker that %s in the middle of a batch costs nobody an answer',
    async (_way, number) => {
      const sent = [1, number, 2, 3, 4];
      const replies = await Promise.all(sent.map(eight));
      expect(existsSync(join(folder, `died${number}`))).toBe(true);
      expect(replies.map((r) => r.status)).toEqual([200, 200, 200, 200, 200]);
      expect(replies.map((r) => r.json.outputs[0].data[0])).toEqual(sent);
      expect((await get(`${server.v2}/health/ready`)).status).toBe(200);
    },
    30_000,
  );

  test('W2 a request that kills two workers is refused, its neighbours are answered, and it never meets a third', async () => {
    const replies = await Promise.all([5, 666, 6].map(eight));
    expect(replies.map((r) => r.status)).toEqual([200, 500, 200]);
    expect(replies[1]?.headers.get('x-error-code')).toBe('EXECUTION_FAILED');
    expect((await get(`${server.v2}/health/ready`)).status).toBe(200);
    expect((await eight(7)).json.outputs[0].data[0]).toBe(7);
    const before = await lanesLost();
    for (const again of [await eight(666), await eightBinary(666)]) {
      expect([again.status, again.headers.get('x-error-code')]).toEqual([500, 'EXECUTION_FAILED']);
      expect(again.json.error).toContain('not run again');
    }
    expect(await lanesLost()).toBe(before);
    expect((await eightBinary(8)).status).toBe(200);
  }, 30_000);

  test('and all of that stands in the metrics: threads lost, requests run again', async () => {
    // Three threads that died once (a task that throws leaves its thread alive), and two by one request.
    expect(await metricValue(server.adminUrl, 'penstock_lanes_lost_total')).toBe(5);
    for (const model of ['picky', 'raw8']) {
      expect(
        await metricValue(server.adminUrl, `penstock_retries_total{model="${model}",version="1"}`),
      ).toBeGreaterThan(0);
    }
    expect(await metricValue(server.adminUrl, 'penstock_retries_total{model="simple",version="1"}')).toBe(0);
  });

  test('W5 an answer that is none fails its request alone, and the lane goes on', async () => {
    const before = await lanesLost();
    for (const number of [671, 672]) {
      const replies = await Promise.all([1, number, 2].map(eight));
      expect(replies.map((r) => r.status)).toEqual([200, 500, 200]);
    }
    expect((await eight(9)).json.outputs[0].data[0]).toBe(9);
    expect(await lanesLost()).toBe(before);
  });
});

async function lanesLost(): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  return Number(/^penstock_lanes_lost_total (\d+)/m.exec(text)?.[1]);
}

function eightBinary(first: number): Promise<Reply> {
  const numbers = Buffer.from(Float32Array.of(first, 0, 0, 0, 0, 0, 0, 0).buffer);
  return post(`${server.v2}/models/raw8/infer`, { inputs: [B('INPUT0', 'FP32', [1, 8], 32)] }, numbers);
}
