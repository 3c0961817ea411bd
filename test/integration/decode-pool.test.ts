import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { GatewayError } from '../../src/core/error.ts';
import { StuckError } from '../../src/preprocess/decode-faults.ts';
import type { DecodeJob } from '../../src/preprocess/decode-job.ts';
import { MOST_WAITING } from '../../src/preprocess/decode-pool.ts';
import { PADS, setBoots } from '../support/decoder-pads.ts';
import { Pictures, pipelineOf, rawPipeline, UNTOUCHED } from '../support/pictures.ts';

const ENTRY = new URL('../support/dying-decoder.ts', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'penstock-decode-'));
const boots = join(folder, 'boots');
process.env.PENSTOCK_TEST_BOOTS = boots;
afterAll(() => rmSync(folder, { recursive: true }));

const SIDE = 24;
const RAW = rawPipeline(SIDE, SIDE);

/** A PNG of one gray, as a file in memory of its own. */
async function plain(value: number, side = SIDE): Promise<Uint8Array> {
  const background = { r: value, g: value, b: value };
  return new Uint8Array(
    await sharp({ create: { width: side, height: side, channels: 3, background } })
      .png()
      .toBuffer(),
  );
}

let pictures: Pictures;
afterEach(() => pictures.pool.close());

const padded = (pad: number): Partial<DecodeJob> => ({ map: { ...RAW.straight, pad } });
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'decoded',
    (error: GatewayError) => error.code,
  );
/** But for what was rounded. */
const near = (us: number) => expect.closeTo(us, -1);
const valuesOf = (job: DecodeJob) => [...new Set(pictures.row(job))];

/** Whether a thread waits, and whether it may go on. */
const gate = () => new Int32Array(pictures.arena.buffer, pictures.arena.length - 8, 2);

/** Everybody whose thread waits goes on, from now on. */
function release(): void {
  Atomics.store(gate(), 1, 1);
  Atomics.notify(gate(), 1);
}

/** A pool whose threads can be held. */
function held(parts: ConstructorParameters<typeof Pictures>[0]): Pictures {
  pictures = new Pictures({ entry: ENTRY, ...parts }, 32 * 1024 * 1024);
  gate().fill(0);
  return pictures;
}

