import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Queue } from '../../../src/batching/travel.ts';
import { BASE64_STEP_BYTES } from '../../../src/codec/base64.ts';
import type { PlanEntry } from '../../../src/codec/head.ts';
import type { PlannedPictures } from '../../../src/codec/picture-plan.ts';
import type { PlannedInput } from '../../../src/codec/plan.ts';
import { parseModelPolicy } from '../../../src/config/model-schema.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { datatype } from '../../../src/core/datatype.ts';
import { GatewayError } from '../../../src/core/error.ts';
import type { ImageDeclaration } from '../../../src/core/image.ts';
import type { ServedFacts } from '../../../src/core/model.ts';
import { Pace } from '../../../src/core/pace.ts';
import { TargetMetrics } from '../../../src/metrics/target.ts';
import { Arena, aligned } from '../../../src/native/arena.ts';
import { loadBinding } from '../../../src/native/load.ts';
import { Intake } from '../../../src/pipeline/intake.ts';
import { MOST_PICTURES } from '../../../src/pipeline/picture-bounds.ts';
import { pictureModel } from '../../../src/pipeline/picture-model.ts';
import { type PictureParts, Pictures } from '../../../src/pipeline/pictures.ts';
import { InferRequest } from '../../../src/pipeline/request.ts';
import { Target } from '../../../src/pipeline/target.ts';
import { type DecodeCost, decodeCost } from '../../../src/preprocess/decode-cost.ts';
import { StuckError } from '../../../src/preprocess/decode-faults.ts';
import type { DecodeJob } from '../../../src/preprocess/decode-job.ts';
import type { DecodePool } from '../../../src/preprocess/decode-pool.ts';
import { geometry } from '../../../src/preprocess/geometry.ts';
import { ihdr, png, pngChunk } from '../../support/image-bytes.ts';
import { LIMITS } from '../../support/pictures.ts';

const binding = loadBinding();
const ROW_BYTES = 3 * 8 * 8;
/** A header with nothing behind it that anybody would decode here. */
const FILE = png(ihdr(16, 16), pngChunk('IDAT', [1]), pngChunk('IEND'));
const OTHER = { name: 'offset', datatype: datatype('FP32'), shape: [-1, 2] };

/** Decodes when it is told to, and writes the number of the picture. */
class ScriptedPool {
  waiting = 0;
  expected = 0;
  alone = 0;
  lost: GatewayError | null = null;
  /** Work that was announced, by flow. */
  readonly announced: Record<string, number> = {};
  readonly asked: Parameters<DecodePool['expectedUs']>[] = [];
  readonly jobs: DecodeJob[] = [];
  readonly cancelled: DecodeJob[] = [];
  readonly #open = new Map<DecodeJob, PromiseWithResolvers<ReturnType<typeof geometry>>>();

  refusal(): GatewayError | null {
    return this.lost;
  }

  decode(job: DecodeJob): Promise<ReturnType<typeof geometry>> {
    this.jobs.push(job);
    const promised = Promise.withResolvers<ReturnType<typeof geometry>>();
    this.#open.set(job, promised);
    return promised.promise;
  }

  cancel(jobs: Iterable<DecodeJob>): void {
    for (const job of jobs) {
      this.cancelled.push(job);
      this.#open.get(job)?.reject(new GatewayError('CANCELLED', 'cancelled'));
    }
  }

  cost({ file, header, pipeline }: Pick<DecodeJob, 'file' | 'header' | 'pipeline'>): DecodeCost {
    return decodeCost(header, pipeline, file.byteLength, LIMITS.imageBytes);
  }

  announce(flow: string, work: number): void {
    this.announced[flow] = (this.announced[flow] ?? 0) + work;
  }

  expectedUs(...asked: Parameters<DecodePool['expectedUs']>): number {
    this.asked.push(asked);
    return this.expected;
  }

  aloneUs(): number {
    return this.alone;
  }

  finish(index: number): void {
    const job = this.jobs[index] as DecodeJob;
    arena.bytes.fill(index + 1, job.target, job.target + ROW_BYTES);
    this.#open.get(job)?.resolve(geometry(job.pipeline, { width: 16, height: 16 }));
  }

