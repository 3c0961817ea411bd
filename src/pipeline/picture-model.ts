/** What a model version makes of pictures, made once when it comes into service. */

import { type PictureInput, pictureFiles } from '../codec/picture-plan.ts';
import { BEST_CLASSES, type OutputDeclaration } from '../core/image.ts';
import type { ModelPolicy } from '../core/model.ts';
import type { Signature } from '../core/tensor.ts';
import { holdsClasses } from '../preprocess/agreement.ts';
import { type ImagePipeline, imagePipeline } from '../preprocess/image-pipeline.ts';
import { rowDims } from '../preprocess/input-form.ts';

/** The declarations of one model version, bound to its signature. */
export interface PictureModel {
  /** How a picture becomes a row. */
  readonly pipeline: ImagePipeline;
  /** What of the outputs is answered, by name: as declared, else the best classes of those with labels; empty = all as they are. */
  readonly declared: Readonly<Record<string, OutputDeclaration>>;
  /** Per output name, one label a class. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** The same for reading requests. */
  readonly input: PictureInput;
}

/** What is declared, held against the signature before; null where the model takes tensors only. */
export function pictureModel(
  { preprocess, postprocess }: Pick<ModelPolicy, 'preprocess' | 'postprocess'>,
  signature: Signature,
  labels: ReadonlyMap<string, readonly string[]>,
): PictureModel | null {
  if (preprocess === null) return null;
  const pipeline = imagePipeline(preprocess, signature);
  const declared = Object.keys(postprocess).length > 0 ? postprocess : labelledClasses(signature, labels);
  const { name, shape } = signature.inputs[pipeline.input];
  const input: PictureInput = {
    input: pipeline.input,
    files: pictureFiles(name, shape[0]),
    rowDims: rowDims(pipeline, shape.length),
    polarity: pipeline.polarity !== null,
    answers: Object.keys(declared).length > 0,
  };
  return Object.freeze({ pipeline, declared, labels, input });
}

/** Who gives labels wants them: of each output with a label for every class, the best ones. */
function labelledClasses(
  { outputs }: Signature,
  labels: ReadonlyMap<string, readonly string[]>,
): Record<string, OutputDeclaration> {
  const labelled = outputs.filter((output) => holdsClasses(output, labels.get(output.name)));
  return Object.fromEntries(labelled.map(({ name }) => [name, BEST_CLASSES]));
}
