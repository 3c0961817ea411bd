/** What one request of pictures may ask for at most. Judged as soon as it is planned: mostly before a byte of them has come. */

import { MOST_ANSWERED } from '../codec/classification.ts';
import type { PlanEntry } from '../codec/head.ts';
import { GatewayError, invalid } from '../core/error.ts';
import { mostAnswers } from '../preprocess/picture-outputs.ts';
import { filesOf } from './picture-files.ts';
import type { PictureModel } from './picture-model.ts';
import type { InferRequest } from './request.ts';

/** Most pictures of one request: stops a body of a million tiny ones, each of which takes a decoder. */
export const MOST_PICTURES = 4096;

/**
 * Does nothing where a request brings tensors only. Classes that outputs are asked for are judged with their plan, what model.yaml
 * declares here.
 * @param bodyBytes most bytes of a tensor: a file of a few bytes may become a row of many
 * @throws {GatewayError} PAYLOAD_TOO_LARGE for too many pictures, INVALID_ARGUMENT for too many answers
 */
export function checkPictures(request: InferRequest, bodyBytes: number): void {
  const { pictures } = (request.entry as PlanEntry).plan;
  if (pictures === null) return;
  const { pipeline, declared } = request.target.pictures as PictureModel;
  const count = filesOf(request).elements;
  if (count > MOST_PICTURES) {
    const sentence = `the request has ${count} images, more than the limit of ${MOST_PICTURES}`;
    throw new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit: 'images' });
  }
  const bytes = count * pipeline.rowBytes;
  if (bytes > bodyBytes) {
    const sentence = `the images become a tensor of ${bytes} bytes, more than the limit of ${bodyBytes} for a request`;
    throw new GatewayError('PAYLOAD_TOO_LARGE', sentence, { limit: 'bodyBytes' });
  }
  if (!pictures.declared) return;
  const { outputs } = request.target.facts.signature;
  const answered = count * mostAnswers(declared, outputs, pictures.classification);
  if (answered <= MOST_ANSWERED) return;
  const sentence = `up to ${answered} classes or boxes would be answered to ${count} images, more than the limit of`;
  throw invalid(`${sentence} ${MOST_ANSWERED}: send fewer images, or ask for fewer classes`, 'answers');
}
