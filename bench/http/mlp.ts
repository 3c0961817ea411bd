/** BM-2 and BM-3: the tiny MLP over keep-alive connections, beside an echo and a raw loop, as E_cpu. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeFixtures } from '../../test/support/fixtures/write.ts';
import { cpuUs, type Server, startServer } from '../runner/process.ts';
import { interval, median } from '../runner/statistics.ts';
import { type Load, Wrk } from '../runner/wrk.ts';
import type { Effort, Outcome } from './compare.ts';
import { mlpBinary, mlpJson, PIXELS } from './loads.ts';

const run = promisify(execFile);
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const CONNECTIONS = 64;
/** CPU of the best known scanner per number of a JSON text, microseconds. */
const TEXT_US = 0.01;

/** Measures `mlp` with binary or JSON bodies. */
export async function measureMlp(form: 'binary' | 'json', effort: Effort): Promise<Outcome> {
  const models = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  await writeFixtures(models, ['mlp']);
  const servers: Server[] = [];
  const load = form === 'binary' ? mlpBinary() : mlpJson();
  const wrk = new Wrk(load);
  try {
    const ours = await startServer([file('../../src/main.ts'), 'serve', ...flags(models)], SERVER_CORE);
    servers.push(ours);
    const answerBytes = await checked(ours.url, load);
    const echo = await startServer([file('./echo-server.ts'), String(answerBytes)], SERVER_CORE);
    servers.push(echo);
    return await rounds(wrk, ours, echo, join(models, 'mlp/1/model.onnx'), form, effort);
  } finally {
    for (const server of servers) await server.stop();
    wrk.dispose();
    rmSync(models, { recursive: true });
  }
}

async function rounds(
  wrk: Wrk,
  ours: Server,
  echo: Server,
  model: string,
  form: string,
  effort: Effort,
): Promise<Outcome> {
  const textUs = form === 'json' ? PIXELS * TEXT_US : 0;
  const slice = (server: Server) => cpuOf(wrk, server, effort.sliceS);
  await slice(ours);
  const samples: { ratio: number; aa: number; ours: number; echo: number; run: number; perSecond: number }[] = [];
  for (let round = 0; round < effort.rounds; round++) {
    // A B B A: what drifts during a round weighs on both sides alike.
    const first = await slice(ours);
    const echoFirst = await slice(echo);
    const echoSecond = await slice(echo);
    const second = await slice(ours);
    const runUs = await rawRun(model, effort.sliceS);
    const oursUs = (first.cpuUs + second.cpuUs) / 2;
    const echoUs = (echoFirst.cpuUs + echoSecond.cpuUs) / 2;
    const ratio = (echoUs + runUs + textUs) / oursUs;
    samples.push({
      ratio,
      aa: first.cpuUs / second.cpuUs,
      ours: oursUs,
      echo: echoUs,
      run: runUs,
      perSecond: first.perSecond,
    });
    process.stderr.write(`round ${round + 1}: E_cpu ${ratio.toFixed(3)} ours ${oursUs.toFixed(2)} us\n`);
  }
  const pick = (key: keyof (typeof samples)[number]) => samples.map((sample) => sample[key]);
  return {
    figure: median(pick('ratio')),
    interval: interval(pick('ratio')),
    aa: median(pick('aa')),
    detail: {
      ours: median(pick('ours')),
      echo: median(pick('echo')),
      run: median(pick('run')),
      text: textUs,
      perSecond: median(pick('perSecond')),
    },
  };
}

async function cpuOf(wrk: Wrk, server: Server, seconds: number): Promise<{ cpuUs: number; perSecond: number }> {
  const before = cpuUs(server.pid);
  const { requests, perSecond } = await wrk.slice(server.url, CONNECTIONS, seconds, LOAD_CORE);
  return { cpuUs: (cpuUs(server.pid) - before) / requests, perSecond };
}

async function rawRun(model: string, seconds: number): Promise<number> {
  const args = ['-c', String(SERVER_CORE), process.execPath, file('./raw-loop.ts'), model, 'input', String(PIXELS)];
  const { stdout } = await run('taskset', [...args, String(seconds)]);
  return (JSON.parse(stdout) as { cpuPerRowUs: number }).cpuPerRowUs;
}

/** Waits until the model answers, and checks the answer. @returns its bytes */
async function checked(url: string, load: Load): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const ready = await fetch(`${url}/v2/models/mlp/ready`);
    await ready.arrayBuffer();
    if (ready.status === 200) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const body = load.body as Uint8Array<ArrayBuffer>;
  const reply = await fetch(url + load.path, { method: 'POST', body, headers: load.headers });
  const answer = new Uint8Array(await reply.arrayBuffer());
  if (reply.status !== 200) throw new Error(`the model answers ${reply.status}`);
  const head = Number(reply.headers.get('inference-header-content-length') ?? 0);
  const sum = head > 0 ? sumOf(answer.slice(head)) : sumOfJson(answer);
  if (Math.abs(sum - 1) > 1e-4) throw new Error(`the probabilities add up to ${sum}`);
  return answer.length;
}

function sumOf(bytes: Uint8Array<ArrayBuffer>): number {
  return new Float32Array(bytes.buffer, 0, 10).reduce((a, b) => a + b);
}

function sumOfJson(answer: Uint8Array): number {
  const { outputs } = JSON.parse(Buffer.from(answer).toString()) as { outputs: { data: number[] }[] };
  return (outputs[0]?.data ?? []).reduce((a, b) => a + b, 0);
}

function flags(models: string): string[] {
  return ['--models', models, '--port', '0', '--admin-port', '0', '--workers', '1', '--log-level', 'error'];
}
