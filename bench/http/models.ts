/** Folders of models for the benches, and the command lines of the servers over them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MOST_DECODE_THREADS } from '../../src/preprocess/decode-pool.ts';
import { constant, node, onnx } from '../../test/support/fixtures/onnx.ts';
import { writeFixtures } from '../../test/support/fixtures/write.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Arguments of node for the server as users run it, over these models. */
export function ourServer(models: string, { workers = 1, port = 0 } = {}): string[] {
  const ports = ['--port', String(port), '--admin-port', '0', '--log-level', 'error', '--state-dir', ''];
  return [file('../../src/main.ts'), 'serve', '--models', models, '--workers', String(workers), ...ports];
}

/** The environment that the launcher gives it: libuv has a thread for each that decodes pictures, beside its own four. */
export function launcherEnv(): NodeJS.ProcessEnv {
  return { UV_THREADPOOL_SIZE: String(4 + Math.min(MOST_DECODE_THREADS, cpus().length)), ...process.env };
}

/** The same for the whole road with an instance that only copies. */
export function copyServer(models: string): string[] {
  return [file('./copy-server.ts'), models];
}

/** The same with every model on a worker. */
export function workerServer(models: string): string[] {
  return [file('./worker-server.ts'), models];
}

/** The same for a bare server that answers `bytes`. */
export function echoServer(bytes: number): string[] {
  return [file('./echo-server.ts'), String(bytes)];
}

/** The first version of a model in a folder of them. */
export function modelFile(models: string, model: string): string {
  return join(models, model, '1/model.onnx');
}

/** The model of BM-1 to BM-4. */
export function writeMlp(models: string): Promise<void> {
  return writeFixtures(models, ['mlp']);
}

/** The model of BM-5 and BM-7. */
export function writeMlp1ms(models: string): Promise<void> {
  return writeFixtures(models, ['mlp1ms']);
}

/** What the operator says of a model from the next start on. */
export function writePolicy(models: string, model: string, policy: string): void {
  writeFileSync(join(models, model, 'model.yaml'), policy);
}

/** The model of BM-6. */
export function writeResnet(models: string): Promise<void> {
  return writeFixtures(models, ['resnet18']);
}

/** A model with a body of 588 KiB in and 40 bytes out, quick enough to be measured at load. */
export async function writePicture(models: string): Promise<void> {
  mkdirSync(join(models, 'picture/1'), { recursive: true });
  const model = onnx({
    inputs: [['input', 'FP32', ['batch', 3, 224, 224]]],
    outputs: [['mean', 'FP32', ['batch', 10]]],
    nodes: [
      node('GlobalAveragePool', ['input'], ['pooled']),
      node('Flatten', ['pooled'], ['flat'], { axis: 1 }),
      node('Gemm', ['flat', 'w', 'b'], ['mean']),
    ],
    constants: [
      constant('w', 'FP32', [3, 10], new Float32Array(30).fill(0.1)),
      constant('b', 'FP32', [10], new Float32Array(10)),
    ],
  });
  writeFileSync(modelFile(models, 'picture'), model);
}

/** The models of BM-6-jpeg: both take pictures, and answer the five best classes. */
export async function writeJpegModels(models: string): Promise<void> {
  await writeResnet(models);
  await writePicture(models);
  const preprocess = 'preprocess: { input: input, image: { preset: imagenet } }\n';
  writePolicy(models, 'resnet18', `${preprocess}postprocess: { logits: { activation: softmax, topK: 5 } }\n`);
  writePolicy(models, 'picture', `${preprocess}postprocess: { mean: { topK: 5 } }\n`);
}

/** A folder of models for as long as `use` takes. */
export async function withModels<T>(
  write: (models: string) => Promise<void>,
  use: (models: string) => Promise<T>,
): Promise<T> {
  const models = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  try {
    await write(models);
    return await use(models);
  } finally {
    rmSync(models, { recursive: true });
  }
}
