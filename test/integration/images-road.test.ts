import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APART_BYTES } from '../../src/pipeline/intake.ts';
import { MOST_PICTURES } from '../../src/pipeline/picture-bounds.ts';
import { PADS } from '../support/decoder-pads.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { B, I, post, type Reply, type RunningGateway, send, startGateway, startGatewayOn } from '../support/gateway.ts';
import { seededBytes } from '../support/image-golden.ts';
import { asBinary, asBody, asChunks, asJson, floats, seededPng } from '../support/picture-requests.ts';
import { metricValue } from '../support/scrape.ts';

const MODELS = fileURLToPath(new URL('../../models', import.meta.url));
const DIGITS = fileURLToPath(new URL('../images', import.meta.url));
const AS_TENSORS = { parameters: { binary_data_output: true } };

/** Nobody moves: an instance that is added runs once in the arena, whose bytes are looked at here. */
const STILL = { placement: 'worker' } as const;

let server: RunningGateway;
beforeAll(async () => {
  const pictures = ['pixels_imagenet', 'pixels_mnist', 'pixels_yolo_letterbox'];
  server = await startGateway([...pictures, 'boxes', 'id_fp32'], ['--workers', '1'], STILL);
}, 60_000);
afterAll(() => server.stop());

const url = (model: string) => `${server.v2}/models/${model}/infer`;

function refusal({ status, headers, json }: Reply): [number, string | null, string] {
  return [status, headers.get('x-error-code'), json.error];
}

