import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ModelVersion } from '../../src/core/model.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { I, post, type RunningGateway, startGatewayOn } from '../support/gateway.ts';

let folder: string;
let server: RunningGateway | null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-profiles-'));
  server = null;
});
afterEach(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Starts over these models, with what it keeps beside them. */
async function start(
  models: readonly string[],
  state = join(folder, 'state'),
): Promise<(model: string) => ModelVersion> {
  await server?.stop();
  await writeFixtures(join(folder, 'models'), models);
  return again(state);
}

async function again(state = join(folder, 'state')): Promise<(model: string) => ModelVersion> {
  await server?.stop();
  server = await startGatewayOn(join(folder, 'models'), ['--state-dir', state]);
  const { models } = server.gateway.snapshot;
  return (model) => models.get(model)?.versions[0] as ModelVersion;
}

async function answers(): Promise<void> {
  const rows = Array.from({ length: 16 }, (_, i) => i);
  const inputs = [I('INPUT0', 'INT32', [1, 16], rows), I('INPUT1', 'INT32', [1, 16], rows)];
  expect((await post(`${server?.v2}/models/simple/infer`, { inputs })).status).toBe(200);
}

const kept = (): Promise<string[]> => readdir(join(folder, 'state/profiles'));

test('a model is profiled at its first start, and the next start has the same figures', async () => {
  const first = (await start(['simple', 'id_fp32']))('simple').facts;
  // How far a profile goes is a matter of time: a machine that stalls ends it early.
  const sizes = first?.profile.map(({ rows }) => rows).filter((rows) => (rows & (rows - 1)) === 0) ?? [];
  expect(sizes).toEqual([1, 2, 4, 8].slice(0, Math.max(1, sizes.length)));
  for (const { us } of first?.profile ?? []) expect(us).toBeGreaterThan(0);
  expect(first?.measuredRows).toBe(first?.profile.at(-1)?.rows);
  expect(await kept()).toHaveLength(2);
  const second = (await again())('simple').facts;
  expect(second).toEqual(first);
  await answers();
});

test('another model in its place is profiled anew', async () => {
  await start(['simple']);
  await writeFile(join(folder, 'models/simple/model.yaml'), 'maxBatchRows: 4\n');
  const version = (await again())('simple');
  expect(version.facts?.maxBatchSize).toBe(4);
  // How far a profile goes is a matter of time, but its first size is always there, and never more than the most.
  const rows = version.facts?.profile.map((point) => point.rows) ?? [];
  expect(rows[0]).toBe(1);
  expect(Math.max(...rows)).toBeLessThanOrEqual(4);
  expect(await kept()).toHaveLength(2);
});

/** Makes every time that was kept so many microseconds at least. @param learned whether only what service taught is slow */
async function slowed(us: number, learned: boolean): Promise<void> {
  for (const name of await kept()) {
    const path = join(folder, 'state/profiles', name);
    const found = JSON.parse(await readFile(path, 'utf8'));
    // biome-ignore lint/suspicious/noExplicitAny: a file of any content
    const points = found.points.map((point: any) => ({ ...point, us: us + point.us, runUs: us + point.runUs }));
    const taught = { placement: 'inline', points };
    await writeFile(path, JSON.stringify(learned ? { ...found, learned: taught } : { ...found, points }));
  }
}

test.each([
  ['the profile', false],
  ['what service taught', true],
])('%s of a bad moment does not keep a model from its target for ever: it is measured anew', async (_what, learned) => {
  await writeFixtures(join(folder, 'models'), ['simple']);
  await writeFile(join(folder, 'models/simple/model.yaml'), 'maxBatchRows: 8\nslo: { p99Ms: 1000 }\n');
  await again();
  await slowed(2_000_000, learned);
  for (const version of [await again(), await again()]) {
    expect(version('simple')).toMatchObject({ state: 'READY' });
    expect(version('simple').facts?.profile[0]?.us).toBeLessThan(1_000_000);
  }
  const [name] = await kept();
  const { points, learned: taught } = JSON.parse(
    await readFile(join(folder, 'state/profiles', name as string), 'utf8'),
  );
  expect(points[0].us).toBeLessThan(1_000_000);
  expect(taught).toBeNull();
  await answers();
});

test('what was kept and keeps the target is believed, however slow', async () => {
  await writeFixtures(join(folder, 'models'), ['simple']);
  await writeFile(join(folder, 'models/simple/model.yaml'), 'maxBatchRows: 8\nslo: { p99Ms: 10000 }\n');
  await again();
  await slowed(2_000_000, false);
  expect((await again())('simple').facts?.profile[0]?.us).toBeGreaterThan(2_000_000);
});

test('what was damaged is measured again', async () => {
  await start(['simple']);
  const [name] = await kept();
  const path = join(folder, 'state/profiles', name as string);
  for (const text of ['{"format":1,"points":[{"rows":1,"runUs":null,"us":-1}]}', 'x', '']) {
    await writeFile(path, text);
    expect((await again())('simple').facts?.measuredUs).toBeGreaterThan(0);
    expect(JSON.parse(await readFile(path, 'utf8')).points[0].us).toBeGreaterThan(0);
  }
  await answers();
});

test('a folder that cannot be written does not stop it', async () => {
  await writeFile(join(folder, 'file'), '');
  expect((await start(['simple'], join(folder, 'file/state')))('simple').state).toBe('READY');
  await answers();
});

test('more instances than workers make the model unavailable', async () => {
  await writeFixtures(join(folder, 'models'), ['simple', 'negate']);
  await writeFile(join(folder, 'models/negate/model.yaml'), 'instances: { min: 3 }\n');
  const version = await again();
  expect(version('negate')).toMatchObject({
    state: 'FAILED',
    reason: 'instances is at least 3, but workers is 2',
  });
  expect(version('simple').state).toBe('READY');
});

test('a cap on batches makes a model unavailable that has no batch dimension, and says what to state instead', async () => {
  await writeFixtures(join(folder, 'models'), ['slow', 'simple']);
  await writeFile(join(folder, 'models/slow/model.yaml'), 'maxBatchRows: 4\n');
  const version = await again();
  const reason = 'maxBatchRows is set, but the model has no batch dimension; set it to 0';
  expect(version('slow')).toMatchObject({ state: 'FAILED', reason });
  expect(version('simple').state).toBe('READY');
});

test('memory that holds no batch of a model makes it unavailable, and says what to raise', async () => {
  await writeFixtures(join(folder, 'models'), ['resnet18', 'simple']);
  server = await startGatewayOn(join(folder, 'models'), ['--limits-arena-bytes', String(1024 * 1024)]);
  const versionOf = (model: string) => server?.gateway.snapshot.models.get(model)?.versions[0];
  const reason = 'the arena is too small for a batch of this model; raise limits.arenaBytes';
  expect(versionOf('resnet18')).toMatchObject({ state: 'FAILED', reason });
  expect(versionOf('simple')?.state).toBe('READY');
});

test('a target that one row alone cannot meet makes the model unavailable, with both figures', async () => {
  await writeFixtures(join(folder, 'models'), ['slow', 'simple']);
  await writeFile(join(folder, 'models/slow/model.yaml'), 'maxBatchRows: 0\ninstances: 1\nslo: { p99Ms: 5 }\n');
  await writeFile(join(folder, 'models/simple/model.yaml'), 'maxBatchRows: 8\nslo: { p99Ms: 1000 }\n');
  for (const version of [await again(), await again()]) {
    expect(version('slow')).toMatchObject({ state: 'FAILED' });
    expect(version('slow').reason).toMatch(/^slo\.p99Ms is 5 ms, but one request takes \d+ ms$/);
    expect(version('simple').state).toBe('READY');
    // What was refused is measured anew each time: only the other one's profile is kept.
    expect(await kept()).toHaveLength(1);
  }
  await answers();
});
