/** Plans of bodies without a head: the bytes of a model's one input, or one encoded picture for it. */

import type { DatatypeInfo } from '../core/datatype.ts';
import { invalid } from '../core/error.ts';
import { elementCount, type TensorSpec } from '../core/tensor.ts';
import { checkClasses } from './classification.ts';
import { NORMAL_PRIORITY } from './members.ts';
import {
  type PictureInput,
  type PictureWishes,
  type PlannedPictures,
  plannedPictures,
  wantedOf,
} from './picture-plan.ts';
import { everyOutput, type PlanModel, type PlannedInput, type RequestPlan, shapeKey } from './plan.ts';

/**
 * The plan of a raw-binary request (`Inference-Header-Content-Length: 0`): the body is the one input's bytes, batch 1.
 * @param bytes length of the body.
 * @throws {GatewayError} INVALID_ARGUMENT where the model has several inputs or more than one free dimension
 */
export function planRaw(bytes: number, model: PlanModel): RequestPlan {
  const spec = onlyInput(model, 'a raw binary request');
  const dims = rawDims(spec, bytes, model.maxBatchSize > 0);
  const elements = elementCount(dims);
  const wanted = spec.datatype.size === 0 ? bytes : elements * spec.datatype.size;
  if (wanted !== bytes) {
    throw invalid(`input '${spec.name}' expects a raw body of ${wanted} bytes for shape [${dims}], found ${bytes}`);
  }
  const input = { spec, dims, elements, source: 'binary', bytes, ordinal: 0, base64: false, files: false } as const;
  return planned(input, model, null, () => true);
}

/**
 * The plan of a body that is one encoded picture, for a model that takes them. What is answered is JSON, but for outputs that have no
 * such form.
 * @param bytes length of the body.
 * @throws {GatewayError} INVALID_ARGUMENT where the model has several inputs, or an output cannot be answered as wished
 */
export function planPicture(bytes: number, model: PlanModel, wishes: PictureWishes): RequestPlan {
  const spec = onlyInput(model, 'a picture as the body');
  const pictures = model.pictures as PictureInput;
  const { files } = pictures;
  const file = { spec: files, dims: [1], elements: 1, source: 'binary', bytes, ordinal: 0, base64: false } as const;
  const input = plannedPictures({ ...file, files: false }, spec, pictures);
  // Classes are text; of the numbers, halves have no form in JSON.
  const isBinary = ({ name }: DatatypeInfo) => wishes.classification === null && (name === 'FP16' || name === 'BF16');
  return planned(input, model, wantedOf(wishes, pictures, false, false), isBinary);
}

function onlyInput({ signature }: PlanModel, what: string): TensorSpec {
  const [spec, more] = signature.inputs;
  if (more !== undefined) throw invalid(`${what} needs a model with exactly one input`);
  return spec;
}

function planned(
  input: PlannedInput,
  model: PlanModel,
  pictures: PlannedPictures | null,
  binary: (datatype: DatatypeInfo) => boolean,
): RequestPlan {
  const outputs = everyOutput(model.signature, pictures, binary);
  checkClasses(outputs, 1, model.maxBatchSize > 0);
  return {
    rows: 1,
    shapeKey: shapeKey([input], model),
    inputs: [input],
    bodyOrder: [0],
    outputs,
    timeoutUs: 0,
    priority: NORMAL_PRIORITY,
    hasJson: false,
    pictures,
  };
}

function rawDims(spec: TensorSpec, bytes: number, batched: boolean): number[] {
  const dims = [...spec.shape];
  if (batched) dims[0] = 1;
  const free = dims.filter((d) => d < 0).length;
  if (spec.datatype.size === 0) {
    const one = dims.map((d) => (d < 0 ? 1 : d));
    if (elementCount(one) === 1) return one;
    throw invalid(`input '${spec.name}' takes a raw body only as one element, its shape is [${spec.shape}]`);
  }
  if (free > 1) throw invalid(`input '${spec.name}' has more than one free dimension: send its shape in a JSON head`);
  const fixed = dims.reduce((product, d) => (d < 0 ? product : product * d), spec.datatype.size);
  return dims.map((d) => (d < 0 ? Math.floor(bytes / Math.max(1, fixed)) : d));
}
