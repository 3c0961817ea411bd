/**
 * `npm run check:cuda`: the same inputs through the cpu and the cuda execution provider must agree to 1e-3.
 * Where CUDA is absent it says so and ends with 0: nothing was compared.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LooseOutput, RunError, type SessionOptions } from '../src/core/instance.ts';
import { elementCount } from '../src/core/tensor.ts';
import { Session } from '../src/workers/session.ts';
import { random, SEED } from '../test/support/fixtures/random.ts';
import { writeFixtures } from '../test/support/fixtures/write.ts';

const TOLERANCE = 1e-3;
const ROWS = 8;

/** How a build or a machine without CUDA shows itself; any other failure on cuda is a failure of this check. */
const ABSENT = /is absent on this machine/;

/** One session's outputs for the same seeded rows; every tensor of these models is FP32. */
async function outputsOf(path: string, provider: 'cpu' | 'cuda'): Promise<Float32Array> {
  const options: SessionOptions = {
    executionProviders: [{ name: provider, deviceId: 0 }],
    intraOpThreads: 1,
    graphOptimization: 'all',
    extra: {},
  };
  const arena = new SharedArrayBuffer(64 * 1024 * 1024);
  const session = await Session.open({ session: 0, path, options }, arena);
  try {
    const dims = [ROWS, ...session.info.signature.inputs[0].shape.slice(1)];
    const next = random(SEED);
    new Float32Array(arena, 0, elementCount(dims)).forEach((_, i, all) => {
      all[i] = next();
    });
    const { outputs } = await session.run({
      session: 0,
      inputs: [{ offset: 0, dims, strings: null }],
      outputs: session.info.signature.outputs.map(() => null),
    });
    const { bytes } = outputs[0] as LooseOutput;
    return new Float32Array((bytes as Uint8Array).slice().buffer);
  } finally {
    await session.release();
  }
}

async function cudaOutputs(path: string): Promise<Float32Array | null> {
  try {
    return await outputsOf(path, 'cuda');
  } catch (error) {
    if (!(error instanceof RunError) || !ABSENT.test(error.message)) throw error;
    process.stdout.write(`check:cuda SKIPPED, nothing was compared: ${error.message.split('\n', 1)[0]}\n`);
    return null;
  }
}

/** Largest difference, relative where values exceed 1. */
function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]) / Math.max(1, Math.abs(value))), 0);
}

async function main(folder: string): Promise<number> {
  await writeFixtures(folder, ['resnet18']);
  const models = {
    digits: fileURLToPath(new URL('../models/digits/2/model.onnx', import.meta.url)),
    resnet18: join(folder, 'resnet18/1/model.onnx'),
  };
  let failed = 0;
  for (const [name, path] of Object.entries(models)) {
    const cuda = await cudaOutputs(path);
    if (cuda === null) return 0;
    const found = difference(await outputsOf(path, 'cpu'), cuda);
    // Written so that NaN fails.
    const agrees = found <= TOLERANCE;
    failed += Number(!agrees);
    process.stdout.write(
      `${name}: cuda and cpu differ by ${found.toExponential(2)}, ${agrees ? 'passed' : 'FAILED'}\n`,
    );
  }
  return failed === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'penstock-cuda-'));
try {
  process.exitCode = await main(folder);
} finally {
  rmSync(folder, { recursive: true });
}