/** A picture whose file is small and which takes a while to decode. */
function slowPng(): Promise<Buffer> {
  return sharp({ create: { width: 6000, height: 4000, channels: 3, background: 'teal' } })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

/** What is answered to a head that announces so many pictures, of which none comes. */
async function announced(inferenceUrl: string, model: string, count: number): Promise<string> {
  const { hostname, port } = new URL(inferenceUrl);
  const socket = connect(Number(port), hostname);
  const bytes = 100 * count;
  const text = JSON.stringify({ inputs: [B('image', 'BYTES', [count], bytes)] });
  const lengths = `Inference-Header-Content-Length: ${text.length}\r\nContent-Length: ${text.length + bytes}\r\n`;
  socket.write(`POST /v2/models/${model}/infer HTTP/1.1\r\nHost: ${hostname}\r\n${lengths}\r\n${text}1234`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
}

/** Nothing is held when nothing is asked: what is in the arena is what the rings take. */
async function atRest(): Promise<number> {
  return heldBy(server);
}

async function heldBy({ adminUrl }: RunningGateway): Promise<number> {
  return metricValue(adminUrl, 'penstock_arena_bytes');
}

describe('the three ways in', () => {
  const FIXTURES = [
    ['pixels_imagenet', [3, 224, 224], [331, 250], 3],
    ['pixels_mnist', [1, 28, 28], [100, 61], 1],
    ['pixels_yolo_letterbox', [3, 640, 640], [150, 333], 3],
  ] as const;

  test.each(FIXTURES)('of %s agree bit for bit', async (model, dims, [width, height], channels) => {
    const { file } = await seededPng(width, height, channels);
    const binary = await asBinary(url(model), 'image', [file], AS_TENSORS);
    expect(binary.json.outputs).toMatchObject([{ name: 'pixels', datatype: 'FP32', shape: [1, ...dims] }]);
    const row = floats(binary);
    expect(row.some((value) => value !== row[0])).toBe(true);
    const json = await asJson(url(model), 'image', [file], AS_TENSORS);
    expect(floats(json)).toEqual(row);
    const body = await asBody(url(model), file);
    expect(body.json.outputs[0].shape).toEqual([1, ...dims]);
    expect(Float32Array.from(body.json.outputs[0].data)).toEqual(row);
    const tensor = await post(
      url(model),
      { ...AS_TENSORS, inputs: [B('image', 'FP32', [1, ...dims], row.byteLength)] },
      new Uint8Array(row.buffer),
    );
    expect(floats(tensor)).toEqual(row);
  });

  test('give the numbers that the preset says, where no pixel is resampled', async () => {
    const gray = await seededPng(28, 28, 1);
    const digit = floats(await asBinary(url('pixels_mnist'), 'image', [gray.file], AS_TENSORS));
    digit.forEach((value, i) => {
      expect(value).toBeCloseTo((gray.pixels[i] / 255 - 0.1307) / 0.3081, 5);
    });
    const color = await seededPng(256, 256, 3);
    const picture = floats(await asBinary(url('pixels_imagenet'), 'image', [color.file], AS_TENSORS));
    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    picture.forEach((value, i) => {
      const channel = Math.floor(i / (224 * 224));
      const y = (Math.floor(i / 224) % 224) + 16;
      const pixel = color.pixels[3 * (256 * y + (i % 224) + 16) + channel];
      if (Math.abs(value - (pixel / 255 - mean[channel]) / std[channel]) > 1e-5) expect(value).toBe(pixel);
    });
  });

  test('take a batch of many, each in its row, whatever its format and size', async () => {
    const { file } = await seededPng(90, 40, 3);
    const jpeg = await sharp(file).jpeg({ quality: 95 }).toBuffer();
    const webp = await sharp(file).rotate(90).webp({ lossless: true }).toBuffer();
    const files = [file, jpeg, webp, file, (await seededPng(33, 44, 1, 7)).file];
    const rows: Float32Array[] = [];
    for (const one of files) rows.push(floats(await asBinary(url('pixels_imagenet'), 'image', [one], AS_TENSORS)));
    for (const way of [asBinary, asJson]) {
      const all = await way(url('pixels_imagenet'), 'image', files, AS_TENSORS);
      expect(all.json.outputs[0].shape).toEqual([5, 3, 224, 224]);
      expect(floats(all)).toEqual(Float32Array.from(rows.flatMap((row) => [...row])));
    }
  });

  test('take large JSON, which is read apart, and bodies that are packed or of no known length', async () => {
    const { file } = await seededPng(400, 300, 3);
    expect(file.length).toBeGreaterThan(APART_BYTES);
    const row = floats(await asBinary(url('pixels_imagenet'), 'image', [file], AS_TENSORS));
    expect(floats(await asJson(url('pixels_imagenet'), 'image', [file], AS_TENSORS))).toEqual(row);
    const packed = await asBody(url('pixels_imagenet'), gzipSync(file), '', { 'Content-Encoding': 'gzip' });
    expect(Float32Array.from(packed.json.outputs[0].data)).toEqual(row);
    const chunked = await asChunks(url('pixels_imagenet'), file, 50_000);
    expect(Float32Array.from(chunked.outputs[0].data)).toEqual(row);
  });

  test('share batches with tensors, and answer each its own', async () => {
    const { file } = await seededPng(50, 50, 1);
    const row = floats(await asBinary(url('pixels_mnist'), 'image', [file], AS_TENSORS));
    const tensor = Float32Array.from(seededBytes(3, 28 * 28));
    const document = { ...AS_TENSORS, inputs: [B('image', 'FP32', [1, 1, 28, 28], tensor.byteLength)] };
    const replies = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        i % 2 === 0
          ? asBinary(url('pixels_mnist'), 'image', [file], AS_TENSORS)
          : post(url('pixels_mnist'), document, new Uint8Array(tensor.buffer)),
      ),
    );
    replies.forEach((reply, i) => {
      expect(floats(reply)).toEqual(i % 2 === 0 ? row : tensor);
    });
  });

  test('hold nothing when they are answered', async () => {
    const before = await atRest();
    const { file } = await seededPng(300, 300, 3);
    await Promise.all(Array.from({ length: 12 }, () => asBody(url('pixels_imagenet'), file)));
    await expect.poll(atRest, { timeout: 10_000 }).toBe(before);
  });
});