  fail(index: number, error = new GatewayError('INVALID_ARGUMENT', 'the image is bad')): void {
    this.#open.get(this.jobs[index] as DecodeJob)?.reject(error);
  }
}

let arena: Arena;
let intake: Intake;
let pool: ScriptedPool;
let pictures: Pictures;
let atRest: number;
let target: Target;
/** What a row is expected to take where it runs. */
let rowUs: number;

beforeEach(() => {
  rowUs = 0;
  arena = new Arena(binding, 32 * 1024 * 1024);
  intake = new Intake(binding, arena);
  pool = new ScriptedPool();
  pictures = madeWith({ nowUs: () => 1000 });
  serve([-1, 8, 8, 3]);
});

/** A model for pictures of 8 by 8, and one more input that takes numbers. */
function serve(shape: readonly number[], declarations = '', classes = 2): void {
  const inputs = [OTHER, { name: 'image', datatype: datatype('UINT8'), shape }];
  const signature = { inputs, outputs: [{ name: 'y', datatype: datatype('FP32'), shape: [-1, classes] }] };
  const facts = { signature, maxBatchSize: 8, labels: [null] } as unknown as ServedFacts;
  const text =
    'preprocess: { input: image, image: { datatype: UINT8, layout: NHWC, resize: { width: 8, height: 8 } } }';
  const policy = parseModelPolicy(`${text}\n${declarations}`, 'model.yaml');
  expect((policy.preprocess as ImageDeclaration).input).toBe('image');
  const curve = { at: (rows: number) => rows * rowUs };
  const queue = { bytes: 0, drainUs: 0, spec: { queueBytes: 1024 * 1024, curve } } as Queue;
  const model = { model: 'm', version: '1', session: 1, facts, queue };
  const metrics = new TargetMetrics(true);
  const declared = pictureModel(policy, signature, new Map());
  target = new Target({ binding, arena, ...model, metrics, jsonDepth: 100, pictures: declared });
  atRest = arena.allocatedBytes;
}

/** A request whose body is in: so many files, and numbers beside them. */
function arrived(files: readonly Uint8Array[], base64 = false): InferRequest {
  const request = new InferRequest(target, { pack: () => null, answer: () => undefined, fail: () => undefined }, 0);
  const numbers = Float32Array.from({ length: 2 * files.length }, (_, i) => i);
  const offset = { ...OTHER, datatype: 'FP32', shape: [files.length, 2], data: [...numbers] };
  const elements = files.flatMap((file) => [new Uint8Array(Uint32Array.of(file.length).buffer), file]);
  const tail = Buffer.concat(elements);
  const sent = base64
    ? { data: files.map((file) => Buffer.from(file).toString('base64')) }
    : { parameters: { binary_data_size: tail.length } };
  const image = { name: 'image', datatype: 'BYTES', shape: [files.length], ...sent };
  const head = Buffer.from(JSON.stringify({ inputs: [image, offset] }));
  intake.whole(request, base64 ? head : Buffer.concat([head, tail]), head.length);
  return request;
}

/** A request of one file in base64, however large: put where its body would have brought it. */
function arrivedInBase64(file: Uint8Array): InferRequest {
  const request = arrived([FILE], true);
  const place = arena.allocate(2 * file.length);
  const text = Buffer.from(file).toString('base64');
  arena.bytes.set(new Uint8Array(Uint32Array.of(text.length).buffer), place);
  arena.bytes.set(Buffer.from(text), place + 4);
  [request.offsets[1], request.sizes[1]] = [place, text.length + 4];
  return request;
}

function madeWith(clock: Clock, parts: Partial<PictureParts> = {}): Pictures {
  const all = { limits: LIMITS, pool, atOnce: 2, ...parts };
  return new Pictures(binding, arena, clock, new Pace(clock), intake, all);
}

/** With a clock by which every look takes longer than such work may take of a turn. */
function slowly(): void {
  let nowUs = 0;
  pictures = madeWith({ nowUs: () => (nowUs += 3_000) });
}

