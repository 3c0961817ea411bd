import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PlanScheduler } from '../../src/batching/plan-scheduler.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Placement, ServedFacts } from '../../src/core/model.ts';
import { Timeline } from '../../src/core/timeline.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { Arena } from '../../src/native/arena.ts';
import { CrashMarks } from '../../src/native/crash-marks.ts';
import { loadBinding } from '../../src/native/load.ts';
import { InferRoad } from '../../src/pipeline/infer.ts';
import { ModelLoader } from '../../src/pipeline/loader.ts';
import { Places } from '../../src/pipeline/places.ts';
import { ProfileStore } from '../../src/pipeline/profile-store.ts';
import type { InferRequest } from '../../src/pipeline/request.ts';
import type { Target } from '../../src/pipeline/target.ts';
import { DecodePool } from '../../src/preprocess/decode-pool.ts';
import { readVersion } from '../../src/registry/repository.ts';
import { InlineLane } from '../../src/workers/inline.ts';
import { writeFixtures } from '../support/fixtures/write.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-learned-'));
  await writeFixtures(join(folder, 'models'), ['simple']);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** One start of a loader over `simple`: two lanes on this thread, where a server has one of them on a worker. */
async function started(
  placement: Placement,
  use: (loader: ModelLoader, target: number, facts: ServedFacts) => unknown,
) {
  const binding = loadBinding();
  const arena = new Arena(binding, 16 * 1024 * 1024);
  const marks = new CrashMarks(binding, -1);
  const lanes = [0, 1].map((slot) => new InlineLane(arena.buffer, marks.slots, slot));
  const metrics = new Metrics(() => {
    throw new Error('nobody reads them');
  });
  const scheduler = new PlanScheduler<InferRequest>(lanes.length);
  const limits = { bodyBytes: 1024, imagePixels: 1, imageFrames: 1, imageBytes: 1024, imageQueueBytes: 1024 };
  const pool = new DecodePool({ arena: arena.buffer, clock: systemClock, threads: 1, ...limits });
  const pictures = { limits, pool, atOnce: 1 };
  const onFailedRun = () => undefined;
  const road = new InferRoad({ binding, arena, clock: systemClock, lanes, cores: 1, scheduler, pictures, onFailedRun });
  const { driver, usage } = road;
  const onFailed = (_target: Target, _lane: number, error: unknown) => expect(error).toBeNull();
  const places = new Places({ clock: systemClock, driver, lanes, usage, onMoved: () => undefined, onFailed });
  const loader = new ModelLoader({
    binding,
    arena,
    driver,
    places,
    cores: 1,
    curve: null,
    lanes,
    metrics,
    timeline: new Timeline(systemClock),
    clock: systemClock,
    profiles: new ProfileStore(folder, 'any', (error) => expect(error).toBeNull()),
    jsonDepth: 100,
    queueRows: 100,
    queueBytes: 1_000_000,
    placement,
    marks,
    decoders: pool,
    onLost: () => undefined,
    refused: [],
  });
  const { target, facts } = await loader.load('simple', '1', await readVersion(join(folder, 'models'), 'simple', '1'));
  await use(loader, target, facts);
  await loader.keepLearned();
  for (const lane of lanes) await lane.unload(target);
  road.driver.dispose();
  metrics.dispose();
}

test('what batches taught is known at the next start, where the model runs in the same place', async () => {
  await started('worker', (loader, target) => {
    for (let i = 0; i < 50; i++) loader.curve(target)?.observe(6, 123_456);
  });
  await started('inline', (loader, target, facts) => {
    expect(facts.profile.some(({ us }) => us > 100_000)).toBe(false);
    expect(loader.curve(target)?.at(6)).toBeLessThan(100_000);
  });
  await started('worker', (loader, target, facts) => {
    expect(facts.profile.map(({ rows }) => rows)).toContain(6);
    expect((loader.curve(target)?.at(6) ?? 0) / 123_456).toBeCloseTo(1, 1);
  });
});

test('a start that served nobody does not overwrite what was learned before', async () => {
  await started('worker', (loader, target) => {
    for (let i = 0; i < 50; i++) loader.curve(target)?.observe(6, 123_456);
  });
  await started('worker', () => undefined);
  await started('worker', (loader, target) => {
    expect((loader.curve(target)?.at(6) ?? 0) / 123_456).toBeCloseTo(1, 1);
  });
});