describe('pictures of one batch', () => {
  test('come into their own rows, and are decoded side by side', async () => {
    held({ threads: 2 });
    const files = await Promise.all([11, 22, 33, 44].map((value) => plain(value)));
    const jobs = files.map((file, i) => pictures.job(file, RAW, i < 2 ? padded(PADS.waits) : {}));
    const decoded = jobs.map((job) => pictures.pool.decode(job));
    expect([pictures.pool.running, pictures.pool.waiting]).toEqual([2, 2]);
    release();
    const places = await Promise.all(decoded);
    expect(jobs.map(valuesOf)).toEqual([[11], [22], [33], [44]]);
    expect(places[0]).toMatchObject({ picture: { width: SIDE, height: SIDE }, at: { x: 0, y: 0 } });
    const { running, runningBytes, waiting, waitingBytes } = pictures.pool;
    expect([running, runningBytes, waiting, waitingBytes]).toEqual([0, 0, 0, 0]);
  });

  test('are served in the order in which they came', async () => {
    held({ threads: 1 });
    const order: number[] = [];
    const files = await Promise.all([1, 2, 3, 4, 5].map((value) => plain(value)));
    const all = files.map(async (file, i) => {
      await pictures.pool.decode(pictures.job(file, RAW, i === 0 ? padded(PADS.waits) : {}));
      order.push(i);
    });
    expect(pictures.pool.waiting).toBe(4);
    release();
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test('suffer nothing from a bad one among them', async () => {
    pictures = new Pictures();
    const bad = await plain(5);
    const data = Buffer.from(bad.buffer).indexOf('IDAT') + 6;
    bad.fill(0, data, data + 8);
    const files = [await plain(11), bad, await plain(33)];
    const jobs = files.map((file) => pictures.job(file, RAW));
    const codes = await Promise.all(jobs.map((job) => code(pictures.pool.decode(job))));
    expect(codes).toEqual(['decoded', 'INVALID_ARGUMENT', 'decoded']);
    expect(jobs.map(valuesOf)).toEqual([[11], [UNTOUCHED], [33]]);
  });
});

test('a file changes hands where it is all of its memory, is copied where it is a part, and read in place where it is shared', async () => {
  pictures = new Pictures();
  const whole = await plain(7);
  const body = new Uint8Array(whole.length + 20).fill(1);
  body.set(whole, 10);
  const shared = new Uint8Array(new SharedArrayBuffer(whole.length + 20)).subarray(10, 10 + whole.length);
  shared.set(whole);
  const part = body.subarray(10, 10 + whole.length);
  for (const file of [part, shared, shared, whole]) expect([...new Set(await pictures.decode(file, RAW))]).toEqual([7]);
  expect([whole.length, body.length, shared.length]).toEqual([0, part.length + 20, part.length]);
});

describe('what is bounded:', () => {
  test('imageQueueBytes, of files that wait; one that need not wait is never refused', async () => {
    held({ threads: 1, imageQueueBytes: 1_024 });
    const file = await plain(9);
    expect(file.length).toBeGreaterThan(64);
    const first = pictures.pool.decode(pictures.job(await plain(9, 512), rawPipeline(512, 512), padded(PADS.waits)));
    const fit = Math.floor(1_024 / file.length);
    const jobs = Array.from({ length: fit + 2 }, () => pictures.job(file.slice(), RAW));
    const decoded = jobs.map((job) => pictures.pool.decode(job));
    const refused = await Promise.allSettled(decoded.slice(fit));
    for (const one of refused) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'OVERLOADED', limit: 'imageQueueBytes' } });
      expect(((one as PromiseRejectedResult).reason as GatewayError).retryAfterMs).toBeGreaterThan(0);
    }
    expect(pictures.pool.waiting).toBe(fit);
    release();
    await first;
    await Promise.all(decoded.slice(0, fit));
    expect(jobs.map(valuesOf)).toEqual(jobs.map((_, i) => (i < fit ? [9] : [UNTOUCHED])));
  });

  test('how many wait', async () => {
    held({ threads: 1 });
    const file = await plain(9);
    const first = pictures.pool.decode(pictures.job(file.slice(), RAW, padded(PADS.waits)));
    const tiny = { ...pictures.job(file, RAW), target: 0 };
    const waiting = Array.from({ length: MOST_WAITING }, () => code(pictures.pool.decode({ ...tiny })));
    await expect(pictures.pool.decode({ ...tiny })).rejects.toMatchObject({
      code: 'OVERLOADED',
      limit: 'imagesWaiting',
    });
    const closed = pictures.pool.close();
    release();
    await closed;
    await first;
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['SHUTTING_DOWN']));
  });

  test('imageBytes, of what is decoded at once: more wait although a thread is free, and a small one goes before them', async () => {
    held({ threads: 2, imageBytes: 100 * 100 * 3 + 1_000 });
    const large = rawPipeline(100, 100);
    const jobs = [
      pictures.job(await plain(1, 100), large, padded(PADS.waits)),
      pictures.job(await plain(2, 100), large),
      pictures.job(await plain(3, 10), rawPipeline(10, 10), padded(PADS.waits)),
    ];
    const bytes = 30_300 + jobs[0].file.length + jobs[2].file.length;
    const decoded = jobs.map((job) => pictures.pool.decode(job));
    expect([pictures.pool.running, pictures.pool.waiting]).toEqual([2, 1]);
    expect(pictures.pool.runningBytes).toBe(bytes);
    release();
    await Promise.all(decoded);
    expect(jobs.map(valuesOf)).toEqual([[1], [2], [3]]);
  });

  test('imageBytes, of one picture whose decoder may take more than that: it is decoded alone', async () => {
    const turned = new Uint8Array(
      await sharp(await plain(5, 100))
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toBuffer(),
    );
    const imageBytes = 2 * 100 * 100 * 3 - 1;
    held({ threads: 2, imageBytes });
    const jobs = [
      pictures.job(turned, rawPipeline(100, 100), padded(PADS.waits)),
      pictures.job(await plain(3, 10), rawPipeline(10, 10)),
    ];
    const decoded = jobs.map((job) => pictures.pool.decode(job));
    const { running, runningBytes, waiting } = pictures.pool;
    expect([running, runningBytes, waiting]).toEqual([1, imageBytes, 1]);
    release();
    await Promise.all(decoded);
    expect(valuesOf(jobs[1])).toEqual([3]);
  });
});

