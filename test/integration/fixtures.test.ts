import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FIXTURES } from '../support/fixtures/models.ts';
import { get, startGatewayOn } from '../support/gateway.ts';

const COMMAND = fileURLToPath(new URL('../support/fixtures/main.ts', import.meta.url));

/** Those that are there to be unavailable. */
const UNAVAILABLE = ['broken', 'id_bf16'];

describe('the fixtures command', () => {
  test('writes a folder that is served as it stands, every model of it but the two that cannot be', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-all-'));
    const { status, stdout } = spawnSync(process.execPath, [COMMAND, folder], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining(`--models ${folder}`)]);
    const server = await startGatewayOn(folder);
    const { json } = await get(`${server.v2}/models`);
    expect(json.models.sort()).toEqual(Object.keys(FIXTURES).sort());
    const states = [...server.gateway.snapshot.models.values()].flatMap(({ versions }) => versions);
    const failed = states.filter(({ state }) => state !== 'READY').map(({ model }) => model);
    await server.stop();
    rmSync(folder, { recursive: true });
    expect(failed).toEqual(UNAVAILABLE);
  }, 60_000);

  test('says how it is used where it is told nothing', () => {
    const { status, stderr } = spawnSync(process.execPath, [COMMAND], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([64, expect.stringContaining('usage:')]);
  });
});