describe('a picture that cannot be taken', () => {
  const damaged = (file: Buffer) => {
    const copy = Buffer.from(file);
    copy.fill(0x55, Math.floor(copy.length / 2), Math.floor(copy.length / 2) + 64);
    return copy;
  };

  test('is refused by what is wrong with it, and by no limit of anybody else', async () => {
    const { file } = await seededPng(64, 64, 3);
    const big = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const before = await atRest();
    for (const [body, code] of [
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), [415, 'UNSUPPORTED_MEDIA_TYPE']],
      [Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1'), [415, 'UNSUPPORTED_MEDIA_TYPE']],
      [Buffer.from('https://example.com/cat.png'), [400, 'INVALID_ARGUMENT']],
      [Buffer.alloc(0), [400, 'INVALID_ARGUMENT']],
      [file.subarray(0, file.length - 100), [400, 'INVALID_ARGUMENT']],
      [damaged(file), [400, 'INVALID_ARGUMENT']],
      [big, [413, 'PAYLOAD_TOO_LARGE']],
    ] as const) {
      expect(refusal(await asBody(url('pixels_imagenet'), body)).slice(0, 2)).toEqual(code);
    }
    await expect.poll(atRest, { timeout: 10_000 }).toBe(before);
    expect(await metricValue(server.adminUrl, 'penstock_limit_rejections_total{limit="imagePixels"}')).toBe(1);
  });

  test('in a batch is named by its input and its place, and harms nobody beside it', async () => {
    const { file } = await seededPng(64, 64, 3);
    const good = floats(await asBinary(url('pixels_imagenet'), 'image', [file], AS_TENSORS));
    const bad = [Buffer.from('GIF89a'), file.subarray(0, 500), damaged(file), Buffer.alloc(0)];
    const before = await atRest();
    for (const one of bad) {
      const beside = Promise.all(
        Array.from({ length: 4 }, () => asBinary(url('pixels_imagenet'), 'image', [file], AS_TENSORS)),
      );
      for (const way of [asBinary, asJson]) {
        const [status, code, sentence] = refusal(await way(url('pixels_imagenet'), 'image', [file, file, one, file]));
        expect([status, code]).toEqual([400, 'INVALID_ARGUMENT']);
        expect(sentence).toMatch(/^input 'image', element 2: the image /);
      }
      for (const reply of await beside) expect(floats(reply)).toEqual(good);
    }
    await expect.poll(atRest, { timeout: 10_000 }).toBe(before);
  });

  test('is no base64 in JSON, or no picture at all', async () => {
    const ask = (shape: number[], data: unknown[]) =>
      post(url('pixels_mnist'), { inputs: [{ name: 'image', datatype: 'BYTES', shape, data }] });
    expect(refusal(await ask([1], ['no base64!']))[2]).toBe("input 'image', element 0: expected base64");
    expect(refusal(await ask([1], ['QUJ']))[2]).toBe("input 'image', element 0: expected base64");
    expect(refusal(await ask([0], []))[2]).toBe("input 'image' has no picture");
    expect(refusal(await ask([2], ['QUJD']))[2]).toBe("input 'image' expects 2 elements for shape [2], found 1");
    expect(refusal(await ask([1, 2], ['QUJD', 'QUJD']))[0]).toBe(400);
    expect(refusal(await ask([9], Array(9).fill('QUJD')))[2]).toContain('above the model');
    const inputs = [B('image', 'BYTES', [2], 8)];
    expect(refusal(await post(url('pixels_mnist'), { inputs }, Buffer.from([9, 0, 0, 0, 1, 2, 3, 4])))[2]).toContain(
      'runs past the end',
    );
  });
});