describe('who shares the pool:', () => {
  const flood = (flow: string, file: Uint8Array, count: number): DecodeJob[] =>
    Array.from({ length: count }, () => pictures.job(file.slice(), RAW, { flow }));

  test('a picture of somebody else waits for what runs and not for a flood', async () => {
    held({ threads: 1 });
    const file = await plain(9);
    const order: string[] = [];
    const first = pictures.pool.decode(pictures.job(file.slice(), RAW, { flow: 'flood', ...padded(PADS.waits) }));
    const all = [...flood('flood', file, 50), pictures.job(file.slice(), RAW, { flow: 'other' })].map(async (job) => {
      await pictures.pool.decode(job);
      order.push(job.flow);
    });
    release();
    await Promise.all([first, ...all]);
    expect(order.indexOf('other')).toBeLessThan(2);
  });

  test('a flood that fills the queue gives way to who has less in it', async () => {
    const file = await plain(9);
    const { pool } = held({ threads: 1, imageQueueBytes: 8 * file.length });
    const first = pool.decode(pictures.job(file.slice(), RAW, padded(PADS.waits)));
    const begin = (jobs: DecodeJob[]) => jobs.map((job) => code(pool.decode(job)));
    const flooded = begin(flood('flood', file, 8));
    const others = begin(flood('other', file, 3));
    expect(await Promise.all(flooded.slice(5))).toEqual(Array(3).fill('OVERLOADED'));
    expect(pool.waitingBytes).toBe(8 * file.length);
    expect(await begin(flood('flood', file, 1))[0]).toBe('OVERLOADED');
    release();
    await first;
    expect(await Promise.all([...flooded.slice(0, 5), ...others])).toEqual(Array(8).fill('decoded'));
  });
});

describe('a job that is no longer wanted', () => {
  test('is not decoded where it waits; the others move up', async () => {
    held({ threads: 1 });
    const jobs = await Promise.all(
      [1, 2, 3].map(async (value) => pictures.job(await plain(value), RAW, value === 1 ? padded(PADS.waits) : {})),
    );
    const codes = jobs.map((job) => code(pictures.pool.decode(job)));
    pictures.pool.cancel([jobs[1]]);
    expect(await codes[1]).toBe('CANCELLED');
    release();
    expect(await Promise.all(codes)).toEqual(['decoded', 'CANCELLED', 'decoded']);
    expect(jobs.map(valuesOf)).toEqual([[1], [UNTOUCHED], [3]]);
    pictures.pool.cancel(jobs);
  });

  test('is not begun because another one goes with it', async () => {
    held({ threads: 3, imageBytes: 31_500 });
    const large = await plain(1, 100);
    const small = await plain(2, 10);
    // The second large one was passed by more work than it is itself: the last small one waits for it beside an idle thread.
    const jobs = [
      pictures.job(large, rawPipeline(100, 100), padded(PADS.waits)),
      pictures.job(large.slice(), rawPipeline(100, 100)),
      pictures.job(small, pipelineOf('datatype: UINT8', [-1, 3, 640, 640], 'UINT8'), padded(PADS.waits)),
      pictures.job(small.slice(), rawPipeline(10, 10)),
    ];
    const codes = jobs.map((job) => code(pictures.pool.decode(job)));
    expect([pictures.pool.running, pictures.pool.waiting]).toEqual([2, 2]);
    pictures.pool.cancel([jobs[1], jobs[3]]);
    expect([pictures.pool.running, pictures.pool.waiting]).toEqual([2, 0]);
    release();
    expect(await Promise.all(codes)).toEqual(['decoded', 'CANCELLED', 'decoded', 'CANCELLED']);
  });

  test('goes on where it runs: its row is written until then', async () => {
    held({ threads: 1 });
    const job = pictures.job(await plain(8), RAW, padded(PADS.waits));
    const decoded = pictures.pool.decode(job);
    pictures.pool.cancel([job]);
    release();
    await decoded;
    expect(valuesOf(job)).toEqual([8]);
  });

  test('is not decoded where its deadline has passed when its turn comes', async () => {
    let nowUs = 1_000;
    held({ threads: 1, clock: { nowUs: () => nowUs } });
    const first = pictures.pool.decode(pictures.job(await plain(1), RAW, { ...padded(PADS.waits), deadlineUs: 2_000 }));
    const jobs = [1_999, 2_000].map(async (deadlineUs) => pictures.job(await plain(4), RAW, { deadlineUs }));
    const [late, inTime] = await Promise.all(jobs);
    const codes = [late, inTime].map((job) => code(pictures.pool.decode(job)));
    nowUs = 2_000;
    release();
    await first;
    expect(await Promise.all(codes)).toEqual(['DEADLINE_EXCEEDED', 'decoded']);
    expect([late, inTime].map(valuesOf)).toEqual([[UNTOUCHED], [4]]);
  });
});

