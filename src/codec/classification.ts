/** The classification extension: the k largest values of each row as `value:index[:label]` strings. */

import type { DatatypeInfo } from '../core/datatype.ts';
import { invalid } from '../core/error.ts';
import { elementCount, type TensorSpec } from '../core/tensor.ts';
import type { Binding } from '../native/binding.ts';
import { classText, largestOfRows, scoreTexts, valuesAt, widened } from '../native/ranking.ts';
import { type Ranked, type Rows, rankNumbers } from './rank-numbers.ts';

/** Most classes and boxes that are answered to one request: stops text that takes the front thread longer than the rest. */
export const MOST_ANSWERED = 16_384;

/**
 * Judges what a request asks for, before anything is done for it: classes become text in one step.
 * @param outputs that are asked for, and how many classes of a row of each; 0 = its numbers. @param rows of the request
 * @param batched whether an output's first dimension is the batch
 * @throws {GatewayError} INVALID_ARGUMENT where too many classes would be answered
 */
export function checkClasses(
  outputs: readonly { readonly spec: TensorSpec; readonly classification: number }[],
  rows: number,
  batched: boolean,
): void {
  const answered = outputs.reduce((sum, { spec, classification }) => {
    const classes = elementCount(spec.shape, batched ? 1 : 0);
    // A dimension that is open may be as long as it likes.
    return sum + rows * (classes < 0 ? classification : Math.min(classification, classes));
  }, 0);
  if (answered <= MOST_ANSWERED) return;
  const sentence = `up to ${answered} classes would be answered, more than the limit of ${MOST_ANSWERED}`;
  throw invalid(`${sentence}: send fewer rows, or ask for fewer classes`, 'answers');
}

/**
 * Top-k of every row: by value descending, equal ones by index, NaN last.
 * @param dims of the output; the last dimensions behind the batch one are the classes.
 * @param batched whether the first dimension is the batch.
 * @returns strings row by row, and their shape
 */
export function classify(
  binding: Binding,
  type: DatatypeInfo,
  memory: Uint8Array,
  offset: number,
  dims: readonly number[],
  batched: boolean,
  k: number,
  labels: readonly string[] | null,
): { strings: string[]; dims: number[] } {
  const rows = batched ? dims[0] : 1;
  const classes = dims.slice(batched ? 1 : 0).reduce((product, d) => product * d, 1);
  const count = Math.min(k, classes);
  const rank = type.name === 'FP32' || type.name === 'FP16' || type.name === 'BF16' ? rankFloats : rankNumbers;
  const { indices, texts } = rank(binding, type, { memory, offset, rows, classes }, count);
  const strings = texts.map((text, i) => classText(text, indices[i], labels));
  return { strings, dims: batched ? [rows, count] : [count] };
}

/** In the addon. */
function rankFloats(binding: Binding, type: DatatypeInfo, source: Rows, k: number): Ranked {
  const { memory, offset, rows, classes } = source;
  const values = widened(binding, type, memory, offset, rows * classes);
  const indices = largestOfRows(binding, values, rows, classes, k);
  return { indices, texts: scoreTexts(binding, type, valuesAt(values, indices, classes, k)) };
}