describe('the media type of a body', () => {
  test('of an image is refused by a model that takes tensors only', async () => {
    const { file } = await seededPng(8, 8, 1);
    const [status, code, sentence] = refusal(await asBody(url('id_fp32'), file));
    expect([status, code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    expect(sentence).toContain('takes tensors only');
  });

  test('of another image format is refused by name, and the formats that are taken are named', async () => {
    for (const type of ['image/gif', 'IMAGE/TIFF; x=y', 'image/svg+xml', 'image/']) {
      const [status, code, sentence] = refusal(
        await send(url('pixels_mnist'), Buffer.from('GIF89a'), { 'Content-Type': type }),
      );
      expect([status, code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
      for (const taken of ['image/jpeg', 'image/png', 'image/webp']) expect(sentence).toContain(taken);
    }
  });

  test('is that of JSON whatever else it says, and where a length of JSON is given', async () => {
    const body = Buffer.from(JSON.stringify({ inputs: [I('INPUT0', 'FP32', [1, 2], [1, 2])] }));
    for (const type of ['text/plain', 'application/octet-stream', 'video/mp4', 'imagery/png']) {
      expect((await send(url('id_fp32'), body, { 'Content-Type': type })).status).toBe(200);
    }
    const headers = { 'Content-Type': 'image/png', 'Inference-Header-Content-Length': String(body.length) };
    expect((await send(url('id_fp32'), body, headers)).status).toBe(200);
  });

  test('need not be the one of the three that the picture is in', async () => {
    const { file } = await seededPng(30, 30, 1);
    const png = await asBody(url('pixels_mnist'), file);
    const other = await asBody(url('pixels_mnist'), file, '', { 'Content-Type': 'image/WebP ; charset=x' });
    expect([other.status, other.json]).toEqual([200, png.json]);
  });
});

describe('what a request wants of its pictures', () => {
  test('are tensors where it names them, and classes of all outputs where it names none and nothing is declared', async () => {
    const { file } = await seededPng(28, 28, 1);
    const outputs = [{ name: 'pixels', parameters: { classification: 2 } }];
    const named = await asJson(url('pixels_mnist'), 'image', [file], { outputs });
    expect(named.json.outputs).toMatchObject([{ name: 'pixels', datatype: 'BYTES', shape: [1, 2] }]);
    const query = await asBody(url('pixels_mnist'), file, '?classification=2&unknown=x');
    expect(query.json.outputs).toEqual(named.json.outputs);
    const parameter = await asJson(url('pixels_mnist'), 'image', [file], { parameters: { classification: 2 } });
    expect(parameter.json.outputs).toEqual(named.json.outputs);
  });

  test.each(['?classification=0', '?classification=', '?classification=x', '?classification=1.5', '?polarity=gray'])(
    'is refused as %s',
    async (query) => {
      const { file } = await seededPng(28, 28, 1);
      expect(refusal(await asBody(url('pixels_mnist'), file, query)).slice(0, 2)).toEqual([400, 'INVALID_ARGUMENT']);
    },
  );

  test('may be a polarity only where the model declares one', async () => {
    const { file } = await seededPng(28, 28, 1);
    const [status, , sentence] = refusal(await asBody(url('pixels_imagenet'), file, '?polarity=dark-on-light'));
    expect([status, sentence]).toEqual([400, "'polarity' is given, but the model declares none"]);
    const straight = floats(await asBinary(url('pixels_mnist'), 'image', [file], AS_TENSORS));
    const parameters = { ...AS_TENSORS.parameters, polarity: 'dark-on-light' };
    const inverted = floats(await asBinary(url('pixels_mnist'), 'image', [file], { parameters }));
    const sum = (1 - 2 * 0.1307) / 0.3081;
    inverted.forEach((value, i) => {
      expect(value + straight[i]).toBeCloseTo(sum, 4);
    });
  });
});

describe('boxes', () => {
  test('are in pixels of the picture that each row was made of, and answer as many as there are', async () => {
    const wide = await seededPng(128, 64, 3);
    const high = await sharp((await seededPng(96, 192, 3)).file).toBuffer();
    const reply = await asJson(url('boxes'), 'image', [wide.file, high]);
    const [boxes, count, labels] = reply.json.outputs;
    expect([boxes.shape, count.shape, labels.shape]).toEqual([[2, 2, 6], [2], [2, 2]]);
    expect([count.name, count.data, labels.name]).toEqual(['boxes_count', [2, 2], 'boxes_labels']);
    expect(labels.data).toEqual(['cat', 'dog', 'cat', 'dog']);
    // 128 x 64 becomes 64 x 32, 16 below the upper edge; 96 x 192 becomes 32 x 64, 16 from the left one.
    const expected = [
      [44, 22, 84, 42, 0.9, 0],
      [8, 8, 24, 24, 0.5, 1],
      [18, 81, 78, 111, 0.9, 0],
      [0, 60, 0, 84, 0.5, 1],
    ].flat();
    (boxes.data as number[]).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] as number, 3);
    });
    const body = await asBody(url('boxes'), wide.file);
    expect(body.json.outputs[0]).toMatchObject({ shape: [1, 2, 6], data: boxes.data.slice(0, 12) });
    const binary = await asBinary(url('boxes'), 'image', [wide.file, high], AS_TENSORS);
    const sizes = binary.json.outputs.map((output: { parameters: object }) => output.parameters);
    expect(sizes).toEqual([{ binary_data_size: 96 }, { binary_data_size: 8 }, { binary_data_size: 28 }]);
    expect([...floats({ ...binary, tail: binary.tail.subarray(0, 96) })]).toEqual(boxes.data.map(Math.fround));
  });
});

