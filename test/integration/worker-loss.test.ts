import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { get, I, makeGateway, post, type Reply, type RunningGateway, startGateway } from '../support/gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-loss-'));
const boots = join(folder, 'boots');
process.env.PENSTOCK_TEST_BOOTS = boots;
const LATE = new URL('../support/late-thread.ts', import.meta.url);
const DYING = new URL('../support/dying-thread.ts', import.meta.url);

let server: RunningGateway | null = null;
afterEach(async () => {
  await server?.stop();
  server = null;
});
afterAll(() => rmSync(folder, { recursive: true }));

const eight = (v2: string, first: number, second = 0): Promise<Reply> =>
  post(`${v2}/models/raw8/infer`, { inputs: [I('INPUT0', 'FP32', [1, 8], [first, second, 0, 0, 0, 0, 0, 0])] });
const code = (reply: Reply) => [reply.status, reply.headers.get('x-error-code')];

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never ${holds}`);
}

describe('a model without a worker', { timeout: 40_000 }, () => {
  test('W8 a crash loop rests; the model is not ready and answers INSTANCE_LOST, the gateway lives, and it comes back', async () => {
    server = await startGateway(['raw8'], ['--workers', '1'], { placement: 'worker', workerEntry: DYING });
    const { v2 } = server;
    // Two deaths each; the third request meets the fifth death, and its second try waits for a lane that rests.
    expect(code(await eight(v2, 666, 1))).toEqual([500, 'EXECUTION_FAILED']);
    expect(code(await eight(v2, 666, 2))).toEqual([500, 'EXECUTION_FAILED']);
    const waiting = await eight(v2, 666, 3);
    expect(code(waiting)).toEqual([503, 'INSTANCE_LOST']);
    expect([waiting.headers.get('retry-after'), waiting.headers.get('retry-after-ms')]).toEqual(['5', '5000']);
    expect(code(await eight(v2, 1))).toEqual([503, 'INSTANCE_LOST']);
    expect((await get(`${v2}/models/raw8/ready`)).status).toBe(503);
    expect((await get(`${v2}/health/ready`)).status).toBe(503);
    expect((await get(`${v2}/health/live`)).status).toBe(200);
    expect((await post(`${v2}/repository/index`, {})).json).toMatchObject([{ name: 'raw8', state: 'UNAVAILABLE' }]);
    await until(async () => (await get(`${v2}/health/ready`)).status === 200);
    expect((await eight(v2, 7)).json.outputs[0].data[0]).toBe(7);
  });

  test('a thread that dies while it boots, twice, is followed by one that does not', async () => {
    writeFileSync(boots, '2');
    server = await startGateway(['raw8'], ['--workers', '1'], { placement: 'worker', workerEntry: LATE });
    expect(readFileSync(boots, 'utf8')).toBe('0');
    expect((await eight(server.v2, 7)).json.outputs[0].data[0]).toBe(7);
  });

  test('threads that never boot leave the gateway live, not ready, and able to stop', async () => {
    writeFileSync(boots, '1000000');
    await writeFixtures(folder, ['raw8']);
    const gateway = makeGateway(folder, ['--workers', '1'], { workerEntry: LATE });
    const { inferenceUrl } = await gateway.start();
    await until(async () => Number(readFileSync(boots, 'utf8')) < 999_998);
    expect((await get(`${inferenceUrl}/v2/health/live`)).status).toBe(200);
    expect((await get(`${inferenceUrl}/v2/health/ready`)).status).toBe(503);
    expect(await gateway.stop(5_000)).toBe(true);
  });
});
