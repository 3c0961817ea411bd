import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DATATYPES } from '../../src/core/datatype.ts';
import { CONTRACT_VERSION, LIFT_RESULT_LENGTH } from '../../src/native/binding.ts';
import { type ImageWork, imageFloats, imageInts } from '../../src/native/image.ts';
import {
  DETECT_OPTIONS_LENGTH,
  DetectPlace,
  IMAGE_FLOAT_LENGTH,
  IMAGE_LENGTH,
  IMAGE_RESULT_LENGTH,
  Image,
  MOST_DETECTIONS,
} from '../../src/native/image-words.ts';
import { checkContract, loadBinding, NativeAddonError } from '../../src/native/load.ts';

const binding = loadBinding();
const BUILD = 'node bin/penstock.mjs build-addon';
const table = () => DATATYPES.map(({ name, size }) => ({ name, size }));

function refusal(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was accepted');
}

describe('an addon is refused with the command that builds it', () => {
  test('where the file is missing or is no addon', () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-contract-'));
    try {
      const file = join(folder, 'penstock.node');
      const missing = refusal(() => loadBinding(pathToFileURL(file)));
      writeFileSync(file, 'not an addon');
      for (const error of [missing, refusal(() => loadBinding(pathToFileURL(file)))]) {
        expect(error).toBeInstanceOf(NativeAddonError);
        expect(error.message).toContain(BUILD);
        expect(error.message).not.toContain('\n');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('where it speaks another contract', () => {
    const error = refusal(() => checkContract({ contractVersion: CONTRACT_VERSION + 1, datatypes: table }));
    expect(error).toBeInstanceOf(NativeAddonError);
    expect(error.message).toContain(`contract ${CONTRACT_VERSION + 1}, this code ${CONTRACT_VERSION}`);
    expect(error.message).toContain(BUILD);
  });

  test.each([
    ['a datatype less', table().slice(1)],
    ['two in another order', [table()[1], table()[0], ...table().slice(2)]],
    ['another size', table().map((row) => (row.name === 'FP16' ? { ...row, size: 4 } : row))],
  ])('where its datatype table has %s', (_, rows) => {
    const error = refusal(() => checkContract({ contractVersion: CONTRACT_VERSION, datatypes: () => rows }));
    expect(error).toBeInstanceOf(NativeAddonError);
    expect(error.message).toContain(BUILD);
  });

  test('and the one that was built matches', () => {
    expect(binding.contractVersion).toBe(CONTRACT_VERSION);
    expect(binding.datatypes()).toEqual(table());
    expect(() => checkContract(binding)).not.toThrow();
  });
});

const bytes = new Uint8Array(16);
const target = binding.createTarget(['x'], [10], 4);

function lift(changes: Record<number, unknown>): () => unknown {
  const memory = new Uint8Array(64);
  const usual = [
    target,
    bytes,
    0,
    16,
    memory,
    Float64Array.of(0, 64),
    memory,
    new Float64Array(LIFT_RESULT_LENGTH),
    100,
  ];
  const values = usual.map((value, i) => (i in changes ? changes[i] : value)) as Parameters<typeof binding.lift>;
  return () => binding.lift(...values);
}

/** A head of one box and two classes in the YOLOv5 layout, with room for two rows; each of it can be made wrong. */
function detection(
  changes: Partial<Record<keyof typeof DetectPlace, number>>,
  { layout = 0, boxes = 1, classes = 2, options = DETECT_OPTIONS_LENGTH, room = 48 } = {},
): () => unknown {
  const usual = { SCORE_THRESHOLD: 0.1, OVERLAP_THRESHOLD: 0.5, MOST: 2, SCALE: 1, WIDTH: 9, HEIGHT: 9, ...changes };
  const values = new Float64Array(options);
  for (const [name, value] of Object.entries(usual)) values[DetectPlace[name as keyof typeof DetectPlace]] = value;
  const target = new Uint8Array(room);
  return () => binding.detect(new Uint8Array(28), 0, layout, boxes, classes, values, target, 0);
}

const square = { left: 0, top: 0, width: 2, height: 2 };
const picture: ImageWork = {
  source: { width: 2, height: 2, channels: 3 },
  ...{ resized: square, crop: square, tensor: square, at: square, filter: 'nearest', antialias: true },
  ...{ colour: 'RGB', layout: 'NCHW', datatype: 'FP32', scale: [1, 1, 1], shift: [0, 0, 0], pad: 0 },
};

function image(changes: Record<number, unknown>): () => unknown {
  const usual = [new Uint8Array(12), imageInts(picture), imageFloats(picture), new Uint8Array(48), 0];
  const values = usual.map((value, i) => (i in changes ? changes[i] : value));
  return () => binding.imageToTensor(...(values as Parameters<typeof binding.imageToTensor>));
}

test('what is made wrong below is right by itself', () => {
  expect(detection({})()).toBe(0);
  expect(image({})()).toBe(48);
});

describe('a range outside its memory throws RangeError', () => {
  const span = (start: number, length: number) => Float64Array.of(start, length);
  const cases: Record<string, () => unknown> = {
    'copy: source too short': () => binding.copy(bytes, 8, bytes, 0, 9),
    'copy: target too short': () => binding.copy(bytes, 0, bytes, 8, 9),
    'copy: offset behind the end': () => binding.copy(bytes, 17, bytes, 0, 0),
    'copy: negative offset': () => binding.copy(bytes, -1, bytes, 0, 1),
    'copy: negative length': () => binding.copy(bytes, 0, bytes, 0, -1),
    'copy: length that is no number': () => binding.copy(bytes, 0, bytes, 0, Number.NaN),
    'copy: huge offset and length': () => binding.copy(bytes, 2 ** 52, bytes, 0, 2 ** 52),
    'gather: span outside': () => binding.gather(bytes, span(10, 7), 1, bytes, 0),
    'gather: negative span': () => binding.gather(bytes, span(4, -1), 1, bytes, 0),
    'gather: target too short': () => binding.gather(bytes, span(0, 16), 1, bytes, 1),
    'gather: more spans than there are': () => binding.gather(bytes, span(0, 1), 2, bytes, 0),
    'scatter: span outside': () => binding.scatter(bytes, 0, bytes, span(10, 7), 1),
    'scatter: source too short': () => binding.scatter(bytes, 1, bytes, span(0, 16), 1),
    'printNumbers: source too short': () => binding.printNumbers(10, bytes, 0, 5, new Uint8Array(999), 0),
    'printNumbers: target offset outside': () => binding.printNumbers(10, bytes, 0, 1, bytes, 17),
    'splitBytes: source too short': () => binding.splitBytes(bytes, 1, 16, 1, new Uint32Array(2), false),
    'splitBytes: offsets too short': () => binding.splitBytes(bytes, 0, 16, 2, new Uint32Array(2), false),
    'joinBytes: pair outside': () => binding.joinBytes(bytes, Uint32Array.of(10, 7), 1, new Uint8Array(99), 0),
    'joinBytes: offsets too short': () => binding.joinBytes(bytes, new Uint32Array(2), 2, new Uint8Array(99), 0),
    'isUtf8: too short': () => binding.isUtf8(bytes, 10, 7),
    'fp16ToFp32: target too short': () => binding.fp16ToFp32(bytes, 0, bytes, 0, 8),
    'fp32ToFp16: source too short': () => binding.fp32ToFp16(bytes, 0, bytes, 0, 5),
    'bf16ToFp32: target too short': () => binding.bf16ToFp32(bytes, 0, bytes, 0, 8),
    'fp32ToBf16: source too short': () => binding.fp32ToBf16(bytes, 0, bytes, 0, 5),
    'imageHeader: too long': () => binding.imageHeader(bytes, 8, 9, new Float64Array(IMAGE_RESULT_LENGTH)),
    'imageHeader: result too short': () => binding.imageHeader(bytes, 0, 16, new Float64Array(IMAGE_RESULT_LENGTH - 1)),
    'softmax: source too short': () => binding.softmax(bytes, 4, bytes, 0, 2, 2),
    'softmax: target too short': () => binding.softmax(bytes, 0, bytes, 4, 2, 2),
    'softmax: rows times width beyond all numbers': () => binding.softmax(bytes, 0, bytes, 0, 2 ** 53 - 1, 2 ** 53 - 1),
    'sigmoid: target too short': () => binding.sigmoid(bytes, 0, bytes, 4, 4),
    'topK: more than there are': () => binding.topK(bytes, 0, 1, 4, 5, new Uint32Array(9)),
    'topK: indices too short': () => binding.topK(bytes, 0, 2, 2, 2, new Uint32Array(3)),
    'topK: source too short': () => binding.topK(bytes, 0, 3, 2, 1, new Uint32Array(3)),
    'detect: head too short': detection({}, { boxes: 2 }),
    'detect: boxes beyond all memory': detection({}, { boxes: 2 ** 32 - 1 }),
    'detect: no class': detection({}, { classes: 0 }),
    'detect: a layout that there is not': detection({}, { layout: 2 }),
    'detect: options too short': detection({}, { options: 8 }),
    'detect: target too short': detection({ MOST: 3 }),
    'detect: more than the limit': detection({ MOST: MOST_DETECTIONS + 1 }, { room: 100_000 }),
    'detect: a threshold that is no number': detection({ SCORE_THRESHOLD: Number.NaN }),
    'detect: scale 0': detection({ SCALE: 0 }),
    'detect: a negative width': detection({ WIDTH: -1 }),
    'imageToTensor: pixels too short': image({ 0: new Uint8Array(11) }),
    'imageToTensor: pixels left over': image({ 0: new Uint8Array(13) }),
    'imageToTensor: too few numbers': image({ 1: new Int32Array(IMAGE_LENGTH - 1) }),
    'imageToTensor: too few fractions': image({ 2: new Float64Array(IMAGE_FLOAT_LENGTH + 1) }),
    'imageToTensor: an unknown filter': image({ 1: imageInts(picture).fill(5, Image.FILTER, Image.FILTER + 1) }),
    'imageToTensor: the crop outside': image({ 1: imageInts({ ...picture, crop: { ...square, left: 1 } }) }),
    'imageToTensor: a scale that is no number': image({ 2: imageFloats({ ...picture, scale: [1, 1, Number.NaN] }) }),
    'imageToTensor: padding beyond white': image({ 2: imageFloats({ ...picture, pad: 256 }) }),
    'imageToTensor: target too short': image({ 3: new Uint8Array(47) }),
    'imageToTensor: target offset too far': image({ 4: 1 }),
    'imageToTensor: negative target offset': image({ 4: -1 }),
    'discard: too long': () => binding.discard(bytes, 8, 9),
    'boundHeap: too much': () => binding.boundHeap(2 ** 25 + 1),
    'boundHeap: too little': () => binding.boundHeap(2 ** 16 - 1),
    'boundHeap: no number': () => binding.boundHeap(Number.NaN),
    'matchHead: too long': () => binding.matchHead(target, bytes, 8, 9),
    'rememberHead: plan too large': () => binding.rememberHead(target, bytes, 0, 8, 2 ** 31),
    'matchHead: unknown target': () => binding.matchHead(999_999, bytes, 0, 8),
    'lift: unknown target': lift({ 0: 999_999 }),
    'lift: body too short': lift({ 2: 1 }),
    'lift: placement too short': lift({ 5: new Float64Array(1) }),
    'lift: placement outside the destination': lift({ 5: Float64Array.of(1, 64) }),
    'lift: result too short': lift({ 7: new Float64Array(9) }),
    'lift: depth beyond what is supported': lift({ 8: 1_000_000 }),
  };

  test.each(Object.entries(cases))('%s', (_, call) => {
    expect(call).toThrow(RangeError);
  });
});

describe('numbers that are not aligned throw RangeError', () => {
  /** Room enough for each of them, from an odd byte on. */
  const odd = new Uint8Array(new ArrayBuffer(2 ** 16), 1);
  const floats = odd as unknown as Float64Array;
  const indices = odd as unknown as Uint32Array;
  const cases: Record<string, () => unknown> = {
    'softmax: source': () => binding.softmax(odd, 0, bytes, 0, 1, 2),
    'softmax: target': () => binding.softmax(bytes, 0, odd, 0, 1, 2),
    'sigmoid: source': () => binding.sigmoid(bytes, 1, bytes, 0, 1),
    'sigmoid: target': () => binding.sigmoid(bytes, 0, bytes, 2, 1),
    'topK: source': () => binding.topK(odd, 0, 1, 2, 1, new Uint32Array(1)),
    'topK: indices': () => binding.topK(bytes, 0, 1, 2, 1, indices),
    'detect: head': () => binding.detect(odd, 0, 0, 1, 2, new Float64Array(9).fill(1), bytes, 0),
    'detect: options': () => binding.detect(new Uint8Array(28), 0, 0, 1, 2, floats, bytes, 0),
    'detect: target': () => binding.detect(new Uint8Array(28), 0, 0, 1, 2, new Float64Array(9).fill(1), odd, 0),
    'gather: spans': () => binding.gather(bytes, floats, 1, bytes, 0),
    'scatter: spans': () => binding.scatter(bytes, 0, bytes, floats, 1),
    'splitBytes: offsets': () => binding.splitBytes(bytes, 0, 8, 2, indices, false),
    'joinBytes: offsets': () => binding.joinBytes(bytes, indices, 1, new Uint8Array(99), 0),
    'lift: placement': lift({ 5: floats }),
    'lift: result': lift({ 7: floats }),
  };

  test.each(Object.entries(cases))('%s', (_, call) => {
    expect(call).toThrow(/aligned/);
    expect(call).toThrow(RangeError);
  });
});

describe('a value of the wrong type throws TypeError', () => {
  const loose = binding as unknown as Record<string, (...values: unknown[]) => unknown>;
  const cases: Record<string, () => unknown> = {
    'no memory': () => loose.copy(null, 0, bytes, 0, 1),
    'a plain array for memory': () => loose.copy([1, 2], 0, bytes, 0, 1),
    'a text for a number': () => loose.copy(bytes, '0', bytes, 0, 1),
    'too few arguments': () => loose.copy(bytes, 0),
    'a number for a boolean': () => loose.splitBytes(bytes, 0, 0, 0, new Uint32Array(0), 1),
    'an unknown datatype': () => loose.createTarget(['x'], [99], 1),
    'names that are no strings': () => loose.createTarget([1], [0], 1),
  };

  test.each(Object.entries(cases))('%s', (_, call) => {
    expect(call).toThrow(TypeError);
  });
});

test('a dropped target is forgotten, and dropping it again is nothing', () => {
  const handle = binding.createTarget(['x'], [10], 4);
  expect(binding.rememberHead(handle, bytes, 0, 16, 3)).toBe(-1);
  expect(binding.matchHead(handle, bytes, 0, 16)).toBe(3);
  binding.dropTarget(handle);
  binding.dropTarget(handle);
  expect(() => binding.matchHead(handle, bytes, 0, 16)).toThrow(RangeError);
});

test('heads are kept up to the capacity, and the one used of late outlives the others', () => {
  const handle = binding.createTarget(['x'], [10], 4);
  const head = (i: number) => Buffer.from(`head number ${i}`);
  const remember = (i: number) => binding.rememberHead(handle, head(i), 0, head(i).length, i);
  const match = (i: number) => binding.matchHead(handle, head(i), 0, head(i).length);
  expect([0, 1, 2, 3].map(remember)).toEqual([-1, -1, -1, -1]);
  for (let i = 4; i < 50; i++) {
    expect(match(0)).toBe(0);
    const evicted = remember(i);
    expect(evicted).toBeGreaterThan(0);
    expect(match(evicted)).toBe(-1);
  }
  const large = new Uint8Array(16 * 1024 + 1);
  expect(binding.rememberHead(handle, large, 0, large.length, 7)).toBe(7);
  expect(binding.matchHead(handle, large, 0, large.length)).toBe(-1);
  binding.dropTarget(handle);
});
