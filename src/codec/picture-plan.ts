/**
 * Encoded pictures in place of a tensor: how a request says that it brings files, and what it wants to have of them. The files
 * themselves are read elsewhere; here an input of `n` files is planned as the tensor of `n` rows that they become.
 */

import { datatype } from '../core/datatype.ts';
import { invalid } from '../core/error.ts';
import type { Polarity } from '../core/image.ts';
import type { TensorSpec } from '../core/tensor.ts';
import { type JsonObject, optional } from './members.ts';
import type { PlannedInput } from './plan.ts';

const POLARITIES: readonly string[] = ['dark-on-light', 'light-on-dark'] satisfies Polarity[];

/** The input of a model version that takes files besides tensors. */
export interface PictureInput {
  /** Position among the model's inputs. */
  readonly input: number;
  /** The form of the files: BYTES, one element a picture. */
  readonly files: TensorSpec;
  /** Dimensions of the row that a picture becomes. */
  readonly rowDims: readonly number[];
  /** Whether a request may say how its pictures are drawn. */
  readonly polarity: boolean;
  /** Whether model.yaml says what of the outputs is answered; else the outputs are, as they are. */
  readonly answers: boolean;
}

/** What a request says of its pictures. */
export interface PictureWishes {
  /** How they are drawn; null = as model.yaml says. */
  readonly polarity: Polarity | null;
  /** Most classes answered; null = as model.yaml says. */
  readonly classification: number | null;
}

/** Pictures in a plan. */
export interface PlannedPictures extends PictureWishes {
  /** Position of their input among the model's. */
  readonly input: number;
  /** Whether what model.yaml says of the outputs is answered, and not the outputs that the plan lists. */
  readonly declared: boolean;
  /** Whether that goes in binary form. */
  readonly binary: boolean;
}

/** The files that `input` of the model takes, as a tensor of their own. @param batch the input's first dimension */
export function pictureFiles(name: string, batch: number): TensorSpec {
  return { name, datatype: datatype('BYTES'), shape: [batch] };
}

/**
 * An input that brings files, as the rows that they become. It keeps their count as its elements and their bytes as its size.
 * @param files planned as BYTES
 * @throws {GatewayError} INVALID_ARGUMENT where there are none, or more than rows can be counted
 */
export function plannedPictures(files: PlannedInput, spec: TensorSpec, { rowDims }: PictureInput): PlannedInput {
  const count = files.elements;
  if (count === 0) throw invalid(`input '${spec.name}' has no picture`);
  const dims = [count, ...rowDims];
  const bytes = dims.reduce((product, d) => product * d, spec.datatype.size);
  if (!Number.isSafeInteger(bytes)) throw invalid(`input '${spec.name}' has more pictures than can be counted`);
  // A picture is no text: JSON has no other way to spell it.
  return { ...files, spec, dims, base64: files.source === 'json', files: true };
}

/**
 * What the query of a URL says of the picture in the body. Unknown names are passed over, as everywhere.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function queryWishes(query: string, pictures: PictureInput): PictureWishes {
  const given = new URLSearchParams(query);
  const classes = given.get('classification');
  return {
    polarity: readPolarity(given.get('polarity'), pictures),
    classification: classes === null ? null : readClasses(/^\d{1,9}$/.test(classes) ? Number(classes) : classes),
  };
}

/** The same of the `parameters` of a request that brings files. @throws {GatewayError} INVALID_ARGUMENT */
export function parameterWishes(parameters: JsonObject, pictures: PictureInput): PictureWishes {
  const classes = optional(parameters, 'classification');
  return {
    polarity: readPolarity(optional(parameters, 'polarity') ?? null, pictures),
    classification: classes === undefined ? null : readClasses(classes),
  };
}

/** The whole of what is wanted. @param named whether the request names outputs @param binary whether all others are binary */
export function wantedOf(
  { polarity, classification }: PictureWishes,
  { input, answers }: PictureInput,
  named: boolean,
  binary: boolean,
): PlannedPictures {
  return { input, polarity, classification, declared: answers && !named, binary };
}

function readClasses(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw invalid("'classification' must be a whole number of at least 1");
}

function readPolarity(value: unknown, { polarity }: PictureInput): Polarity | null {
  if (value === null) return null;
  if (!polarity) throw invalid("'polarity' is given, but the model declares none");
  if (typeof value === 'string' && POLARITIES.includes(value)) return value as Polarity;
  throw invalid(`'polarity' must be ${POLARITIES.join(' or ')}`);
}
