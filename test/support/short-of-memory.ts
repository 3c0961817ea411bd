/**
 * A process that decodes one large picture of each format with little memory left, and again with enough: prints a line for each,
 * `FORMAT CODE`. Its limit of address space is set by prlimit, for this process alone.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import type { GatewayError } from '../../src/core/error.ts';
import { Pictures, rawPipeline } from './pictures.ts';

const SIDE = 6_000;
/** Less than the pixels of one picture, enough for all else. */
const LEFT_BYTES = 32 * 1024 * 1024;

const pictures = new Pictures({ threads: 1 }, SIDE * SIDE * 3);
const pipeline = rawPipeline(SIDE, SIDE);
const create = { width: SIDE, height: SIDE, channels: 3, background: { r: 9, g: 9, b: 9 } } as const;
const files = {
  jpeg: await sharp({ create }).jpeg().toBuffer(),
  png: await sharp({ create }).png({ compressionLevel: 1 }).toBuffer(),
  webp: await sharp({ create }).webp({ effort: 0 }).toBuffer(),
};

/** Sets the limit of address space: so much more than what is in use, or none. */
function limit(moreBytes: number): void {
  const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
  const most = Number.isFinite(moreBytes) ? String(pages * 4096 + moreBytes) : 'unlimited';
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${most}:unlimited`]);
}

const code = (file: Uint8Array) =>
  pictures.decode(new Uint8Array(file), pipeline).then(
    () => 'decoded',
    (error: GatewayError) => error.code,
  );

async function tell(): Promise<void> {
  for (const [format, file] of Object.entries(files)) process.stdout.write(`${format} ${await code(file)}\n`);
}

await pictures.pool.prove();
limit(LEFT_BYTES);
await tell();
limit(Number.POSITIVE_INFINITY);
await tell();
await pictures.pool.close();
