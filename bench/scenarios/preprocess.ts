/** Pictures into tensors: the kernel beside a loop in JavaScript and beside memcpy, and JPEGs beside sharp, and Pillow where it is. */

import sharp from 'sharp';
import type { Binding } from '../../src/native/binding.ts';
import { imageToTensor } from '../../src/native/image.ts';
import { loadBinding } from '../../src/native/load.ts';
import { photograph, photographJpeg, VGA } from '../http/photograph.ts';
import {
  FITTING,
  imagenetGeometry,
  imagenetPipeline,
  NUMBERS,
  OurTensors,
  PLANE,
  plainLoop,
  SIDE,
  sharpAfterDecode,
  sharpAndLoop,
  tunedLoop,
} from '../http/tensors.ts';
import { type Pillow, startPillow } from '../peers/pillow.ts';
import { type Comparison, compareAll, timed } from '../runner/comparisons.ts';
import type { Effort, Outcome, Scenario } from '../runner/scenario.ts';

const SOURCE_BYTES = 3 * PLANE;
const TENSOR_BYTES = 4 * NUMBERS;
/** Source and tensor together, half of them read and half written: what memcpy does with so many bytes moved. */
const COPIED_BYTES = (SOURCE_BYTES + TENSOR_BYTES) / 2;
/** Pictures in turn, so that each is out of every cache when it comes again: 193 MB. */
const IN_TURN = 256;

/** The target's size, and one that a decoder may bring down when it need not be exact. */
const [SMALL, LARGE] = [VGA, { width: 1280, height: 960 }];

const [EXACT, SHRUNK] = [imagenetPipeline(true), imagenetPipeline(false)];

/** Within 1.15 of its time. */
const BESIDE_SHARP = '>= 0.87';

/** The figure is the loop's time over the kernel's. */
export const preprocessing: Scenario = {
  what: 'pictures into tensors: the time of JavaScript, memcpy, sharp and Pillow / ours',
  target: '>= 10, and by line',
  scale: 'slices',
  sliceS: 1,
  withoutWrk: true,
  write: async () => undefined,
  run: measure,
};

interface Photograph {
  readonly width: number;
  readonly height: number;
  readonly jpeg: Uint8Array;
}

async function measure(effort: Effort): Promise<Outcome> {
  sharp.cache(false);
  sharp.concurrency(1);
  const binding = loadBinding();
  checkLoops(binding);
  const [small, large] = [await photographOf(SMALL), await photographOf(LARGE)];
  const pillow = await startPillow(small.jpeg);
  const ours = new OurTensors();
  try {
    await checkPillow(ours, small, pillow);
    const comparisons = [...kernelComparisons(binding), ...jpegComparisons(ours, small, large, pillow)];
    const notes = [
      `memcpy moves ${2 * COPIED_BYTES} bytes, half read and half written, as many as the kernel`,
      ...[small, large].map(
        ({ width, height, jpeg }) => `JPEG ${width}x${height}: ${jpeg.length} bytes, one at a time`,
      ),
      ...(pillow === null ? ['Pillow and numpy are not there and could not be fetched'] : []),
    ];
    return await compareAll(effort, comparisons, 'Microseconds of one picture', notes);
  } finally {
    await pillow?.stop();
    await ours.close();
  }
}

async function photographOf({ width, height }: Omit<Photograph, 'jpeg'>): Promise<Photograph> {
  return { width, height, jpeg: await photographJpeg(width, height) };
}

/** The same tensor by every way, or nothing is worth measuring. */
function checkLoops(binding: Binding): void {
  const pixels = photograph(SIDE, SIDE);
  const ours = new Float32Array(NUMBERS);
  imageToTensor(binding, pixels, FITTING, new Uint8Array(ours.buffer), 0);
  for (const loop of [plainLoop, tunedLoop]) {
    const theirs = new Float32Array(NUMBERS);
    loop(pixels, theirs);
    if (ours.some((value, i) => Math.abs(value - theirs[i]) > 1e-5)) throw new Error(`${loop.name}: another tensor`);
  }
}

