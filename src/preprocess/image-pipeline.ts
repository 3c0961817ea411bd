/** A declared pipeline bound to the input that it fills: every number that a picture's way into a row needs, frozen. */

import { type DatatypeInfo, datatype } from '../core/datatype.ts';
import {
  type ImageColor,
  type ImageDeclaration,
  type ImageLayout,
  type Polarity,
  type ResizeFilter,
  type ResizeMode,
  WHITE,
} from '../core/image.ts';
import type { Signature } from '../core/tensor.ts';
import { inputSize } from './input-form.ts';

/** What a pixel of 0..255 becomes in channel c of the tensor: `pixel * multiply[c] + add[c]`. Derived in double. */
export interface PixelMap {
  readonly multiply: readonly number[];
  readonly add: readonly number[];
  /** Pixel of every channel where the picture does not reach; the map turns it into what the model is to see there. */
  readonly pad: number;
}

/** How a picture becomes one row of the tensor. Immutable. */
export interface ImagePipeline {
  /** Position of the tensor among the model's inputs. */
  readonly input: number;
  /** Pixels of the tensor. */
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly mode: ResizeMode;
  /** Pixels of the shorter side before the crop; 0 for modes other than `shortest-side`. */
  readonly shortestSide: number;
  readonly filter: ResizeFilter;
  readonly antialias: boolean;
  readonly color: ImageColor;
  readonly layout: ImageLayout;
  readonly datatype: DatatypeInfo;
  /** Whether the picture is turned as its EXIF orientation says, before all else. */
  readonly exif: boolean;
  readonly exact: boolean;
  /** null = a request cannot say how its pictures are drawn. */
  readonly polarity: ImageDeclaration['polarity'];
  /** For pictures drawn as the model knows them, and for those drawn the other way round. */
  readonly straight: PixelMap;
  readonly inverted: PixelMap;
  /** Bytes of one image's row. */
  readonly rowBytes: number;
}

/** The pipeline of a declaration that agrees with the model's signature (`disagreements` gives none). */
export function imagePipeline(declared: ImageDeclaration, signature: Signature): ImagePipeline {
  const input = signature.inputs.findIndex(({ name }) => name === declared.input);
  const { width, height } = inputSize(declared, signature.inputs[input].shape);
  const { mode, filter, antialias } = declared.resize;
  const { color, layout, exact, polarity } = declared;
  const type = datatype(declared.datatype);
  const channels = color === 'GRAY' ? 1 : 3;
  return Object.freeze({
    input,
    width,
    height,
    channels,
    mode,
    shortestSide: mode === 'shortest-side' ? (declared.resize.shortestSide ?? Math.max(width, height)) : 0,
    filter,
    antialias,
    color,
    layout,
    datatype: type,
    exif: declared.orientation === 'exif',
    exact,
    polarity,
    straight: straightMap(declared),
    inverted: invertedMap(declared),
    rowBytes: width * height * channels * type.size,
  });
}

/** The map for pictures drawn like `pictures`; null = as model.yaml says they are. */
export function pixelMap(pipeline: ImagePipeline, pictures: Polarity | null): PixelMap {
  const { polarity } = pipeline;
  if (polarity === null) return pipeline.straight;
  return (pictures ?? polarity.pictures) === polarity.model ? pipeline.straight : pipeline.inverted;
}

function straightMap({ scale, mean, std, resize }: ImageDeclaration): PixelMap {
  return Object.freeze({
    multiply: Object.freeze(std.map((s) => scale / s)),
    add: Object.freeze(std.map((s, c) => (0 - mean[c]) / s)),
    pad: resize.pad,
  });
}

/** As above of `255 - pixel`: inverting costs nothing of its own. */
function invertedMap({ scale, mean, std, resize }: ImageDeclaration): PixelMap {
  return Object.freeze({
    multiply: Object.freeze(std.map((s) => -scale / s)),
    add: Object.freeze(std.map((s, c) => (WHITE * scale - mean[c]) / s)),
    pad: WHITE - resize.pad,
  });
}
