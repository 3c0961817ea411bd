/**
 * The files of a request, as they lie in the arena: base64 is decoded in its place, and every file is judged by its header. Nothing is
 * decoded here, and others are read and answered between two files.
 */

import { decodeBase64 } from '../codec/base64.ts';
import type { PlanEntry } from '../codec/head.ts';
import type { PlannedPictures } from '../codec/picture-plan.ts';
import type { PlannedInput } from '../codec/plan.ts';
import { splitElements } from '../codec/strings.ts';
import { asGatewayError, GatewayError, invalid } from '../core/error.ts';
import type { Pace, Pacing } from '../core/pace.ts';
import type { Arena } from '../native/arena.ts';
import type { Binding } from '../native/binding.ts';
import type { ImageHeader } from '../native/image-header.ts';
import type { DecodeCost } from '../preprocess/decode-cost.ts';
import type { DecodePool } from '../preprocess/decode-pool.ts';
import { judgePicture, type PictureLimits } from '../preprocess/judge.ts';
import type { PictureModel } from './picture-model.ts';
import type { InferRequest } from './request.ts';

/** One file. */
export interface Picture {
  readonly file: Uint8Array;
  readonly header: ImageHeader;
  readonly cost: DecodeCost;
}

/** Reads files. */
export class PictureFiles {
  readonly #binding: Binding;
  readonly #arena: Arena;
  readonly #limits: PictureLimits;
  readonly #pool: Pick<DecodePool, 'cost'>;
  readonly #pace: Pace;

  constructor(binding: Binding, arena: Arena, limits: PictureLimits, pool: Pick<DecodePool, 'cost'>, pace: Pace) {
    this.#binding = binding;
    this.#arena = arena;
    this.#limits = limits;
    this.#pool = pool;
    this.#pace = pace;
  }

  /**
   * Every file with its header and cost, in order.
   * @throws {GatewayError} (as rejection) INVALID_ARGUMENT, UNSUPPORTED_MEDIA_TYPE or PAYLOAD_TOO_LARGE for the first that cannot be
   * taken; CANCELLED where the request ends meanwhile
   */
  async judged(request: InferRequest): Promise<Picture[]> {
    const input = filesOf(request);
    const spans = this.#spans(request, input);
    const pace = this.#pace.while(() => request.state !== 'ENDED');
    const pictures: Picture[] = [];
    for (let i = 0; i < input.elements; i++) {
      while (pace.over()) await pace.turn();
      pictures.push(await this.#judge(request, input, i, spans[2 * i], spans[2 * i + 1], pace));
    }
    return pictures;
  }

  /** Start and length of every file in the arena. */
  #spans({ raw, offsets, sizes, entry }: InferRequest, { elements, spec }: PlannedInput): Uint32Array {
    const { input } = (entry as PlanEntry).plan.pictures as PlannedPictures;
    if (raw) return Uint32Array.of(offsets[input], sizes[input]);
    return splitElements(this.#binding, this.#arena.bytes, offsets[input], sizes[input], elements, spec.name, false);
  }

  async #judge(
    { raw, target }: InferRequest,
    input: PlannedInput,
    i: number,
    offset: number,
    length: number,
    pace: Pacing,
  ): Promise<Picture> {
    const { bytes } = this.#arena;
    try {
      const size = input.base64 ? await decodeBase64(bytes, offset, length, pace) : length;
      if (size < 0) throw invalid('expected base64');
      const header = judgePicture(this.#binding, this.#limits, bytes, offset, size);
      const { pipeline } = target.pictures as PictureModel;
      const file = bytes.subarray(offset, offset + size);
      return { file, header, cost: this.#pool.cost({ file, header, pipeline }) };
    } catch (error) {
      throw raw ? error : ofElement(input, i, asGatewayError(error));
    }
  }
}

/** The input that was sent as files. */
export function filesOf({ entry }: InferRequest): PlannedInput {
  const { inputs, pictures } = (entry as PlanEntry).plan;
  return inputs[(pictures as PlannedPictures).input];
}

/**
 * The refusal of one of several pictures: which one it is. That it is of no format that is taken is said by the media type of a body;
 * an element of a tensor has none.
 */
export function ofElement({ spec }: PlannedInput, element: number, error: GatewayError): GatewayError {
  const { cause, limit, retryAfterMs } = error;
  const code = error.code === 'UNSUPPORTED_MEDIA_TYPE' ? 'INVALID_ARGUMENT' : error.code;
  if (code !== 'INVALID_ARGUMENT' && code !== 'PAYLOAD_TOO_LARGE') return error;
  const sentence = `input '${spec.name}', element ${element}: ${error.message}`;
  return new GatewayError(code, sentence, { cause, retryAfterMs, ...(limit === null ? {} : { limit }) });
}
