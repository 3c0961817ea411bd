/** A picture that is to be decoded: what it is, what it costs and where it goes. */

import type { ImageHeader } from '../native/image-header.ts';
import type { DecodeCost } from './decode-cost.ts';
import type { ImagePipeline, PixelMap } from './image-pipeline.ts';

/** What becomes of a picture. */
export interface DecodeJob {
  /** Whose it is: flows take turns, and none waits for all that another has sent. */
  readonly flow: string;
  /**
   * The encoded picture. In shared memory it is read where it lies, and must stay until `decode` has settled. All of an ArrayBuffer
   * changes hands (the view is empty when decoding has begun); a part of one is copied, once.
   */
  readonly file: Uint8Array;
  /** Of `judgePicture`. */
  readonly header: ImageHeader;
  /** Of `DecodePool.cost`. */
  readonly cost: DecodeCost;
  readonly pipeline: ImagePipeline;
  /** Of `pixelMap`: how the picture is drawn. */
  readonly map: PixelMap;
  /** Byte of the arena where its row of `pipeline.rowBytes` begins. It must stay the job's until `decode` has settled. */
  readonly target: number;
  /** By the pool's clock, when its turn is to have come at the latest; Infinity where that does not matter. */
  readonly deadlineUs: number;
}
