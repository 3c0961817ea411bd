import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, expect, test } from 'vitest';
import { MOST_DECODE_THREADS } from '../../src/preprocess/decode-pool.ts';
import { PADS, setBoots } from '../support/decoder-pads.ts';
import { writeFixtures } from '../support/fixtures/write.ts';
import { I, post, type RunningGateway, send, startGatewayOn } from '../support/gateway.ts';
import { metricValue } from '../support/scrape.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-decoders-'));
const boots = join(folder, 'boots');
process.env.PENSTOCK_TEST_BOOTS = boots;
afterAll(() => rmSync(folder, { recursive: true }));

let server: RunningGateway;
afterEach(() => server.stop());

/** Models on decode threads of that module. */
async function serve(names: readonly string[], entry: string, policies: Record<string, string> = {}): Promise<void> {
  const models = mkdtempSync(join(folder, 'models-'));
  await writeFixtures(models, names);
  for (const [name, policy] of Object.entries(policies)) writeFileSync(join(models, name, 'model.yaml'), policy);
  server = await startGatewayOn(models, ['--workers', '1'], { decoderEntry: new URL(entry, import.meta.url) });
}

test('a version that takes pictures is unavailable where none can be decoded, and says so; others are not touched', async () => {
  await serve(['pixels_imagenet', 'simple', 'pixels_mnist'], '../support/broken-decoder.ts');
  const index = (await post(`${server.v2}/repository/index`, {})).json;
  const reason = 'images cannot be decoded here: the decoder (sharp) does not work; see the log';
  expect(index).toMatchObject([
    { name: 'pixels_imagenet', state: 'UNAVAILABLE', reason },
    { name: 'pixels_mnist', state: 'UNAVAILABLE', reason },
    { name: 'simple', state: 'READY' },
  ]);
  const rows = Array.from({ length: 16 }, (_, i) => i);
  const inputs = ['INPUT0', 'INPUT1'].map((name) => I(name, 'INT32', [1, 16], rows));
  expect((await post(`${server.v2}/models/simple/infer`, { inputs })).status).toBe(200);
});

test('decoders that are lost in service are 503 with a time to come back, and are there again by then', async () => {
  const declared = `{ input: image, image: { preset: yolo-letterbox, resize: { pad: ${PADS.exits} } } }`;
  const policy = `maxBatchRows: 4\npreprocess: ${declared}\n`;
  await serve(['pixels_yolo_letterbox', 'pixels_mnist'], '../support/dying-decoder.ts', {
    pixels_yolo_letterbox: policy,
  });
  const background = { r: 9, g: 9, b: 9 };
  const file = await sharp({ create: { width: 20, height: 10, channels: 3, background } })
    .png()
    .toBuffer();
  const ask = (model: string) => send(`${server.v2}/models/${model}/infer`, file, { 'Content-Type': 'image/png' });
  setBoots(boots, 1000);
  // Each ends the thread that it comes to, or finds none.
  const codes = new Set<number>();
  for (let i = 0; i < 2 * MOST_DECODE_THREADS; i++) codes.add((await ask('pixels_yolo_letterbox')).status);
  expect(codes).toEqual(new Set([500, 503]));
  const lost = await ask('pixels_mnist');
  expect([lost.status, lost.headers.get('x-error-code')]).toEqual([503, 'INSTANCE_LOST']);
  expect(Number(lost.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await metricValue(server.adminUrl, 'penstock_decodes{state="stuck"}')).toBe(0);
  setBoots(boots, 0);
  await expect.poll(async () => (await ask('pixels_mnist')).status, { timeout: 15_000 }).toBe(200);
}, 60_000);