describe('a model that never batches', () => {
  test('takes as many pictures in one request as it is sent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-images-'));
    await writeFixtures(folder, ['pixels_mnist']);
    const policy = join(folder, 'pixels_mnist/model.yaml');
    writeFileSync(policy, readFileSync(policy, 'utf8').replace('maxBatchRows: 8', 'maxBatchRows: 0'));
    const own = await startGatewayOn(folder, ['--workers', '1']);
    const files = await Promise.all([1, 2, 3].map(async (seed) => (await seededPng(28, 28, 1, seed)).file));
    const rows = [];
    for (const file of files) rows.push(floats(await asBinary(url('pixels_mnist'), 'image', [file], AS_TENSORS)));
    const all = await asBinary(`${own.v2}/models/pixels_mnist/infer`, 'image', files, AS_TENSORS);
    const surplus = await announced(own.inferenceUrl, 'pixels_mnist', MOST_PICTURES + 1);
    await own.stop();
    rmSync(folder, { recursive: true });
    expect(all.json.outputs[0].shape).toEqual([3, 1, 28, 28]);
    expect(floats(all)).toEqual(Float32Array.from(rows.flatMap((row) => [...row])));
    expect(surplus).toMatch(/^HTTP\/1\.1 413 [\s\S]*the request has 4097 images, more than the limit of 4096/);
  });
});

describe('a deadline', () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-images-'));
  /** Of the sleeping decoder: every picture takes it a second and a half. */
  let slow: RunningGateway;
  let slowUrl: string;
  beforeAll(async () => {
    await writeFixtures(folder, ['pixels_yolo_letterbox']);
    const declared = `{ input: image, image: { preset: yolo-letterbox, resize: { pad: ${PADS.sleeps} } } }`;
    writeFileSync(join(folder, 'pixels_yolo_letterbox/model.yaml'), `maxBatchRows: 4\npreprocess: ${declared}\n`);
    const decoderEntry = new URL('../support/dying-decoder.ts', import.meta.url);
    slow = await startGatewayOn(folder, ['--workers', '1'], { ...STILL, decoderEntry });
    slowUrl = `${slow.v2}/models/pixels_yolo_letterbox/infer`;
  }, 60_000);
  afterAll(async () => {
    await slow.stop();
    rmSync(folder, { recursive: true });
  });

  test('that what waits to be decoded leaves no time for is told before the body has come', async () => {
    const file = await slowPng();
    const asked = Array.from({ length: 6 }, () => asBody(slowUrl, file));
    const waiting = () => metricValue(slow.adminUrl, 'penstock_decodes{state="waiting"}');
    await expect.poll(waiting, { timeout: 10_000 }).toBeGreaterThan(3);
    const headers = { 'Content-Type': 'image/png', 'Content-Length': '1000000', 'X-Request-Timeout-Ms': '50' };
    const late = request(slowUrl, { method: 'POST', headers });
    late.flushHeaders();
    const [answer] = (await once(late, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.headers['x-error-code']]).toEqual([503, 'OVERLOADED']);
    expect(Number(answer.headers['retry-after-ms'])).toBeGreaterThan(0);
    late.on('error', () => undefined).destroy();
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(6).fill(200));
  }, 30_000);

  test('that passes while pictures are decoded is told then, and nothing is held afterwards', async () => {
    const before = await heldBy(slow);
    const { file } = await seededPng(64, 64, 3);
    const files = Array.from({ length: 4 }, () => file);
    const reply = await asBinary(slowUrl, 'image', files, { parameters: { timeout: 300_000 } });
    expect(refusal(reply).slice(0, 2)).toEqual([504, 'DEADLINE_EXCEEDED']);
    // Its threads are still at it: it was not told by the end of their work.
    expect(await heldBy(slow)).toBeGreaterThan(before);
    await expect.poll(() => heldBy(slow), { timeout: 10_000 }).toBe(before);
    expect((await asBinary(slowUrl, 'image', [file], AS_TENSORS)).status).toBe(200);
  }, 30_000);

  test('a caller who goes away meanwhile leaves the pool and the arena to the others', async () => {
    const before = await atRest();
    const file = await slowPng();
    const decoded = () =>
      metricValue(server.adminUrl, 'penstock_decode_duration_seconds_count{model="pixels_imagenet",version="1"}');
    const decodedBefore = await decoded();
    const gone = new AbortController();
    const headers = { 'Content-Type': 'image/png' };
    const body = file as Uint8Array<ArrayBuffer>;
    const asked = Array.from({ length: 12 }, () =>
      fetch(url('pixels_imagenet'), { method: 'POST', body, headers, signal: gone.signal }),
    );
    await expect.poll(() => metricValue(server.adminUrl, 'penstock_decodes{state="running"}')).toBeGreaterThan(0);
    gone.abort();
    for (const one of asked) await expect(one).rejects.toThrow();
    await expect.poll(() => metricValue(server.adminUrl, 'penstock_decodes{state="waiting"}')).toBe(0);
    await expect.poll(atRest, { timeout: 10_000 }).toBe(before);
    expect((await decoded()) - decodedBefore).toBeLessThan(asked.length);
  });
});

