/**
 * Entry of a decode thread: an encoded picture becomes a row in the arena. The only importer of sharp. It knows numbers and
 * bytes and never a request, and it writes a row only when the whole picture has been decoded without a warning.
 *
 * Colours are taken as they are stored: an ICC profile is not applied, gamma is not looked at, 16 bits keep their upper 8, alpha
 * is left out without a background. That is what Pillow's open().convert('RGB') does, which models were trained with.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { workerData } from 'piscina';
import sharp, { type OutputInfo, type Sharp } from 'sharp';
import { giveBack } from '../native/give-back.ts';
import { Image } from '../native/image-words.ts';
import { loadBinding } from '../native/load.ts';
import { type DecodeReply, type DecodeTask, type DecodeThreadData, ROW } from './decode-messages.ts';
import { pixelsOnly } from './png-pixels.ts';

/** How much nicer than the process decoding is, as running models is on workers (nice(2); Linux counts it per thread). */
const NICER = 5;

/** What libuv calls its threads: there sharp does its work. */
const LIBUV_THREAD = 'libuv-worker';

/** The only loaders of libvips that may see a byte. */
const LOADERS = ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'];

/**
 * What the C heap may keep for itself. glibc raises that by what it sees freed, to 64 MiB for every thread that decodes: each
 * largest picture would stay for good.
 */
const HEAP_BYTES = 4 * 1024 * 1024;

/** The formats that have to be decoded, as sharp calls them. */
const FORMATS = ['jpeg', 'png', 'webp'] as const;

/** Of the pictures that show whether they are: their side, the gray that they are full of, and how far a codec may be off. */
const PROOF = { side: 8, gray: 128, within: 3 };

const { arena, gate, row } = workerData as DecodeThreadData;
const rows = new Uint8Array(arena);
const binding = loadBinding();

// Elsewhere it would be the process's.
if (process.platform === 'linux') yieldToFront();
binding.boundHeap(HEAP_BYTES);
sharp.cache(false);
sharp.concurrency(1);
blockLoaders();

/** What sharp needs of a task. */
type PixelTask = Pick<DecodeTask, 'file' | 'stored' | 'gray' | 'turn' | 'shrunk' | 'kernel'>;

/** Decodes one picture into its row; what is wrong with it is answered, what is thrown is a fault of this thread. */
export default async function decode(task: DecodeTask): Promise<DecodeReply> {
  const startedMs = performance.now();
  const file = pixelsOnly(task.file);
  let picture: { data: Buffer; info: OutputInfo };
  try {
    picture = await pixelsOf({ ...task, file }).toBuffer({ resolveWithObject: true });
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  } finally {
    giveBack(file);
    giveBack(task.file);
  }
  const { data, info } = picture;
  const fault = lieOf(task, info, data.byteLength) ?? takeRow();
  if (fault === null) {
    task.ints[Image.CHANNELS] = info.channels;
    binding.imageToTensor(data, task.ints, task.floats, rows, task.target);
  }
  giveBack(data);
  return fault === null ? { fault, tookUs: Math.round((performance.now() - startedMs) * 1000) } : { fault };
}

/** Shows that this thread can decode every format, on tiny pictures of its own. @throws where it cannot */
export async function prove(): Promise<void> {
  const { side, gray, within } = PROOF;
  const create = { width: side, height: side, channels: 3, background: { r: gray, g: gray, b: gray } } as const;
  const how = {
    stored: create,
    gray: false,
    turn: { mirrored: false, degrees: 0 },
    shrunk: null,
    kernel: 'linear',
  } as const;
  for (const format of FORMATS) {
    const file = await sharp({ create }).toFormat(format).toBuffer();
    const samples = await pixelsOf({ ...how, file }).toBuffer();
    const right = samples.every((sample) => Math.abs(sample - gray) <= within);
    if (!right || samples.length !== side * side * 3) throw new Error(`${format} is not decoded to what was encoded`);
  }
}

/** The picture upright as 8-bit samples, gray as one channel. */
function pixelsOf({ file, stored, gray, turn, shrunk, kernel }: PixelTask): Sharp {
  const image = sharp(file, {
    failOn: 'warning',
    limitInputPixels: stored.width * stored.height,
    ignoreIcc: true,
    sequentialRead: true,
  });
  // Before the turn: sharp does not decode smaller what it has to turn first.
  if (shrunk !== null) image.resize({ ...shrunk, fit: 'fill', kernel });
  if (turn.mirrored) image.flop();
  if (turn.degrees !== 0) image.rotate(turn.degrees);
  return image.toColourspace(gray ? 'b-w' : 'srgb').raw();
}

/** What the header said and the decoder did not find; null where all of it is true. */
function lieOf({ ints, channels }: DecodeTask, info: OutputInfo, bytes: number): string | null {
  const [width, height] = [ints[Image.WIDTH], ints[Image.HEIGHT]];
  if (info.width !== width || info.height !== height) {
    return `decoded to ${info.width} x ${info.height}, expected ${width} x ${height}`;
  }
  if (info.channels > channels) return `decoded to ${info.channels} channels, expected ${channels}`;
  const expected = width * height * info.channels;
  return bytes === expected ? null : `decoded to ${bytes} bytes, expected ${expected}`;
}

/** The row is this thread's to write, unless the picture has been given up meanwhile and the row may be somebody else's. */
function takeRow(): string | null {
  return Atomics.compareExchange(row, 0, ROW.open, ROW.taken) === ROW.open ? null : 'given up before it was decoded';
}

/** Where both want a core the front thread is to have it: requests are read in time, whatever is decoded. */
function yieldToFront(): void {
  const nice = Math.min(19, getPriority() + NICER);
  const threads = readdirSync('/proc/self/task').filter((id) => nameOf(id) === LIBUV_THREAD);
  for (const id of threads) setPriority(Number(id), nice);
  setPriority(nice);
}

/** Of a thread; empty where it has just ended. */
function nameOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * What is blocked is so for the whole process. One thread does it and the others wait until it is done: while all are blocked for
 * a moment no picture may meet its loader. Where it fails the next one tries.
 */
function blockLoaders(): void {
  while (Atomics.load(gate, 0) !== 2) {
    if (Atomics.compareExchange(gate, 0, 0, 1) !== 0) {
      Atomics.wait(gate, 0, 1);
      continue;
    }
    let state = 0;
    try {
      sharp.block({ operation: ['VipsForeignLoad'] });
      sharp.unblock({ operation: LOADERS });
      state = 2;
    } finally {
      Atomics.store(gate, 0, state);
      Atomics.notify(gate, 0);
    }
  }
}
