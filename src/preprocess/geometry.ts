/**
 * Where the pixels of a picture go: pure arithmetic on a pipeline and the size of a picture, after its orientation. A picture is
 * scaled, a window of it is cut out, and that lies somewhere on the canvas, which is the tensor; what it leaves free is padded.
 */

import type { ImagePipeline } from './image-pipeline.ts';

/** Width and height, pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Upper left corner and size, pixels. */
export interface Rectangle extends Size {
  readonly x: number;
  readonly y: number;
}

/** A box between two corners; not on whole pixels. */
export interface Corners {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** How one picture comes onto the canvas. */
export interface Geometry {
  /** The picture's own size, after its orientation. */
  readonly picture: Size;
  /** Its size when scaled, of which only the window needs to be computed. */
  readonly scaled: Size;
  /** What is cut out of the scaled picture; lies inside it. */
  readonly window: Rectangle;
  /** Where the window lies on the canvas; as large as the window. */
  readonly at: { readonly x: number; readonly y: number };
  /** The tensor's size. */
  readonly canvas: Size;
}

type Target = Pick<ImagePipeline, 'mode' | 'width' | 'height' | 'shortestSide'>;

/** The geometry of a picture of that size, which is at least 1 by 1. */
export function geometry(pipeline: Target, picture: Size): Geometry {
  const scaled = scaledSize(pipeline, picture);
  const canvas = { width: pipeline.width, height: pipeline.height };
  const place = pipeline.mode === 'contain' ? letterboxed : centred;
  const x = place(scaled.width, canvas.width);
  const y = place(scaled.height, canvas.height);
  return {
    picture,
    scaled,
    window: { x: x.from, y: y.from, width: x.length, height: y.length },
    at: { x: x.to, y: y.to },
    canvas,
  };
}

/**
 * Corners on the canvas as corners on the picture, cut at its edges. It undoes what was done to the pixels: scaled sizes are whole,
 * so the two directions may differ a little from the one ratio that ultralytics divides by (less than a pixel of the canvas).
 */
export function onPicture({ picture, scaled, window, at }: Geometry, box: Corners): Corners {
  const x = (value: number) => within(((value - at.x + window.x) * picture.width) / scaled.width, picture.width);
  const y = (value: number) => within(((value - at.y + window.y) * picture.height) / scaled.height, picture.height);
  return { x1: x(box.x1), y1: y(box.y1), x2: x(box.x2), y2: y(box.y2) };
}

/** Python's round(): to the nearest whole number, halves to the even one. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function scaledSize(pipeline: Target, { width, height }: Size): Size {
  const { mode, shortestSide } = pipeline;
  if (mode === 'shortest-side') return cover(shortestSide, shortestSide, width, height);
  if (mode === 'cover') return cover(pipeline.width, pipeline.height, width, height);
  if (mode === 'contain') return contain(pipeline.width, pipeline.height, width, height);
  return { width: pipeline.width, height: pipeline.height };
}

/**
 * The least size of the same shape that covers w by h: one side fits, the other is cut to a whole number. For a square that is
 * torchvision's Resize(int): the long side is `int(size * long / short)`.
 */
function cover(w: number, h: number, width: number, height: number): Size {
  if (w * height >= h * width) return { width: w, height: Math.trunc((w * height) / width) };
  return { width: Math.trunc((h * width) / height), height: h };
}

/** ultralytics' LetterBox: both sides by the smaller ratio, rounded; a sliver keeps one pixel. */
function contain(w: number, h: number, width: number, height: number): Size {
  const ratio = Math.min(h / height, w / width);
  return {
    width: Math.max(1, roundHalfEven(width * ratio)),
    height: Math.max(1, roundHalfEven(height * ratio)),
  };
}

/** Along one side: what is taken of the scaled picture, from where, and where it goes to on the canvas. */
interface Span {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** torchvision's CenterCrop: too long is cut at `int(round((long - size) / 2.0))`, too short is padded by half of it, rounded down. */
function centred(scaled: number, canvas: number): Span {
  if (scaled < canvas) return { from: 0, to: Math.floor((canvas - scaled) / 2), length: scaled };
  return { from: roundHalfEven((scaled - canvas) / 2), to: 0, length: canvas };
}

/** ultralytics' LetterBox: half of what is left stands before the picture, `round(half - 0.1)`. */
function letterboxed(scaled: number, canvas: number): Span {
  return { from: 0, to: Math.max(0, roundHalfEven((canvas - scaled) / 2 - 0.1)), length: scaled };
}

function within(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}