test('a flood of pictures is answered or told when to come again, and leaves nothing behind', async () => {
  const flags = ['--limits-arena-bytes', String(48 * 1024 * 1024), '--limits-queue-bytes', String(4 * 1024 * 1024)];
  const own = await startGateway(['pixels_imagenet'], ['--workers', '1', ...flags], STILL);
  const held = () => metricValue(own.adminUrl, 'penstock_arena_bytes');
  const before = await held();
  const smooth = await sharp((await seededPng(40, 30, 3)).file)
    .resize(1600, 1200)
    .jpeg()
    .toBuffer();
  const outputs = { outputs: [{ name: 'pixels', parameters: { classification: 1 } }] };
  const ask = () => asBinary(`${own.v2}/models/pixels_imagenet/infer`, 'image', [smooth], outputs);
  const replies = await Promise.all(Array.from({ length: 120 }, ask));
  const answered = replies.filter(({ status }) => status === 200);
  for (const reply of replies.filter(({ status }) => status !== 200)) {
    expect([reply.status, reply.headers.get('x-error-code')]).toEqual([503, 'OVERLOADED']);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect([answered.length > 0, answered.length < replies.length]).toEqual([true, true]);
  expect(new Set(answered.map(({ json }) => json.outputs[0].data[0])).size).toBe(1);
  await expect.poll(held, { timeout: 10_000 }).toBe(before);
  expect((await ask()).status).toBe(200);
  await own.stop();
}, 60_000);

test('a tenant’s flood of large pictures delays another one’s small one by what runs, and not by all of it', async () => {
  const principal = (header: (name: string) => string) => ({ tenant: header('x-tenant') });
  const own = await startGateway(['pixels_imagenet'], ['--workers', '1'], { ...STILL, principal });
  const large = await slowPng();
  const { file } = await seededPng(64, 64, 3);
  const ask = (tenant: string, body: Uint8Array) =>
    asBody(`${own.v2}/models/pixels_imagenet/infer`, body, '', { 'X-Tenant': tenant });
  let answered = 0;
  const flood = Array.from({ length: 12 }, async () => {
    const { status } = await ask('flood', large);
    answered++;
    return status;
  });
  await expect.poll(() => metricValue(own.adminUrl, 'penstock_decodes{state="waiting"}')).toBeGreaterThan(6);
  expect((await ask('other', file)).status).toBe(200);
  expect(answered).toBeLessThan(9);
  expect(await Promise.all(flood)).toEqual(Array(12).fill(200));
  await own.stop();
}, 30_000);

test('the end of a server waits for pictures that were accepted', async () => {
  const own = await startGateway(['pixels_imagenet']);
  const file = await slowPng();
  const asked = Array.from({ length: 6 }, () => asBody(`${own.v2}/models/pixels_imagenet/infer`, file));
  await expect.poll(() => metricValue(own.adminUrl, 'penstock_requests_in_flight')).toBe(6);
  await expect.poll(() => metricValue(own.adminUrl, 'penstock_decodes{state="running"}')).toBeGreaterThan(0);
  await own.stop();
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(6).fill(200));
}, 30_000);

