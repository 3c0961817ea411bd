/**
 * What of a model's outputs is answered to pictures, as `postprocess` of its model.yaml declares: the best classes of every row as
 * text, the number of the best one, or boxes (`picture-boxes`). Ranks finished outputs step by step and keeps nothing; what was found is
 * put together, and written, in one.
 */

import { type DatatypeInfo, datatype } from '../core/datatype.ts';
import { GatewayError } from '../core/error.ts';
import { type ClassesDeclaration, MOST_ANSWERS, type OutputDeclaration } from '../core/image.ts';
import type { Pacing } from '../core/pace.ts';
import { elementCount, type NamedOutput, type TensorSpec } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { classText, largestOfRows, scoreTexts, valuesAt, widened } from '../native/ranking.ts';
import { boxForm, boxFormText } from './box-form.ts';
import type { Geometry } from './geometry.ts';
import { pictureBoxes } from './picture-boxes.ts';

const FP32 = datatype('FP32');
const INT64 = datatype('INT64');
const BYTES = datatype('BYTES');

/** Rows of an output that are ranked in one step have no more numbers than this, and become no more texts; a row is never cut. */
const STEP_NUMBERS = 65_536;
const STEP_TEXTS = 2_048;

/** A finished output of the model, rows first: FP32 or FP16, `bytes` of them at `offset`, of any alignment. */
export interface ModelOutput {
  readonly name: string;
  readonly datatype: DatatypeInfo;
  readonly dims: readonly number[];
  readonly memory: Uint8Array;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The answer to a request of pictures: of each declared output, in the model's order, what is declared of it.
 *
 * - classes: BYTES [rows, k] of `value:index:label`, best first; `""` where the threshold leaves fewer.
 * - argmax: INT64 [rows].
 * - boxes: FP32 [rows, n, 6], INT32 [rows] and, with labels, BYTES [rows, n]; see `pictureBoxes`.
 * @param labels per output, one a class. @param geometries one a row.
 * @param classification how many classes the caller asks for, instead of `topK` and of argmax; null = as declared
 * @param outputs must stay until the promise has settled: a few rows are read in one step
 * @param pace asked before every step; what it throws ends the work
 * @throws {GatewayError} (as rejection) EXECUTION_FAILED where the model answered another shape than its signature promised
 */
export async function pictureOutputs(
  binding: Binding,
  declared: Readonly<Record<string, OutputDeclaration>>,
  labels: ReadonlyMap<string, readonly string[]>,
  outputs: readonly ModelOutput[],
  geometries: readonly Geometry[],
  classification: number | null,
  pace: Pacing,
): Promise<NamedOutput[]> {
  const answered: NamedOutput[] = [];
  for (const output of outputs) {
    const { name, dims } = output;
    if (!Object.hasOwn(declared, name)) continue;
    if (dims[0] !== geometries.length) throw misshapen(output, `${geometries.length} rows`);
    const declaration = declared[name];
    const texts = labels.get(name) ?? null;
    if (declaration.kind === 'boxes') {
      const form = boxForm(declaration.layout, dims);
      if (form === null) throw misshapen(output, boxFormText(declaration.layout));
      answered.push(...(await pictureBoxes(binding, declaration, form, texts, output, geometries, pace)));
    } else if (declaration.argmax && classification === null) {
      answered.push(await bestClass(binding, output, pace));
    } else {
      const most = classification ?? declaration.topK;
      answered.push(await bestClasses(binding, declaration, texts, output, most, pace));
    }
  }
  return answered;
}

/**
 * Most classes and boxes that are answered to one picture.
 * @param outputs of the model; a dimension that is open may be as long as it likes. @param classification as above
 */
export function mostAnswers(
  declared: Readonly<Record<string, OutputDeclaration>>,
  outputs: readonly TensorSpec[],
  classification: number | null,
): number {
  return outputs.reduce((sum, { name, shape }) => {
    if (!Object.hasOwn(declared, name)) return sum;
    const declaration = declared[name];
    if (declaration.kind === 'boxes') {
      const boxes = boxForm(declaration.layout, shape)?.boxes ?? -1;
      return sum + atMost(declaration.maxDetections, boxes);
    }
    const classes = elementCount(shape, 1);
    const wanted = classification ?? (declaration.argmax ? 1 : declaration.topK);
    return sum + atMost(Math.min(wanted, MOST_ANSWERS), classes);
  }, 0);
}

/** @param length -1 where it is open */
function atMost(most: number, length: number): number {
  return length < 0 ? most : Math.min(most, length);
}

/** The model answered what its signature has no place for. */
function misshapen({ name, dims }: ModelOutput, expected: string): GatewayError {
  const message = `output '${name}' of the model: expected ${expected}, found [${dims.join(', ')}]`;
  return new GatewayError('EXECUTION_FAILED', message);
}

async function bestClasses(
  binding: Binding,
  declared: ClassesDeclaration,
  labels: readonly string[] | null,
  output: ModelOutput,
  most: number,
  pace: Pacing,
): Promise<NamedOutput> {
  const { name, dims } = output;
  const k = Math.min(most, elementCount(dims, 1), MOST_ANSWERS);
  const strings: string[] = [];
  for (const part of parts(output, k)) {
    while (pace.over()) await pace.turn();
    strings.push(...classTexts(binding, declared, labels, part, k));
  }
  return { name, datatype: BYTES, dims: [dims[0], k], bytes: null, strings };
}

/** Ranked as the model puts them out: an activation keeps their order but for what it rounds to the same value. */
function classTexts(
  binding: Binding,
  { activation, threshold }: ClassesDeclaration,
  labels: readonly string[] | null,
  { datatype: type, memory, offset, dims }: ModelOutput,
  k: number,
): string[] {
  const rows = dims[0];
  const classes = elementCount(dims, 1);
  const values = widened(binding, type, memory, offset, rows * classes);
  const indices = largestOfRows(binding, values, rows, classes, k);
  activate(binding, activation, values, rows, classes);
  const best = valuesAt(values, indices, classes, k);
  const texts = scoreTexts(binding, activation === 'none' ? type : FP32, best);
  // The least value is stated in decimals, and meant as the model's values are shown.
  const least = threshold === null ? null : Math.fround(threshold);
  const isAnswered = (i: number) => least === null || best[i] >= least;
  return texts.map((text, i) => (isAnswered(i) ? classText(text, indices[i], labels) : ''));
}

async function bestClass(binding: Binding, output: ModelOutput, pace: Pacing): Promise<NamedOutput> {
  const { name, datatype: type, dims } = output;
  const classes = elementCount(dims, 1);
  if (classes === 0) throw misshapen(output, 'a class');
  const numbers = new BigInt64Array(dims[0]);
  let row = 0;
  for (const { memory, offset, dims } of parts(output, 1)) {
    while (pace.over()) await pace.turn();
    const values = widened(binding, type, memory, offset, dims[0] * classes);
    for (const index of largestOfRows(binding, values, dims[0], classes, 1)) numbers[row++] = BigInt(index);
  }
  return { name, datatype: INT64, dims: [dims[0]], bytes: new Uint8Array(numbers.buffer), strings: null };
}

/** The output as outputs of so few rows that one takes little time. @param k texts that a row becomes */
function* parts(output: ModelOutput, k: number): Generator<ModelOutput> {
  const { dims, datatype: type, offset } = output;
  const classes = elementCount(dims, 1);
  const rowBytes = classes * type.size;
  const step = Math.max(1, Math.floor(Math.min(STEP_NUMBERS / Math.max(1, classes), STEP_TEXTS / Math.max(1, k))));
  for (let row = 0; row < dims[0]; row += step) {
    const rows = Math.min(step, dims[0] - row);
    yield { ...output, dims: [rows, ...dims.slice(1)], offset: offset + row * rowBytes, bytes: rows * rowBytes };
  }
}

/** In place. */
function activate(
  binding: Binding,
  activation: ClassesDeclaration['activation'],
  values: Float32Array<ArrayBuffer>,
  rows: number,
  classes: number,
): void {
  const bytes = new Uint8Array(values.buffer);
  if (activation === 'softmax') binding.softmax(bytes, 0, bytes, 0, rows, classes);
  else if (activation === 'sigmoid') binding.sigmoid(bytes, 0, bytes, 0, values.length);
}
