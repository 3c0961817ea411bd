/** What a model version makes of pictures, made once when it comes into service. */

import { type PictureInput, pictureFiles } from '../codec/picture-plan.ts';
import type { OutputDeclaration } from '../core/image.ts';
import type { ModelPolicy } from '../core/model.ts';
import type { Signature } from '../core/tensor.ts';
import { type ImagePipeline, imagePipeline } from '../preprocess/image-pipeline.ts';
import { rowDims } from '../preprocess/input-form.ts';

/** The declarations of one model version, bound to its signature. */
export interface PictureModel {
  /** How a picture becomes a row. */
  readonly pipeline: ImagePipeline;
  /** What of the outputs is answered, by name; empty = all of them as they are. */
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
  const { name, shape } = signature.inputs[pipeline.input];
  const input: PictureInput = {
    input: pipeline.input,
    files: pictureFiles(name, shape[0]),
    rowDims: rowDims(pipeline, shape.length),
    polarity: pipeline.polarity !== null,
    answers: Object.keys(postprocess).length > 0,
  };
  return Object.freeze({ pipeline, declared: postprocess, labels, input });
}
