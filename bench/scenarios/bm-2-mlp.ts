/** BM-2 and BM-3: the tiny MLP over keep-alive connections, beside an echo and a raw loop, as E_cpu. */

import { mlpBinary, mlpJson, PIXELS, untilAnswered } from '../http/loads.ts';
import { modelFile, ourServer, writeMlp } from '../http/models.ts';
import { eCpu } from '../runner/e-cpu.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';
import type { Load } from '../runner/wrk.ts';

const CONNECTIONS = 64;
/** CPU of the best known scanner per number of a JSON text, microseconds. */
const TEXT_US = 0.01;

/** BM-2. */
export const mlpBinaryBodies: Scenario = {
  what: 'mlp, binary body, 64 connections: E_cpu',
  target: '>= 0.76',
  scale: 'slices',
  write: writeMlp,
  run: (effort, models) => measure(models, mlpBinary(), 0, effort),
};

/** BM-3. */
export const mlpJsonBodies: Scenario = {
  what: 'mlp, JSON body, 64 connections: E_cpu',
  target: '>= 0.65',
  scale: 'slices',
  write: writeMlp,
  run: (effort, models) => measure(models, mlpJson(), PIXELS * TEXT_US, effort),
};

function measure(models: string, load: Load, textUs: number, effort: Effort): Promise<Outcome> {
  const model = modelFile(models, 'mlp');
  const checked = (url: string) => probabilities(url, load);
  const plan = { ours: ourServer(models), load, connections: CONNECTIONS, model, elements: PIXELS, textUs, checked };
  return eCpu(plan, effort);
}

/** Waits until the model answers, and checks the answer. @returns its bytes */
async function probabilities(url: string, load: Load): Promise<number> {
  const { headers, body } = await untilAnswered(url, load);
  const head = Number(headers.get('inference-header-content-length') ?? 0);
  const sum = head > 0 ? sumOf(body.slice(head)) : sumOfJson(body);
  if (Math.abs(sum - 1) > 1e-4) throw new Error(`the probabilities add up to ${sum}`);
  return body.length;
}

function sumOf(bytes: Uint8Array<ArrayBuffer>): number {
  return new Float32Array(bytes.buffer, 0, 10).reduce((a, b) => a + b);
}

function sumOfJson(answer: Uint8Array): number {
  const { outputs } = JSON.parse(Buffer.from(answer).toString()) as { outputs: { data: number[] }[] };
  return (outputs[0]?.data ?? []).reduce((a, b) => a + b, 0);
}