const bytesAt = (offset: number, length: number) => [...arena.bytes.subarray(offset, offset + length)];
const ended = (request: InferRequest) => {
  request.state = 'ENDED';
  pictures.drop(request);
  intake.release(request);
};

describe('the pictures of a request', () => {
  it.each([false, true])(
    'become rows in order, whoever is ready first, beside its tensors (base64: %s)',
    async (base64) => {
      const request = arrived([FILE, FILE, FILE], base64);
      const reading = pictures.read(request);
      await turn();
      expect(pool.jobs).toHaveLength(2);
      pool.finish(1);
      await turn();
      expect(pool.jobs).toHaveLength(3);
      for (const index of [2, 0]) pool.finish(index);
      await reading;
      expect(request.ringRow).toBe(0);
      const rows = bytesAt(request.offsets[1] as number, 3 * ROW_BYTES);
      expect(rows).toEqual([1, 2, 3].flatMap((row) => Array(ROW_BYTES).fill(row)));
      const offset = request.offsets[0] as number;
      expect([...new Float32Array(arena.buffer, offset, 6)]).toEqual([0, 1, 2, 3, 4, 5]);
      expect([request.sizes, request.bytes]).toEqual([[24, 3 * ROW_BYTES], 24 + 3 * ROW_BYTES]);
      expect(arena.allocatedBytes).toBe(atRest);
      expect([...new Uint8Array(pool.jobs[0]?.file ?? [])]).toHaveLength(FILE.length);
      intake.release(request);
      expect(target.ring?.live).toBe(0);
    },
  );

  it('lie apart where rows are of no fixed size', async () => {
    serve([-1, -1, -1, 3]);
    const request = arrived([FILE]);
    const reading = pictures.read(request);
    await turn();
    pool.finish(0);
    await reading;
    expect([target.ring, request.ringRow, request.block >= 0]).toEqual([null, -1, true]);
    expect(arena.allocatedBytes).toBe(atRest + aligned(8) + aligned(ROW_BYTES));
    expect(bytesAt(request.offsets[1] as number, 2)).toEqual([1, 1]);
    intake.release(request);
    expect(arena.allocatedBytes).toBe(atRest);
  });

  it('are all judged before the first is decoded', async () => {
    const request = arrived([FILE, FILE, Buffer.from('GIF89a')]);
    const sentence = "input 'image', element 2: the image is neither JPEG, PNG nor WebP";
    await expect(pictures.read(request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: sentence });
    expect(pool.jobs).toEqual([]);
    intake.release(request);
    expect(arena.allocatedBytes).toBe(atRest);
  });

  it('are of one flow with all of their tenant for their version, and announced before they are given', async () => {
    const request = arrived([FILE, FILE, FILE, FILE, FILE]);
    request.tenant = 't';
    const reading = pictures.read(request);
    await turn();
    const { work } = (pool.jobs[0] as DecodeJob).cost;
    expect(pool.jobs.map(({ flow }) => flow)).toEqual(['1 t', '1 t']);
    expect(pool.announced).toEqual({ '1 t': 3 * work });
    pool.finish(0);
    await turn();
    expect(pool.announced).toEqual({ '1 t': 2 * work });
    pool.fail(1);
    await expect(reading).rejects.toThrow();
    expect(pool.announced).toEqual({ '1 t': 0 });
    intake.release(request);
  });

  it('are refused for one that cannot be scaled, too, before the first is decoded', async () => {
    const { cost } = pool;
    pool.cost = (job) => {
      if (job.header.height === 1) throw new GatewayError('INVALID_ARGUMENT', 'the image is too narrow');
      return cost.call(pool, job);
    };
    const narrow = png(ihdr(60_000, 1), pngChunk('IDAT', [1]), pngChunk('IEND'));
    const request = arrived([FILE, narrow]);
    const message = "input 'image', element 1: the image is too narrow";
    await expect(pictures.read(request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message });
    expect(pool.jobs).toEqual([]);
    intake.release(request);
  });

  it('go on to the first that cannot be decoded, and what waits behind it is dropped', async () => {
    const request = arrived([FILE, FILE, FILE, FILE]);
    const reading = pictures.read(request);
    await turn();
    pool.fail(1);
    await expect(reading).rejects.toMatchObject({ message: "input 'image', element 1: the image is bad" });
    expect([pool.jobs.length, pool.cancelled]).toEqual([2, [pool.jobs[0]]]);
    intake.release(request);
    expect([arena.allocatedBytes, target.ring?.live]).toEqual([atRest, 0]);
  });
});

