import { expect, test } from 'vitest';
import { decodeMutated, photographs } from '../support/mutated-pictures.ts';
import { Pictures } from '../support/pictures.ts';

const SEED = Number(process.env.PENSTOCK_SEED ?? Date.now() % 1_000_000_000);
const COUNT = Number(process.env.PENSTOCK_PICTURES ?? 100_000);

test(`I11 ${COUNT} mutated pictures: none ends a thread, and memory stays where it was (PENSTOCK_SEED=${SEED})`, async () => {
  const faults: unknown[] = [];
  const pictures = new Pictures({ onFault: (error) => faults.push(error) });
  const files = Object.values(await photographs()).map(({ file }) => file);
  const { codes, grownBytes } = await decodeMutated(pictures, files, COUNT, SEED);
  await pictures.pool.close();
  console.log(`seed ${SEED}: ${JSON.stringify(codes)}, grown by ${Math.round(grownBytes / 1024)} KiB`);
  expect(faults).toEqual([]);
  expect(Object.keys(codes).sort()).toEqual([
    'INVALID_ARGUMENT',
    'PAYLOAD_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'decoded',
  ]);
  expect(grownBytes).toBeLessThan(64 * 1024 * 1024);
}, 3_600_000);
