/** How a model's input holds an image: which of its dimensions are channels, height and width. */

import type { ImageDeclaration, ImageLayout } from '../core/image.ts';
import type { ImagePipeline } from './image-pipeline.ts';

/** Dimensions of one image in the input, -1 where variable. */
export interface InputForm {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The form of an input of `shape`, the first dimension being the batch: four dimensions in the order of `layout`, or three where a
 * gray image has none of its own for its channel. null for any other shape, flat rows among them.
 */
export function inputForm(shape: readonly number[], layout: ImageLayout, gray: boolean): InputForm | null {
  if (shape.length === 3 && gray) return { channels: 1, height: shape[1], width: shape[2] };
  if (shape.length !== 4) return null;
  const [, first, second, third] = shape as readonly [number, number, number, number];
  if (layout === 'NCHW') return { channels: first, height: second, width: third };
  return { channels: third, height: first, width: second };
}

/** Pixels of the tensor: what is declared, else what the input says; -1 where neither does. */
export function inputSize(declared: ImageDeclaration, shape: readonly number[]): { width: number; height: number } {
  const { resize, layout, color } = declared;
  const form = inputForm(shape, layout, color === 'GRAY');
  return { width: resize.width ?? form?.width ?? -1, height: resize.height ?? form?.height ?? -1 };
}

/** Dimensions of the row that a picture becomes, for an input of `rank` dimensions: four, three for a gray one, or two where it is flat. */
export function rowDims(
  { width, height, channels, layout }: Pick<ImagePipeline, 'width' | 'height' | 'channels' | 'layout'>,
  rank: number,
): readonly number[] {
  if (rank === 2) return [width * height * channels];
  if (rank === 3) return [height, width];
  return layout === 'NCHW' ? [channels, height, width] : [height, width, channels];
}