describe('a thread that', { timeout: 30_000 }, () => {
  test.each([
    ['exits', PADS.exits],
    ['throws', PADS.throws],
    ['throws outside of the task', PADS.throwsOutside],
    ['has no memory left', PADS.exhaustsHeap],
  ])('%s costs its picture, and neither its neighbour nor the next', async (_, pad) => {
    const faults: unknown[] = [];
    pictures = new Pictures({ entry: ENTRY, threads: 2, onFault: (error) => faults.push(error) });
    const jobs = [pictures.job(await plain(1), RAW, padded(pad)), pictures.job(await plain(2), RAW)];
    expect(await Promise.all(jobs.map((job) => code(pictures.pool.decode(job))))).toEqual(['INTERNAL', 'decoded']);
    for (const value of [3, 4, 5]) {
      expect([...new Set(await pictures.decode(await plain(value), RAW))]).toEqual([value]);
    }
    expect(jobs.map(valuesOf)).toEqual([[UNTOUCHED], [2]]);
    expect(faults).toHaveLength(1);
    expect(pictures.pool.running).toBe(0);
  });

  test.each([
    ['throws', PADS.throwsLater, 'nobody catches this'],
    ['exits', PADS.exitsLater, 'the decode thread ended'],
  ])('%s while it has nothing to do is told of, and replaced', async (_, pad, message) => {
    const faults: unknown[] = [];
    pictures = new Pictures({ entry: ENTRY, threads: 1, onFault: (error) => faults.push(error) });
    expect(await code(pictures.pool.decode(pictures.job(await plain(1), RAW, padded(pad))))).toBe('decoded');
    await expect.poll(() => faults, { timeout: 10_000 }).toMatchObject([{ message }]);
    expect([...new Set(await pictures.decode(await plain(3), RAW))]).toEqual([3]);
    expect(faults).toHaveLength(1);
  });
});