describe('the files of a request', () => {
  it('are judged a few in a turn of the event loop, however small', async () => {
    slowly();
    const reading = pictures.read(arrived(Array(6).fill(FILE)));
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(pool.jobs).toEqual([]);
    while (pool.jobs.length < 2) await turn();
    for (let i = 0; i < 6; i++) {
      while (pool.jobs.length <= i) await turn();
      pool.finish(i);
    }
    await reading;
  });

  it('are decoded of base64 in several turns where one is large', async () => {
    slowly();
    const data = Uint8Array.from({ length: 3 * BASE64_STEP_BYTES }, (_, i) => i % 251);
    const large = png(ihdr(16, 16), pngChunk('IDAT', data), pngChunk('IEND'));
    const request = arrivedInBase64(large);
    const reading = pictures.read(request);
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(pool.jobs).toEqual([]);
    while (pool.jobs.length < 1) await turn();
    expect(Buffer.from(pool.jobs[0]?.file ?? []).equals(large)).toBe(true);
    pool.finish(0);
    await reading;
  });
});

it('keeps files that decoders do not let go of until the last one does, and its rows not at all', async () => {
  const request = arrived([FILE, FILE]);
  const reading = pictures.read(request);
  await turn();
  const inFlight = arena.allocatedBytes;
  const ends = [0, 1].map((index) => {
    const ended = Promise.withResolvers<void>();
    pool.fail(index, new StuckError(ended.promise));
    return ended.resolve;
  });
  await expect(reading).rejects.toMatchObject({ code: 'INTERNAL' });
  intake.release(request);
  expect([request.held, target.ring?.live, arena.allocatedBytes]).toEqual([false, 0, inFlight]);
  for (const end of ends) {
    expect(arena.allocatedBytes).toBe(inFlight);
    end();
    await turn();
  }
  expect(arena.allocatedBytes).toBe(atRest);
});

describe('a request that ends while its pictures are decoded', () => {
  it('keeps its memory until no thread writes there, and nothing new is begun for it', async () => {
    const request = arrived([FILE, FILE, FILE]);
    const keeping = new ScriptedPool();
    keeping.cancel = (jobs) => void keeping.cancelled.push(...jobs);
    pictures = madeWith({ nowUs: () => 0 }, { pool: keeping });
    const reading = pictures.read(request);
    await turn();
    expect(keeping.announced['1 ']).toBeGreaterThan(0);
    ended(request);
    expect(keeping.cancelled).toEqual(keeping.jobs);
    expect(keeping.announced).toEqual({ '1 ': 0 });
    expect([request.held, target.ring?.live]).toEqual([true, 1]);
    for (const index of [0, 1]) keeping.finish(index);
    await reading;
    expect([keeping.jobs.length, request.held]).toEqual([2, false]);
    expect(keeping.announced).toEqual({ '1 ': 0 });
    intake.release(request);
    expect([arena.allocatedBytes, target.ring?.live]).toEqual([atRest, 0]);
  });

  it('is not decoded at all where it ends while its files are judged', async () => {
    const megabyte = png(ihdr(16, 16), pngChunk('IDAT', new Uint8Array(1024 * 1024)), pngChunk('IEND'));
    const request = arrived([megabyte, megabyte, megabyte]);
    const reading = pictures.read(request);
    ended(request);
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(pool.jobs).toEqual([]);
    intake.release(request);
    expect(arena.allocatedBytes).toBe(atRest);
  });

  it('is not decoded of base64 to its end either', async () => {
    slowly();
    const large = png(ihdr(16, 16), pngChunk('IDAT', new Uint8Array(3 * BASE64_STEP_BYTES)), pngChunk('IEND'));
    const request = arrivedInBase64(large);
    const [place, size] = [request.offsets[1] as number, request.sizes[1] as number];
    const reading = pictures.read(request);
    await turn();
    ended(request);
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    // Its last steps were not made: what was text there still is.
    const end = place + size;
    const text = Buffer.from(large).toString('base64');
    const rest = Buffer.from(arena.bytes.subarray(end - BASE64_STEP_BYTES / 2, end)).toString();
    expect(rest).toBe(text.slice(-BASE64_STEP_BYTES / 2));
    arena.free(place);
  });
});

