/**
 * What of a model's outputs is answered to pictures, as `postprocess` of its model.yaml declares: the best classes of every row as
 * text, the number of the best one, or boxes (`picture-boxes`). Reads finished outputs and keeps nothing.
 */

import { type DatatypeInfo, datatype } from '../core/datatype.ts';
import { GatewayError } from '../core/error.ts';
import { type ClassesDeclaration, MOST_ANSWERS, type OutputDeclaration } from '../core/image.ts';
import { elementCount, type NamedOutput } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { classText, largestOfRows, scoreTexts, valuesAt, widened } from '../native/ranking.ts';
import { boxForm, boxFormText } from './box-form.ts';
import type { Geometry } from './geometry.ts';
import { pictureBoxes } from './picture-boxes.ts';

const FP32 = datatype('FP32');
const INT64 = datatype('INT64');
const BYTES = datatype('BYTES');

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
 * @throws {GatewayError} EXECUTION_FAILED where the model answered another shape than its signature promised
 */
export function pictureOutputs(
  binding: Binding,
  declared: Readonly<Record<string, OutputDeclaration>>,
  labels: ReadonlyMap<string, readonly string[]>,
  outputs: readonly ModelOutput[],
  geometries: readonly Geometry[],
  classification: number | null,
): NamedOutput[] {
  return outputs.flatMap((output): readonly NamedOutput[] => {
    const { name, dims } = output;
    if (!Object.hasOwn(declared, name)) return [];
    if (dims[0] !== geometries.length) throw misshapen(output, `${geometries.length} rows`);
    const declaration = declared[name];
    const texts = labels.get(name) ?? null;
    if (declaration.kind === 'boxes') {
      const form = boxForm(declaration.layout, dims);
      if (form === null) throw misshapen(output, boxFormText(declaration.layout));
      return pictureBoxes(binding, declaration, form, texts, output, geometries);
    }
    if (declaration.argmax && classification === null) return [bestClass(binding, output)];
    return [bestClasses(binding, declaration, texts, output, classification ?? declaration.topK)];
  });
}

/** The model answered what its signature has no place for. */
function misshapen({ name, dims }: ModelOutput, expected: string): GatewayError {
  const message = `output '${name}' of the model: expected ${expected}, found [${dims.join(', ')}]`;
  return new GatewayError('EXECUTION_FAILED', message);
}

/** Ranked as the model puts them out: an activation keeps their order but for what it rounds to the same value. */
function bestClasses(
  binding: Binding,
  { activation, threshold }: ClassesDeclaration,
  labels: readonly string[] | null,
  output: ModelOutput,
  most: number,
): NamedOutput {
  const { name, datatype: type, memory, offset, dims } = output;
  const rows = dims[0];
  const classes = elementCount(dims, 1);
  const k = Math.min(most, classes, MOST_ANSWERS);
  const values = widened(binding, type, memory, offset, rows * classes);
  const indices = largestOfRows(binding, values, rows, classes, k);
  activate(binding, activation, values, rows, classes);
  const best = valuesAt(values, indices, classes, k);
  const texts = scoreTexts(binding, activation === 'none' ? type : FP32, best);
  // The least value is stated in decimals, and meant as the model's values are shown.
  const least = threshold === null ? null : Math.fround(threshold);
  const isAnswered = (i: number) => least === null || best[i] >= least;
  const strings = texts.map((text, i) => (isAnswered(i) ? classText(text, indices[i], labels) : ''));
  return { name, datatype: BYTES, dims: [rows, k], bytes: null, strings };
}

function bestClass(binding: Binding, output: ModelOutput): NamedOutput {
  const { name, datatype: type, memory, offset, dims } = output;
  const rows = dims[0];
  const classes = elementCount(dims, 1);
  if (classes === 0) throw misshapen(output, 'a class');
  const indices = largestOfRows(binding, widened(binding, type, memory, offset, rows * classes), rows, classes, 1);
  const numbers = BigInt64Array.from(indices, BigInt);
  return { name, datatype: INT64, dims: [rows], bytes: new Uint8Array(numbers.buffer), strings: null };
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