describe('a thread that cannot start', { timeout: 30_000 }, () => {
  const tries = () => Number(readFileSync(boots, 'utf8'));

  test('is tried again after rests that grow; until then pictures are refused with the time', async () => {
    let nowUs = 0;
    const faults: unknown[] = [];
    setBoots(boots, 3);
    pictures = new Pictures({
      entry: ENTRY,
      threads: 1,
      clock: { nowUs: () => nowUs },
      onFault: (error) => faults.push(error),
    });
    const file = await plain(1);
    const asked = () => pictures.pool.decode(pictures.job(file.slice(), RAW));
    for (const [left, retryAfterMs] of [
      [2, 100],
      [1, 200],
      [0, 400],
    ] as const) {
      const lost = { code: 'INSTANCE_LOST', retryAfterMs };
      await expect(asked()).rejects.toMatchObject(lost);
      await expect(asked()).rejects.toMatchObject(lost);
      nowUs += retryAfterMs * 1000 - 1;
      await expect(asked()).rejects.toMatchObject({ code: 'INSTANCE_LOST', retryAfterMs: 1 });
      expect(tries()).toBe(left);
      nowUs += 1;
    }
    expect(await code(asked())).toBe('decoded');
    expect(faults).toHaveLength(3);
  });

  test('lets nobody wait for it where there is no other, and several that fail together are one failure', async () => {
    setBoots(boots, 1000);
    pictures = new Pictures({ entry: ENTRY, threads: 2, clock: { nowUs: () => 0 } });
    const files = await Promise.all([1, 2, 3, 4].map((value) => plain(value)));
    const codes = await Promise.all(files.map((file) => code(pictures.pool.decode(pictures.job(file, RAW)))));
    expect(new Set(codes)).toEqual(new Set(['INSTANCE_LOST']));
    expect([pictures.pool.running, pictures.pool.waiting, pictures.pool.waitingBytes]).toEqual([0, 0, 0]);
    expect(pictures.pool.refusal()).toMatchObject({ code: 'INSTANCE_LOST', retryAfterMs: 100 });
  });

  /** A pool of two threads, of which one is held and the other has none. */
  async function half(faults: unknown[] = []): Promise<{ decoded: Promise<unknown> }> {
    held({ threads: 2, onFault: (error) => faults.push(error) });
    const decoded = pictures.pool.decode(pictures.job(await plain(1), RAW, padded(PADS.waits)));
    await expect.poll(() => Atomics.load(gate(), 0), { timeout: 10_000 }).toBe(1);
    return { decoded };
  }

  test('costs its picture nothing where another one can have it', async () => {
    setBoots(boots, 0);
    const faults: unknown[] = [];
    const { decoded } = await half(faults);
    setBoots(boots, 1000);
    const job = pictures.job(await plain(2), RAW);
    const waiting = code(pictures.pool.decode(job));
    await expect.poll(() => faults.length, { timeout: 10_000 }).toBeGreaterThan(0);
    // It waits, or is being tried again.
    expect(pictures.pool.running + pictures.pool.waiting).toBe(2);
    setBoots(boots, 0);
    release();
    expect([await code(decoded), await waiting, valuesOf(job)]).toEqual(['decoded', 'decoded', [2]]);
  });

  test('is tried again when its rest is over, although nothing else happens', async () => {
    setBoots(boots, 0);
    const { decoded } = await half();
    setBoots(boots, 1);
    expect([...new Set(await pictures.decode(await plain(2), RAW))]).toEqual([2]);
    expect([pictures.pool.running, pictures.pool.waiting]).toEqual([1, 0]);
    release();
    await decoded;
  });

  test('in the place of one that died is no picture’s while others are up', async () => {
    setBoots(boots, 0);
    const { decoded } = await half();
    await pictures.decode(await plain(2), RAW);
    release();
    await decoded;
    setBoots(boots, 1000);
    expect(await code(pictures.pool.decode(pictures.job(await plain(3), RAW, padded(PADS.exits))))).toBe('INTERNAL');
    for (const value of [4, 5, 6])
      expect([...new Set(await pictures.decode(await plain(value), RAW))]).toEqual([value]);
    expect(Number(readFileSync(boots, 'utf8'))).toBe(1000);
  });

  test('and can a moment later has shown that it can', async () => {
    setBoots(boots, 2);
    const faults: unknown[] = [];
    pictures = new Pictures({ entry: ENTRY, threads: 1, onFault: (error) => faults.push(error) });
    await Promise.all([pictures.pool.prove(), pictures.pool.prove()]);
    expect([tries(), faults.length]).toEqual([0, 2]);
  });

  test.each([
    ['its native library is broken', '../support/broken-decoder.ts', 'file too short'],
    ['it decodes only some of the formats', '../support/blind-decoder.ts', 'unsupported image format'],
  ])('is known before the first picture where %s', async (_, entry, reason) => {
    const faults: unknown[] = [];
    const onFault = (error: unknown) => faults.push(error);
    pictures = new Pictures({ entry: new URL(entry, import.meta.url), threads: 2, onFault });
    const error = { cause: { message: expect.stringContaining(reason) } };
    await expect(pictures.pool.prove()).rejects.toMatchObject(error);
    const { length } = faults;
    // Whoever asks next is told at once, and nothing is started for him.
    await expect(pictures.pool.prove()).rejects.toMatchObject(error);
    expect([length > 1, faults.length]).toEqual([true, length]);
    sharp.unblock({ operation: ['VipsForeignLoadWebpBuffer'] });
  });
});

