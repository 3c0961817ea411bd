/** The requests of the benches and the check of their answers, made once so that every scenario sends the same bytes. */

import type { Load } from '../runner/wrk.ts';

/** Pixels of one row of `mlp`. */
export const PIXELS = 784;

/** Longest wait for an answer, milliseconds. */
const ANSWER_MS = 30_000;

/** Rows of `mlp` with their numbers behind the JSON head. */
export function mlpBinary(rows = 1): Load {
  return binaryLoad('mlp', 'input', [rows, PIXELS], 'probs', pixels(rows * PIXELS));
}

/** One row of `mlp` as JSON numbers. */
export function mlpJson(): Load {
  return jsonLoad('mlp', 'input', [1, PIXELS], pixels(PIXELS));
}

/** Numbers for a model as JSON, with the seven digits that a float32 is worth. */
export function jsonLoad(model: string, input: string, shape: readonly number[], numbers: Float32Array): Load {
  const data = shortNumbers(numbers);
  const body = Buffer.from(JSON.stringify({ inputs: [{ name: input, shape, datatype: 'FP32', data }] }));
  return { path: `/v2/models/${model}/infer`, body, headers: {} };
}

/** Seven digits of each: what a text of float32 needs. */
export function shortNumbers(numbers: Float32Array): number[] {
  return [...numbers].map((v) => Number(v.toPrecision(7)));
}

/** Numbers of one row of `mlp1ms`. */
export const MLP1MS_WIDTH = 512;

/** Rows of `mlp1ms`, binary. */
export function mlp1msBinary(rows = 1): Load {
  return binaryLoad('mlp1ms', 'input', [rows, MLP1MS_WIDTH], 'output', pixels(rows * MLP1MS_WIDTH));
}

/** One picture of 224x224 for `model`, binary. */
export function pictureBinary(model: string, output: string): Load {
  return binaryLoad(model, 'input', [1, 3, 224, 224], output, pixels(3 * 224 * 224));
}

/** One JPEG for `model`, which says what becomes of it. */
export function jpegLoad(model: string, jpeg: Uint8Array): Load {
  return { path: `/v2/models/${model}/infer`, body: jpeg, headers: { 'Content-Type': 'image/jpeg' } };
}

/** An answer as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** One request. @throws where nothing answers in time */
export async function send(url: string, { path, body, headers }: Load): Promise<Answer> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const init = { method: 'POST', body: body as Uint8Array<ArrayBuffer>, headers, signal };
  const reply = await fetch(url + path, init);
  return { status: reply.status, headers: reply.headers, body: new Uint8Array(await reply.arrayBuffer()) };
}

/** Waits until the model answers. @returns bytes of its answer to `load`. @throws where that is not 200 */
export async function answerBytes(url: string, load: Load): Promise<number> {
  return (await untilAnswered(url, load)).body.length;
}

/** The same, with the whole answer. @param isAnswer of its status; 200 where not stated */
export async function untilAnswered(
  url: string,
  load: Load,
  isAnswer: (status: number) => boolean = (status) => status === 200,
): Promise<Answer> {
  const deadlineMs = performance.now() + ANSWER_MS;
  for (;;) {
    const answer = await send(url, load);
    if (isAnswer(answer.status)) return answer;
    if (performance.now() > deadlineMs) throw new Error(`${load.path} answers ${answer.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Numbers for a model behind the JSON head, and its output asked for in the same way. */
export function binaryLoad(
  model: string,
  input: string,
  shape: readonly number[],
  output: string,
  numbers: Float32Array<ArrayBuffer>,
): Load {
  const head = JSON.stringify({
    inputs: [{ name: input, shape, datatype: 'FP32', parameters: { binary_data_size: numbers.byteLength } }],
    outputs: [{ name: output, parameters: { binary_data: true } }],
  });
  const body = Buffer.concat([Buffer.from(head), Buffer.from(numbers.buffer)]);
  return { path: `/v2/models/${model}/infer`, body, headers: { 'Inference-Header-Content-Length': `${head.length}` } };
}

/** Like MNIST: most pixels black, the others k/255. */
function pixels(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => (i % 5 === 0 ? ((i * 37) % 256) / 255 : 0));
}
