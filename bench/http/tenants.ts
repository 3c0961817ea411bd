/** The model that tenants share, heavy beside its small bodies, so that fifty times one tenant's load can be sent at all. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dense } from '../../test/support/fixtures/bench-models.ts';
import type { Load } from '../runner/wrk.ts';
import { binaryLoad } from './loads.ts';
import { modelFile, writePolicy } from './models.ts';

/** Lower case, as the gateway hands headers out. */
export const TENANT_HEADER = 'x-bench-tenant';
/** Of the model. */
export const SHARED = 'shared';
/** About its rows per second on one core, where a search for the capacity begins. */
export const SHARED_LIGHT = 1_200;
const WIDTH = 64;
const LAYERS = [WIDTH, 2048, 2048, 2048, 2048, WIDTH];

/** Writes it, with a target. */
export async function writeShared(models: string, targetMs: number): Promise<void> {
  mkdirSync(join(models, SHARED, '1'), { recursive: true });
  writeFileSync(modelFile(models, SHARED), dense(LAYERS, 'input', 'output', false));
  writePolicy(models, SHARED, `slo: { p99Ms: ${targetMs} }\n`);
}

/** One row of it, sent by a tenant. */
export function tenantLoad(tenant: string): Load {
  const numbers = Float32Array.from({ length: WIDTH }, (_, i) => i / WIDTH);
  const load = binaryLoad(SHARED, 'input', [1, WIDTH], 'output', numbers);
  return { ...load, headers: { ...load.headers, [TENANT_HEADER]: tenant } };
}