describe('a decoder that does not come to an end', { timeout: 30_000 }, () => {
  let nowUs = 0;
  const stuckAfterUs = 30_000_000;

  afterEach(() => void vi.useRealTimers());

  /** A pool whose first picture has been given up. */
  async function stuck(parts: ConstructorParameters<typeof Pictures>[0], pad: number = PADS.waits) {
    nowUs = 0;
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    held({ clock: { nowUs: () => nowUs }, ...parts });
    const job = pictures.job(await plain(7), RAW, padded(pad));
    const decoded = pictures.pool.decode(job).catch((error: StuckError) => error);
    await expect.poll(() => Atomics.load(gate(), 0), { timeout: 10_000 }).toBe(1);
    nowUs = stuckAfterUs - 1;
    vi.advanceTimersByTime(1_000);
    expect(pictures.pool.stuck).toBe(0);
    nowUs = stuckAfterUs;
    vi.advanceTimersByTime(1_000);
    return { job, error: (await decoded) as StuckError };
  }

  test('is given up; its thread is not used until it ends, and never writes what may be somebody else’s row', async () => {
    const faults: unknown[] = [];
    const { job, error } = await stuck({ threads: 1, onFault: (fault) => faults.push(fault) });
    expect([error instanceof StuckError, error.code, pictures.pool.stuck]).toEqual([true, 'INTERNAL', 1]);
    expect(faults).toEqual([error]);
    const next = pictures.job(await plain(9), RAW);
    await expect(pictures.pool.decode(next)).rejects.toMatchObject({ code: 'INSTANCE_LOST' });
    expect(pictures.pool.refusal()).toMatchObject({ code: 'INSTANCE_LOST' });
    expect(pictures.pool.expectedUs('', RAW)).toBe(0);
    pictures.row(job).fill(0x11);
    release();
    await error.ended;
    expect([pictures.pool.stuck, pictures.pool.running]).toEqual([0, 0]);
    expect(valuesOf(job)).toEqual([0x11]);
    expect([...new Set(await pictures.decode(await plain(9), RAW))]).toEqual([9]);
  });

  test('leaves the other threads to the others, and the memory that there is for them', async () => {
    const { error } = await stuck({ threads: 2, imageBytes: SIDE * SIDE * 3 });
    for (const value of [1, 2, 3])
      expect([...new Set(await pictures.decode(await plain(value), RAW))]).toEqual([value]);
    expect(pictures.pool.stuck).toBe(1);
    release();
    await error.ended;
  });

  test('refuses who waited for it when there is no other thread', async () => {
    nowUs = 0;
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    held({ threads: 1, clock: { nowUs: () => nowUs } });
    const jobs = [pictures.job(await plain(1), RAW, padded(PADS.waits)), pictures.job(await plain(2), RAW)];
    const codes = jobs.map((job) => code(pictures.pool.decode(job)));
    nowUs = stuckAfterUs;
    vi.advanceTimersByTime(1_000);
    expect(await Promise.all(codes)).toEqual(['INTERNAL', 'INSTANCE_LOST']);
    release();
  });

  test('does not hold up the end of the others', async () => {
    const faults: unknown[] = [];
    execFileSync('mkfifo', [`${boots}.pipe`]);
    const { error } = await stuck({ threads: 2, onFault: (fault) => faults.push(fault) }, PADS.blocks);
    await pictures.decode(await plain(1), RAW);
    await pictures.pool.close();
    closeSync(openSync(`${boots}.pipe`, 'w'));
    await error.ended;
    expect(faults).toEqual([error]);
  });

  test('is waited for longer where that much was expected', async () => {
    nowUs = 0;
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    held({ threads: 1, clock: { nowUs: () => nowUs }, imageBytes: 2 ** 40 });
    const file = await plain(1);
    const header = { ...pictures.job(file, RAW).header, width: 50_000, height: 40_000 };
    const large = pictures.job(file, RAW, { header, ...padded(PADS.waits) });
    const { work: expectedUs } = large.cost;
    const decoded = code(pictures.pool.decode(large));
    for (nowUs = stuckAfterUs; nowUs < 20 * expectedUs; nowUs += 10_000_000) vi.advanceTimersByTime(1_000);
    expect(pictures.pool.stuck).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect(await decoded).toBe('INTERNAL');
    release();
  });
});

describe('closing', () => {
  const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
  // Nobody waits for a thread that was given up.
  beforeEach(() => expect.poll(threads, { timeout: 10_000 }).toBe(0));

  test('refuses what waits, waits for what runs, and leaves no thread', async () => {
    held({ threads: 1 });
    const codes = await Promise.all(
      [1, 2].map(async (value) => {
        const job = pictures.job(await plain(value), RAW, value === 1 ? padded(PADS.waits) : {});
        return () => code(pictures.pool.decode(job));
      }),
    );
    const decoded = codes.map((start) => start());
    const closed = pictures.pool.close();
    expect(await decoded[1]).toBe('SHUTTING_DOWN');
    release();
    await closed;
    expect(await decoded[0]).toBe('decoded');
    expect(threads()).toBe(0);
    expect(await code(pictures.pool.decode(pictures.job(await plain(1), RAW)))).toBe('SHUTTING_DOWN');
  });

  test('ends threads that were started and had no picture', async () => {
    pictures = new Pictures({ threads: 2 });
    pictures.pool.start();
    expect(threads()).toBeGreaterThan(0);
    await pictures.pool.close();
    expect(threads()).toBe(0);
  });
});