/** Both decode with libjpeg-turbo and resample alike: a mean that is off by a grey level is another picture's. */
async function checkPillow(ours: OurTensors, { jpeg }: Photograph, pillow: Pillow | null): Promise<void> {
  if (pillow === null) return;
  await ours.make(jpeg, EXACT);
  const sum = ours.tensor.reduce((total, value) => total + value, 0);
  const level = 1 / 255 / 0.225;
  if (Math.abs(sum - pillow.sum) / NUMBERS > level)
    throw new Error(`Pillow's tensor has a sum of ${pillow.sum}, ours ${sum}`);
}

/** Normalisation and layout of decoded pixels: one picture again and again, and pictures that are in no cache. */
function kernelComparisons(binding: Binding): Comparison[] {
  const what = `${SIDE}x${SIDE} normalised`;
  const near = kernelWork(binding, 1);
  const far = kernelWork(binding, IN_TURN);
  const beside = (rival: string, target: string, work: typeof near, other: () => void): Comparison => {
    return { what: `${what}, ${rival}`, target, ours: timed(work.kernel), other: timed(other) };
  };
  return [
    beside('in cache: JavaScript', '>= 10', near, near.loop),
    beside('in cache: JavaScript, tuned', '-', near, near.tuned),
    beside('in cache: memcpy', '-', near, near.copy),
    beside('from memory: JavaScript', '-', far, far.loop),
    beside('from memory: JavaScript, tuned', '-', far, far.tuned),
    beside('from memory: memcpy', '>= 0.5', far, far.copy),
  ];
}

/** Each piece of work takes the next of so many pictures. */
function kernelWork(binding: Binding, count: number) {
  const pixels = photograph(SIDE, SIDE);
  const sources = Array.from({ length: count }, () => pixels.slice());
  const tensors = Array.from({ length: count }, () => new Float32Array(NUMBERS).fill(1));
  const targets = tensors.map(({ buffer }) => new Uint8Array(buffer));
  const [from, to] = [new Uint8Array(count * COPIED_BYTES).fill(1), new Uint8Array(count * COPIED_BYTES).fill(1)];
  let turn = 0;
  const next = () => {
    turn = (turn + 1) % count;
    return turn;
  };
  return {
    kernel: () => {
      const i = next();
      imageToTensor(binding, sources[i], FITTING, targets[i], 0);
    },
    loop: () => {
      const i = next();
      plainLoop(sources[i], tensors[i]);
    },
    tuned: () => {
      const i = next();
      tunedLoop(sources[i], tensors[i]);
    },
    copy: () => {
      const at = next() * COPIED_BYTES;
      binding.copy(from, at, to, at, COPIED_BYTES);
    },
  };
}

function jpegComparisons(ours: OurTensors, small: Photograph, large: Photograph, pillow: Pillow | null): Comparison[] {
  const comparisons = [small, large].flatMap(({ width, height, jpeg }) => {
    const place = imagenetGeometry(width, height);
    const tensor = new Float32Array(NUMBERS);
    const resized = timed(() => sharpAfterDecode(jpeg, place));
    const looped = timed(() => sharpAndLoop(jpeg, place, tensor));
    const exact = timed(() => ours.make(jpeg, EXACT));
    const shrunk = timed(() => ours.make(jpeg, SHRUNK));
    const what = `JPEG ${width}x${height}`;
    return [
      { what: `${what}: sharp, all decoded, raw pixels resized`, target: BESIDE_SHARP, ours: exact, other: resized },
      { what: `${what}, exact: false: the same`, target: '-', ours: shrunk, other: resized },
      { what: `${what}: sharp + JavaScript`, target: '-', ours: exact, other: looped },
      { what: `${what}, exact: false: sharp + JavaScript`, target: '-', ours: shrunk, other: looped },
    ];
  });
  if (pillow === null) return comparisons;
  const what = `JPEG ${small.width}x${small.height}: Pillow + numpy`;
  const exact = timed(() => ours.make(small.jpeg, EXACT));
  return [...comparisons, { what, target: '-', ours: exact, other: pillow.tensor }];
}
