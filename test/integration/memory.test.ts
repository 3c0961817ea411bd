import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFixtures } from '../support/fixtures/write.ts';
import { B, I, post } from '../support/gateway.ts';
import { type Served, serveProcess, untilReady } from '../support/server-process.ts';

const MIB = 1024 * 1024;

let models: string;
let served: Served;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'penstock-memory-'));
  await writeFixtures(models, ['id_fp32']);
  served = await serveProcess(models, '--workers', '1');
  await untilReady(served.url);
});

afterAll(async () => {
  served.child.kill('SIGTERM');
  await served.ended;
  await rm(models, { recursive: true });
});

const small = () => post(`${served.url}/v2/models/id_fp32/infer`, { inputs: [I('INPUT0', 'FP32', [1, 1], [1])] });

/** Bytes of the answer. On a connection of its own: uWebSockets.js keeps what it buffered for as long as one is open. */
function large(document: object, tail: Uint8Array): Promise<number> {
  const head = Buffer.from(JSON.stringify(document));
  const headers = {
    'Content-Length': head.length + tail.length,
    ...(tail.length > 0 ? { 'Inference-Header-Content-Length': head.length } : {}),
  };
  const url = `${served.url}/v2/models/id_fp32/infer`;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers, agent: false }, (answer) => {
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.on('end', () => resolve(answer.statusCode === 200 ? bytes : -1));
    });
    outgoing.on('error', reject);
    outgoing.write(head);
    outgoing.end(tail);
  });
}

async function residentMiB(): Promise<number> {
  const text = await (await fetch(`${served.adminUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]) / MIB;
}

/** Small requests while memory is being given back: the server goes on working. */
async function settlesBelow(mostMiB: number): Promise<number> {
  let resident = 0;
  for (let i = 0; i < 20; i++) {
    for (let k = 0; k < 50; k++) await small();
    resident = await residentMiB();
    if (resident < mostMiB) break;
  }
  return resident;
}

describe('memory', () => {
  test('C23 after bodies of 50 MiB, answered in kind, resident memory returns near to what it was', async () => {
    for (let i = 0; i < 500; i++) await small();
    const before = await residentMiB();
    const tail = new Uint8Array(50 * MIB).fill(1);
    const inputs = [B('INPUT0', 'FP32', [1, tail.length / 4], tail.length)];
    const outputs = [{ name: 'OUTPUT0', parameters: { binary_data: true } }];
    for (let i = 0; i < 3; i++) expect(await large({ inputs, outputs }, tail)).toBeGreaterThan(tail.length);
    expect(await settlesBelow(before + 25)).toBeLessThan(before + 25);
  });

  test('large JSON, answered in kind, does not grow it from one request to the next', async () => {
    const data = new Array(1_000_000).fill(0.123456789);
    const inputs = [I('INPUT0', 'FP32', [1, data.length], data)];
    const ask = async (times: number) => {
      for (let i = 0; i < times; i++)
        expect(await large({ inputs }, new Uint8Array(0))).toBeGreaterThan(10 * data.length);
    };
    await ask(4);
    const before = await residentMiB();
    // Twelve times 10 MiB in and 11 MiB out; malloc keeps some tens of MiB of blocks for the next ones.
    await ask(12);
    expect(await settlesBelow(before + 80)).toBeLessThan(before + 80);
  });
});