test.runIf(process.platform === 'linux')(
  'decoding is nicer than the front thread, on threads of libuv too',
  async () => {
    pictures = new Pictures({ threads: 1 });
    await pictures.decode(await plain(1), RAW);
    const own = getPriority();
    const ids = readdirSync('/proc/self/task').map(Number);
    const named = (id: number) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
    const libuv = ids.filter((id) => named(id) === 'libuv-worker').map((id) => getPriority(id));
    expect(libuv.length).toBeGreaterThan(0);
    expect(new Set(libuv)).toEqual(new Set([Math.min(19, own + 5)]));
    expect(ids.filter((id) => getPriority(id) > own).length).toBeGreaterThan(libuv.length);
  },
);

test('how long pictures will take is learned from those before them, and what is before them counts', async () => {
  let nowUs = 0;
  held({ threads: 2, clock: { nowUs: () => nowUs } });
  const { pool } = pictures;
  const pipeline = rawPipeline(600, 600);
  const file = await plain(1, 600);
  // It calls itself what would take several times as long.
  const header = { ...pictures.job(file, pipeline).header, format: 'webp', coding: 'lossless' } as const;
  const job = (more: Partial<DecodeJob> = {}) => pictures.job(file.slice(), pipeline, { header, flow: 'a', ...more });
  const { cost } = job();
  const { work } = cost;
  expect([pool.expectedUs('a', pipeline), pool.expectedUs('a', pipeline, [cost])]).toEqual([0, work]);
  expect(pool.expectedUs('a', pipeline, [cost, cost, cost])).toBe(Math.round(1.5 * work));
  for (let i = 0; i < 15; i++) await pool.decode(job());
  const own = pool.expectedUs('a', pipeline, [cost]);
  expect(own).toBeGreaterThan(0);
  expect(own).not.toBe(work);

  const decoded = Array.from({ length: 4 }, () => pool.decode(job(padded(PADS.waits))));
  expect([pool.expectedUs('b', pipeline), pool.expectedUs('b', pipeline, [cost])]).toEqual([own, 2 * own].map(near));
  // While its first one has its turn, the flood has one.
  expect(pool.expectedUs('b', pipeline, [cost, cost])).toEqual(near(2.5 * own));
  expect(pool.expectedUs('a', pipeline)).toEqual(near(2 * own));
  expect(pool.aloneUs(pipeline, [])).toBe(0);
  expect([1, 2, 3].map((n) => pool.aloneUs(pipeline, Array(n).fill(cost)))).toEqual([own, own, 1.5 * own].map(near));
  pool.announce('a', 2 * work);
  expect(pool.expectedUs('a', pipeline)).toEqual(near(3 * own));
  pool.announce('a', -2 * work);
  nowUs += 0.6 * own;
  expect(pool.expectedUs('b', pipeline)).toEqual(near(0.4 * own));
  nowUs += 10 * own;
  expect(pool.expectedUs('b', pipeline)).toBe(0);
  release();
  await Promise.all(decoded);
});

test('pictures of which memory lets only one be decoded at once are expected one behind the other', async () => {
  const pipeline = rawPipeline(100, 100);
  const { pool } = held({ threads: 4, imageBytes: 1.5 * pipeline.rowBytes, clock: { nowUs: () => 0 } });
  const file = await plain(1, 100);
  const jobs = Array.from({ length: 4 }, () => pictures.job(file.slice(), pipeline, padded(PADS.waits)));
  const [{ cost }] = jobs;
  expect(pool.expectedUs('', pipeline, [cost, cost])).toBe(2 * cost.work);
  const decoded = jobs.map((job) => pool.decode(job));
  expect(pool.expectedUs('', pipeline)).toBe(4 * cost.work);
  expect(pool.expectedUs('', pipeline, [cost, cost])).toBe(6 * cost.work);
  release();
  await Promise.all(decoded);
});
