/** What is done to one decoded image, in words; the addon's numbers are made of it here. */

import type { Binding } from './binding.ts';
import {
  IMAGE_FLOAT_LENGTH,
  IMAGE_LENGTH,
  Image,
  ImageColour,
  ImageElement,
  ImageFilter,
  ImageFloat,
  ImageLayout,
} from './image-words.ts';

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The upper left pixel of something in something larger. */
export interface Place {
  readonly left: number;
  readonly top: number;
}

/** What `imageToTensor` is told; every number is in pixels unless it says otherwise. `image-words.ts` has the details. */
export interface ImageWork {
  readonly source: Size & { readonly channels: number };
  /** What the source is resampled to; the source's own size where it is not. */
  readonly resized: Size;
  readonly filter: 'nearest' | 'bilinear' | 'bicubic' | 'lanczos3' | 'area';
  readonly antialias: boolean;
  /** The part of the resampled image that is computed. */
  readonly crop: Size & Place;
  /** Size of the tensor, and where the crop lies in it. */
  readonly tensor: Size;
  readonly at: Place;
  readonly colour: keyof typeof ImageColour;
  readonly layout: keyof typeof ImageLayout;
  readonly datatype: keyof typeof ImageElement;
  /** element = pixel * scale + shift, by channel in the tensor's own order: one number for GRAY, otherwise three. */
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  /** 0..255, for what is around the crop. */
  readonly pad: number;
}

const FILTERS = {
  nearest: ImageFilter.NEAREST,
  bilinear: ImageFilter.BILINEAR,
  bicubic: ImageFilter.BICUBIC,
  lanczos3: ImageFilter.LANCZOS3,
  area: ImageFilter.AREA,
} as const;

/** Bytes of the tensor that `work` makes. */
export function tensorBytes(work: Pick<ImageWork, 'tensor' | 'colour' | 'datatype'>): number {
  const channels = work.colour === 'GRAY' ? 1 : 3;
  const size = { FP32: 4, FP16: 2, UINT8: 1 }[work.datatype];
  return work.tensor.width * work.tensor.height * channels * size;
}

/**
 * Writes the tensor of one image into `target` from byte `offset` on; `tensorBytes(work)` bytes, and nothing else.
 * @param pixels the source, packed rows. @throws RangeError where `work` does not fit itself or its memories
 */
export function imageToTensor(
  binding: Pick<Binding, 'imageToTensor'>,
  pixels: Uint8Array,
  work: ImageWork,
  target: Uint8Array,
  offset: number,
): number {
  return binding.imageToTensor(pixels, imageInts(work), imageFloats(work), target, offset);
}

/** The whole numbers of `work`, for the addon. @param plain without vector units, for tests. */
export function imageInts(work: ImageWork, plain = false): Int32Array {
  const ints = new Int32Array(IMAGE_LENGTH);
  ints[Image.WIDTH] = work.source.width;
  ints[Image.HEIGHT] = work.source.height;
  ints[Image.CHANNELS] = work.source.channels;
  ints[Image.RESIZED_WIDTH] = work.resized.width;
  ints[Image.RESIZED_HEIGHT] = work.resized.height;
  ints[Image.FILTER] = FILTERS[work.filter];
  ints[Image.ANTIALIAS] = work.antialias ? 1 : 0;
  ints[Image.CROP_LEFT] = work.crop.left;
  ints[Image.CROP_TOP] = work.crop.top;
  ints[Image.CROP_WIDTH] = work.crop.width;
  ints[Image.CROP_HEIGHT] = work.crop.height;
  ints[Image.TENSOR_WIDTH] = work.tensor.width;
  ints[Image.TENSOR_HEIGHT] = work.tensor.height;
  ints[Image.AT_LEFT] = work.at.left;
  ints[Image.AT_TOP] = work.at.top;
  ints[Image.COLOUR] = ImageColour[work.colour];
  ints[Image.LAYOUT] = ImageLayout[work.layout];
  ints[Image.ELEMENT] = ImageElement[work.datatype];
  ints[Image.PLAIN] = plain ? 1 : 0;
  return ints;
}

/** The fractions of `work`, for the addon. */
export function imageFloats(work: ImageWork): Float64Array {
  const floats = new Float64Array(IMAGE_FLOAT_LENGTH);
  floats.set(work.scale, ImageFloat.SCALE);
  floats.set(work.shift, ImageFloat.SHIFT);
  floats[ImageFloat.PAD] = work.pad;
  return floats;
}
