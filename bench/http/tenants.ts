/** The model that tenants share, heavy beside its small bodies, so that fifty times one tenant's load can be sent and refused. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constant, node, onnx } from '../../test/support/fixtures/onnx.ts';
import { random, SEED, weights } from '../../test/support/fixtures/random.ts';
import type { Load } from '../runner/wrk.ts';
import { binaryLoad } from './loads.ts';
import { modelFile, writePolicy } from './models.ts';

/** Lower case, as the gateway hands headers out. */
export const TENANT_HEADER = 'x-bench-tenant';
/** Of the model. */
export const SHARED = 'shared';
/** About its rows per second on one core, where a search for the capacity begins. */
export const SHARED_LIGHT = 300;
const WIDTH = 64;
/** Layers of the same weights: much to compute and little to read. */
const [LAYERS, INNER] = [180, 1024];

/** Writes it, with a target. */
export async function writeShared(models: string, targetMs: number, layers = LAYERS): Promise<void> {
  mkdirSync(join(models, SHARED, '1'), { recursive: true });
  writeFileSync(modelFile(models, SHARED), deep(layers));
  writePolicy(models, SHARED, `slo: { p99Ms: ${targetMs} }\n`);
}

function deep(layers: number): Uint8Array {
  const next = random(SEED);
  const matrix = (name: string, from: number, to: number) =>
    constant(name, 'FP32', [from, to], weights(next, from * to, Math.sqrt(2 / from)));
  const inner = Array.from({ length: layers }, (_, i) => [
    node('MatMul', [`x${i}`, 'inner'], [`y${i}`]),
    node('Relu', [`y${i}`], [`x${i + 1}`]),
  ]);
  return onnx({
    inputs: [['input', 'FP32', ['batch', WIDTH]]],
    outputs: [['output', 'FP32', ['batch', WIDTH]]],
    nodes: [
      node('MatMul', ['input', 'first'], ['x0']),
      ...inner.flat(),
      node('MatMul', [`x${layers}`, 'last'], ['output']),
    ],
    constants: [matrix('first', WIDTH, INNER), matrix('inner', INNER, INNER), matrix('last', INNER, WIDTH)],
  });
}

/** One row of it, sent by a tenant. */
export function tenantLoad(tenant: string): Load {
  const numbers = Float32Array.from({ length: WIDTH }, (_, i) => i / WIDTH);
  const load = binaryLoad(SHARED, 'input', [1, WIDTH], 'output', numbers);
  return { ...load, headers: { ...load.headers, [TENANT_HEADER]: tenant } };
}
