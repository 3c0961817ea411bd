/** What is done with one picture, as numbers for a decode thread: pure arithmetic on its header and the pipeline. */

import { invalid } from '../core/error.ts';
import { type ImageWork, imageFloats, imageInts } from '../native/image.ts';
import type { ImageHeader } from '../native/image-header.ts';
import type { DecodeTask, Turn } from './decode-messages.ts';
import { type Geometry, geometry, type Size } from './geometry.ts';
import type { ImagePipeline, PixelMap } from './image-pipeline.ts';

/** What a decode thread is told, but for the bytes and where the row lies; and where the pixels go. */
export interface DecodePlan {
  readonly task: Omit<DecodeTask, 'file' | 'target'>;
  readonly geometry: Geometry;
}

/** By EXIF orientation, 1..8 (CIPA DC-008, 4.6.5). */
const TURNS: readonly Turn[] = [
  { mirrored: false, degrees: 0 },
  { mirrored: false, degrees: 0 },
  { mirrored: true, degrees: 0 },
  { mirrored: false, degrees: 180 },
  { mirrored: true, degrees: 180 },
  { mirrored: true, degrees: 270 },
  { mirrored: false, degrees: 90 },
  { mirrored: true, degrees: 90 },
  { mirrored: false, degrees: 270 },
];

/** libvips' filter that is nearest to ours, for pictures that need not be exact. */
const KERNELS = { bilinear: 'linear', area: 'linear', bicubic: 'cubic', lanczos3: 'lanczos3' } as const;

/** A JPEG is decoded smaller only from here on: sharp decodes in full what shrinks less than threefold. */
const LEAST_SHRINK = 3;

/** Longest side that `imageToTensor` resamples to. */
const LONGEST_SCALED = 2 ** 24;

/** How a picture comes onto the canvas, and what the decoder does of that. */
export interface Placement {
  readonly turn: Turn;
  readonly geometry: Geometry;
  /** Size to which the decoder brings the stored picture; null = its own. */
  readonly shrunk: Size | null;
}

/**
 * Where a picture of that header goes.
 * @throws {GatewayError} INVALID_ARGUMENT where it is such a sliver that it cannot be scaled
 */
export function placement(header: ImageHeader, pipeline: ImagePipeline): Placement {
  const turn = TURNS[pipeline.exif ? header.orientation : 1];
  const picture = turned(header, turn);
  const placed = geometry(pipeline, picture);
  const { scaled } = placed;
  if (Math.max(scaled.width, scaled.height) > LONGEST_SCALED) {
    throw invalid(`the image is too narrow: ${picture.width} x ${picture.height} pixels cannot be scaled to cover`);
  }
  const asStored = turned(scaled, turn);
  return { turn, geometry: placed, shrunk: mayShrink(header, pipeline, asStored) ? asStored : null };
}

/** The plan for a picture of that header. @throws {GatewayError} of `placement` */
export function decodePlan(header: ImageHeader, pipeline: ImagePipeline, map: PixelMap): DecodePlan {
  const { turn, geometry: placed, shrunk } = placement(header, pipeline);
  const { gray, channels } = coloursOf(header);
  const work = workOf(pipeline, map, placed, shrunk === null ? placed.picture : placed.scaled, channels);
  return {
    task: {
      stored: { width: header.width, height: header.height },
      gray,
      channels,
      turn,
      shrunk,
      kernel: pipeline.filter === 'nearest' ? 'linear' : KERNELS[pipeline.filter],
      ints: imageInts(work),
      floats: imageFloats(work),
    },
    geometry: placed,
  };
}

/** Gray of 16 bits is decoded as colours: on its way to one channel libvips would round it, where Pillow keeps the upper 8 bits. */
function coloursOf({ colour, channels, bits }: ImageHeader): { gray: boolean; channels: number } {
  if (colour !== 'gray') return { gray: false, channels };
  return bits > 8 ? { gray: false, channels: channels + 2 } : { gray: true, channels: 1 };
}

/** Whether the decoder may bring it to `scaled`, its scaled size as stored: only a JPEG is then decoded smaller, and never below. */
function mayShrink(header: ImageHeader, pipeline: ImagePipeline, scaled: Size): boolean {
  if (pipeline.exact || header.format !== 'jpeg' || pipeline.filter === 'nearest') return false;
  return Math.min(header.width / scaled.width, header.height / scaled.height) >= LEAST_SHRINK;
}

function workOf(
  pipeline: ImagePipeline,
  map: PixelMap,
  { scaled, window, at, canvas }: Geometry,
  decoded: Size,
  channels: number,
): ImageWork {
  return {
    source: { ...decoded, channels },
    resized: scaled,
    filter: pipeline.filter,
    antialias: pipeline.antialias,
    crop: { left: window.x, top: window.y, width: window.width, height: window.height },
    tensor: canvas,
    at: { left: at.x, top: at.y },
    colour: pipeline.color,
    layout: pipeline.layout,
    datatype: pipeline.datatype.name as ImageWork['datatype'],
    scale: map.multiply,
    shift: map.add,
    pad: map.pad,
  };
}

/** Its size after the turn, which is also the size before the turn of what has it after. */
function turned({ width, height }: Size, { degrees }: Turn): Size {
  return degrees % 180 === 0 ? { width, height } : { width: height, height: width };
}