describe('what is planned', () => {
  const planned = (count: number, declared = false, classification: number | null = null) => {
    const request = arrived([FILE]);
    const { plan } = request.entry as PlanEntry;
    const inputs = plan.inputs.with(1, { ...(plan.inputs[1] as PlannedInput), elements: count });
    const wanted = { ...(plan.pictures as PlannedPictures), declared, classification };
    request.entry = { plan: { ...plan, inputs, pictures: wanted }, form: null };
    return () => pictures.check(request);
  };

  it('are no more pictures than one request may have', () => {
    expect(planned(MOST_PICTURES)).not.toThrow();
    const sentence = 'the request has 4097 images, more than the limit of 4096';
    const error = { code: 'PAYLOAD_TOO_LARGE', limit: 'images', message: sentence };
    expect(planned(MOST_PICTURES + 1)).toThrow(expect.objectContaining(error));
  });

  it('is no more text than is answered to one request, where classes are declared', () => {
    serve([-1, 8, 8, 3], 'postprocess: { y: { topK: 20 } }', 1000);
    expect(planned(819, true)).not.toThrow();
    const sentence =
      'up to 16400 classes or boxes would be answered to 820 images, more than the limit of 16384: ' +
      'send fewer images, or ask for fewer classes';
    const error = { code: 'INVALID_ARGUMENT', limit: 'answers', message: sentence };
    expect(planned(820, true)).toThrow(expect.objectContaining(error));
    expect(planned(820, true, 19)).not.toThrow();
    expect(planned(820)).not.toThrow();
    expect(planned(17, true, 1e9)).toThrow(expect.objectContaining({ limit: 'answers' }));
  });
});

describe('rows that wait to be filled', () => {
  it('are no more than a request of tensors could bring: a small file must not buy a large place', async () => {
    const limits = { ...LIMITS, bodyBytes: 2 * ROW_BYTES };
    pictures = madeWith({ nowUs: () => 1000 }, { limits });
    const atRest = arena.allocatedBytes;
    const refused = arrived([FILE, FILE, FILE]);
    const tooMuch = { code: 'PAYLOAD_TOO_LARGE', limit: 'bodyBytes' };
    await expect(pictures.read(refused)).rejects.toMatchObject(tooMuch);
    intake.release(refused);
    expect([pool.jobs, arena.allocatedBytes]).toEqual([[], atRest]);
  });

  it('take room in the queue of their model, but for who finds it empty', async () => {
    const reading = [pictures.read(arrived([FILE, FILE]))];
    await turn();
    reading.push(pictures.read(arrived([FILE, FILE])));
    await turn();
    (target.queue.spec as { queueBytes: number }).queueBytes = 3 * ROW_BYTES;
    const refused = arrived([FILE]);
    pool.expected = 7000;
    const full = { code: 'OVERLOADED', limit: 'queueBytes', retryAfterMs: 7 };
    await expect(pictures.read(refused)).rejects.toMatchObject(full);
    (target.queue as { drainUs: number }).drainUs = 9000;
    await expect(pictures.read(arrived([FILE]))).rejects.toMatchObject({ ...full, retryAfterMs: 9 });
    for (const index of [0, 1, 2, 3]) pool.finish(index);
    await Promise.all(reading);
    expect(target.fillingBytes).toBe(0);
    // Nobody waits any more: it is tried, whatever the bound.
    (target.queue.spec as { queueBytes: number }).queueBytes = 0;
    const taken = pictures.read(arrived([FILE]));
    await turn();
    expect(target.fillingBytes).toBe(8 + ROW_BYTES);
    pool.fail(4);
    await expect(taken).rejects.toThrow();
    expect(target.fillingBytes).toBe(0);
  });
});

