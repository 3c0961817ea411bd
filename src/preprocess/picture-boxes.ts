/** Boxes out of a detector's output, in pixels of the pictures that callers sent, as rows of one length. */

import { datatype } from '../core/datatype.ts';
import type { BoxesDeclaration } from '../core/image.ts';
import type { Pacing } from '../core/pace.ts';
import type { NamedOutput } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { type DetectionRules, detect, type Letterbox } from '../native/detections.ts';
import { DETECTION_WIDTH } from '../native/image-words.ts';
import { widened } from '../native/ranking.ts';
import { type BoxForm, besideBoxes, boxNumbers } from './box-form.ts';
import { type Geometry, onPicture } from './geometry.ts';
import type { ModelOutput } from './picture-outputs.ts';

const FP32 = datatype('FP32');
const INT32 = datatype('INT32');
const BYTES = datatype('BYTES');

/** Place of the class in a detection. */
const LABEL = 5;

/** Float32s in memory, aligned. */
interface Floats {
  readonly memory: Uint8Array;
  readonly offset: number;
}

/**
 * The boxes of every row, the best first, and what accompanies them; n is the most that a row has, and what a row lacks is zeros.
 *
 * - NAME: FP32 [rows, n, 6], x1, y1, x2, y2 (pixels of the picture, after its orientation, cut at its edges), score, class.
 * - NAME_count: INT32 [rows], how many of them are boxes.
 * - NAME_labels, where there are labels: BYTES [rows, n].
 *
 * What lies outside the canvas was not seen by the model, and is cut off: `cover` and `shortest-side` leave pictures' edges out.
 * @param form of the output. @param geometries one a row.
 */
export async function pictureBoxes(
  binding: Binding,
  declared: BoxesDeclaration,
  form: BoxForm,
  labels: readonly string[] | null,
  output: ModelOutput,
  geometries: readonly Geometry[],
  pace: Pacing,
): Promise<NamedOutput[]> {
  const { name } = output;
  const rows = geometries.length;
  const found: Float32Array[] = [];
  for (const [row, geometry] of geometries.entries()) {
    while (pace.over()) await pace.turn();
    found.push(boxesOf(binding, declared, form, rowOf(binding, declared, form, output, row), geometry));
  }
  const n = Math.max(0, ...found.map(countOf));
  const beside = besideBoxes(name);
  const boxes = { name, datatype: FP32, dims: [rows, n, DETECTION_WIDTH], bytes: padded(found, n), strings: null };
  const counts = new Uint8Array(Int32Array.from(found, countOf).buffer);
  const count = { name: beside.count, datatype: INT32, dims: [rows], bytes: counts, strings: null };
  if (labels === null) return [boxes, count];
  const strings = found.flatMap((row) => labelsOf(row, n, labels));
  return [boxes, count, { name: beside.labels, datatype: BYTES, dims: [rows, n], bytes: null, strings }];
}

/** One row of the output as the kernel takes it; copied only where it must be widened or is not aligned. */
function rowOf(
  binding: Binding,
  { layout }: BoxesDeclaration,
  form: BoxForm,
  { datatype: type, memory, offset }: ModelOutput,
  row: number,
): Floats {
  const numbers = boxNumbers(layout, form);
  const at = offset + row * numbers * type.size;
  if (type.name === 'FP32' && (memory.byteOffset + at) % type.size === 0) return { memory, offset: at };
  return { memory: new Uint8Array(widened(binding, type, memory, at, numbers).buffer), offset: 0 };
}

/** The boxes of one picture, `DETECTION_WIDTH` numbers each: found on the canvas, and brought to the picture. */
function boxesOf(
  binding: Binding,
  { layout, scoreThreshold, iouThreshold, maxDetections, classAgnostic }: BoxesDeclaration,
  form: BoxForm,
  floats: Floats,
  geometry: Geometry,
): Float32Array {
  const rules: DetectionRules = { scoreThreshold, iouThreshold, maxDetections, acrossClasses: classAgnostic };
  const canvas: Letterbox = { scale: 1, padX: 0, padY: 0, ...geometry.canvas };
  const boxes = new Float32Array(maxDetections * DETECTION_WIDTH);
  const count = detect(binding, { ...floats, layout, ...form }, rules, canvas, new Uint8Array(boxes.buffer), 0);
  for (let at = 0; at < count * DETECTION_WIDTH; at += DETECTION_WIDTH) {
    const [x1, y1, x2, y2] = boxes.subarray(at, at + 4);
    const box = onPicture(geometry, { x1, y1, x2, y2 });
    boxes.set([box.x1, box.y1, box.x2, box.y2], at);
  }
  return boxes.subarray(0, count * DETECTION_WIDTH);
}

function countOf(boxes: Float32Array): number {
  return boxes.length / DETECTION_WIDTH;
}

/** Rows of `n` boxes side by side. */
function padded(found: readonly Float32Array[], n: number): Uint8Array {
  const all = new Float32Array(found.length * n * DETECTION_WIDTH);
  found.forEach((boxes, row) => {
    all.set(boxes, row * n * DETECTION_WIDTH);
  });
  return new Uint8Array(all.buffer);
}

/** Empty where the row has no box, or its class no label. */
function labelsOf(boxes: Float32Array, n: number, labels: readonly string[]): string[] {
  return Array.from({ length: n }, (_, box) => labels[boxes[box * DETECTION_WIDTH + LABEL]] ?? '');
}