describe('digits', () => {
  let digits: RunningGateway;
  beforeAll(async () => {
    digits = await startGatewayOn(MODELS);
  }, 60_000);
  afterAll(() => digits.stop());

  const pictures = readdirSync(DIGITS).filter((name) => name.endsWith('.png'));
  const best = ({ json }: Reply) => json.outputs[0].data[0].split(':')[2];

  test.each(pictures)('knows %s', async (name) => {
    const file = readFileSync(`${DIGITS}/${name}`);
    const query = name.includes('light-on-dark') ? '?polarity=light-on-dark' : '';
    const reply = await asBody(`${digits.v2}/models/digits/infer`, file, query);
    expect(reply.json.outputs).toMatchObject([{ name: 'probabilities', datatype: 'BYTES', shape: [1, 3] }]);
    expect(best(reply)).toBe(name[0]);
    const one = await asBody(
      `${digits.v2}/models/digits/infer`,
      file,
      `${query === '' ? '?' : `${query}&`}classification=1`,
    );
    expect(one.json.outputs[0].data).toEqual([reply.json.outputs[0].data[0]]);
  });

  test('answers a batch of them, in JSON and in binary form', async () => {
    const names = pictures.filter((name) => !name.includes('light-on-dark'));
    const files = names.map((name) => readFileSync(`${DIGITS}/${name}`));
    const json = await asJson(`${digits.v2}/models/digits/infer`, 'image', files, { id: 'x' });
    expect(json.json).toMatchObject({ id: 'x', outputs: [{ datatype: 'BYTES', shape: [names.length, 3] }] });
    const data = json.json.outputs[0].data as string[];
    expect(names.map((_, i) => data[3 * i]?.split(':')[2])).toEqual(names.map((name) => name[0]));
    const binary = await asBinary(`${digits.v2}/models/digits/infer`, 'image', files, AS_TENSORS);
    const lengths = data.map((text) =>
      Buffer.concat([new Uint8Array(Uint32Array.of(text.length).buffer), Buffer.from(text)]),
    );
    expect(binary.tail).toEqual(Buffer.concat(lengths));
    expect(binary.json.outputs[0].parameters).toEqual({ binary_data_size: binary.tail.length });
  });

  test('answers the picture of README with its label', async () => {
    const root = new URL('../../', import.meta.url);
    const readme = readFileSync(new URL('README.md', root), 'utf8');
    const [, path = '', asked = ''] = /curl --data-binary @(\S+)[^?]+\/v2\/([^']+)/.exec(readme) ?? [];
    const reply = await asBody(`${digits.v2}/${asked}`, readFileSync(new URL(path, root)));
    expect(reply.json.outputs[0].data).toEqual([expect.stringMatching(/^0\.9\d+:7:7$/)]);
  });

  test('answers probabilities where they are named', async () => {
    const file = readFileSync(`${DIGITS}/${pictures[0]}`);
    const outputs = [{ name: 'probabilities' }];
    const reply = await asJson(`${digits.v2}/models/digits/infer`, 'image', [file], { outputs });
    expect(reply.json.outputs).toMatchObject([{ datatype: 'FP32', shape: [1, 10] }]);
  });
});