describe('a deadline that decoding would not keep', () => {
  const ask = (waiting: number, expectedUs: number, deadlineUs: number) => {
    pool.waiting = waiting;
    pool.expected = expectedUs;
    const request = arrived([FILE]);
    request.deadlineUs = deadlineUs;
    return { request, reading: pictures.read(request) };
  };

  it('is refused at once behind others, with the time by which it is too early', async () => {
    const { request, reading } = ask(1, 50_000, 1000 + 30_000);
    await expect(reading).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 20 });
    intake.release(request);
    expect(arena.allocatedBytes).toBe(atRest);
  });

  it('is refused as too short, and not to come again, where that would be so with nobody before it', async () => {
    pool.alone = 30_000;
    const { request, reading } = ask(1, 50_000, 1000 + 30_000);
    await expect(reading).rejects.toMatchObject({ code: 'OVERLOADED' });
    intake.release(request);
    pool.alone = 30_001;
    const other = ask(1, 50_000, 1000 + 30_000);
    const sentence = "the images for model 'm' take 30 ms to be decoded, and 30 ms are left for that";
    const refusal = { code: 'DEADLINE_EXCEEDED', retryAfterMs: 0, message: sentence };
    await expect(other.reading).rejects.toMatchObject(refusal);
    intake.release(other.request);
    expect(arena.allocatedBytes).toBe(atRest);
  });

  it.each([
    ['where nobody waits: what is learned may be wrong', 0, 50_000, 1001],
    ['where it would just be kept', 1, 50_000, 51_000],
    ['where there is none', 1, 50_000, Number.POSITIVE_INFINITY],
  ])('is tried %s', async (_what, waiting, expectedUs, deadlineUs) => {
    const { reading } = ask(waiting, expectedUs, deadlineUs);
    await turn();
    pool.finish(0);
    await reading;
  });

  it('is refused at the door by what waits before anything of that tenant and version', () => {
    pool.waiting = 1;
    pool.expected = 50_000;
    const refusal = pictures.foresee(target, 't', 1000 + 30_000);
    expect(refusal).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 20 });
    expect(pool.asked).toEqual([['1 t', target.pictures?.pipeline, []]]);
    expect(pictures.foresee(target, 't', 1000 + 50_000)).toBeNull();
    expect(pictures.foresee(target, 't', Number.POSITIVE_INFINITY)).toBeNull();
    pool.waiting = 0;
    expect(pictures.foresee(target, 't', 1001)).toBeNull();
  });

  it('leaves time to run what was decoded: at the door for one row, then for all', async () => {
    rowUs = 20_000;
    const { request, reading } = ask(1, 50_000, 1000 + 60_000);
    await expect(reading).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 10 });
    intake.release(request);
    expect(pictures.foresee(target, 't', 1000 + 60_000)).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 10 });
    expect(pictures.foresee(target, 't', 1000 + 70_000)).toBeNull();
    const two = arrived([FILE, FILE]);
    two.deadlineUs = 1000 + 80_000;
    await expect(pictures.read(two)).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 10 });
    intake.release(two);
  });

  it.each([
    [1, 100_000 - 20_000],
    [0, 100_000],
  ])('is that of each turn, with time to run where %i wait', async (waiting, dueUs) => {
    rowUs = 20_000;
    const { reading } = ask(waiting, 0, 100_000);
    await turn();
    expect(pool.jobs.map(({ deadlineUs }) => deadlineUs)).toEqual([dueUs]);
    pool.finish(0);
    await reading;
  });
});

describe('where nothing can be decoded', () => {
  it('that is said, however full the queue is, and at the door too', async () => {
    pool.lost = new GatewayError('INSTANCE_LOST', 'no decoder works');
    (target.queue as { bytes: number }).bytes = 2 * 1024 * 1024;
    const request = arrived([FILE]);
    await expect(pictures.read(request)).rejects.toBe(pool.lost);
    expect(pictures.foresee(target, 't', Number.POSITIVE_INFINITY)).toBe(pool.lost);
    intake.release(request);
  });
});
