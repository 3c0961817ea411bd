/** What a picture costs, by its header, the length of its file and where its pixels go: known before it is decoded. */

import type { ResizeFilter } from '../core/image.ts';
import type { ImageHeader } from '../native/image-header.ts';
import { memoryToDecode } from './decode-memory.ts';
import { type Placement, placement } from './decode-plan.ts';
import type { ImagePipeline } from './image-pipeline.ts';
import { decodedBytes } from './judge.ts';

/** What one picture takes. */
export interface DecodeCost {
  /** Memory that is taken for it while it is decoded, bytes; at most all that there is, and then it is decoded alone. */
  readonly bytes: number;
  /** Time on a thread by the rates below, whole microseconds, at least 1. How this machine differs is learned (DecodeSpeed). */
  readonly work: number;
}

/**
 * Rates, microseconds, as far as they are the same for all contents. Measured once, on a thread of the pool on a busy Xeon with AVX2, the
 * least of seven times each, and fitted: every form plain, soft and noise from 64 x 64 to 2000 x 1500, slivers, turned and smaller
 * ones, and windows of 64 to 2048 under every filter. Nine in ten of 246 are met within a factor of 1.75, half within a fifth.
 */
const PICTURE_US = 500;
/** Of a row, of a byte of pixels and of one of the file. */
const DECODING_US = {
  'jpeg rows': { row: 0.2, pixels: 0.0018, file: 0.011 },
  'jpeg scans': { row: 0.2, pixels: 0.0025, file: 0.036 },
  'png rows': { row: 0.2, pixels: 0.0007, file: 0.0053 },
  'png interlaced': { row: 0.3, pixels: 0.0032, file: 0.0053 },
  'webp lossy': { row: 5, pixels: 0.0034, file: 0.07 },
  'webp lossless': { row: 5, pixels: 0.0035, file: 0.02 },
} as const;
/** Of the pixels of a JPEG that is decoded smaller about one in so many costs. */
const SHRUNK = 6;
/** Of a byte of pixels that are turned. */
const TURNED_US = 0.0012;
/** Of a sample between the two passes of resampling, and of a source sample that is weighed: in whole numbers, or in float32. */
const BETWEEN_US = 0.0015;
const FIXED_PRODUCT_US = 0.00012;
const PLAIN_PRODUCT_US = 0.001;
/** Of an element of the tensor. */
const ELEMENT_US = 0.0007;

/** Source pixels on either side of an output that a filter weighs, of a picture that is not made smaller (resample_axis.cc). */
const SUPPORT: Readonly<Record<ResizeFilter, number>> = { nearest: 0, area: 0.5, bilinear: 1, bicubic: 2, lanczos3: 3 };

/**
 * What a picture of that header costs.
 * @param mostBytes of memory for all pictures that are decoded at once
 * @throws {GatewayError} of `placement`
 */
export function decodeCost(
  header: ImageHeader,
  pipeline: ImagePipeline,
  fileBytes: number,
  mostBytes: number,
): DecodeCost {
  const place = placement(header, pipeline);
  const us =
    PICTURE_US +
    decodingUs(header, place, fileBytes) +
    (place.turn.degrees !== 0 ? TURNED_US * decodedBytes(header) : 0) +
    resamplingUs(pipeline, place) +
    ELEMENT_US * pipeline.width * pipeline.height * pipeline.channels;
  return { bytes: Math.min(memoryToDecode(header, place, fileBytes), mostBytes), work: Math.ceil(us) };
}

function decodingUs(header: ImageHeader, { shrunk }: Placement, fileBytes: number): number {
  const { row, pixels, file } = DECODING_US[`${header.format} ${header.coding}` as keyof typeof DECODING_US];
  const decoded = decodedBytes(header) / (shrunk === null ? 1 : SHRUNK);
  return row * header.height + pixels * decoded + file * fileBytes;
}

/** Two passes, as native/kernels/resample.cc makes them: across all rows that the window needs, then down. */
function resamplingUs(pipeline: ImagePipeline, { geometry, shrunk }: Placement): number {
  const { picture, scaled, window } = geometry;
  if (shrunk !== null) return 0;
  const across = taps(pipeline, picture.width, scaled.width);
  const down = taps(pipeline, picture.height, scaled.height);
  const reached = (window.height * picture.height) / scaled.height + down;
  const rows = Math.min(picture.height, reached, window.height * Math.max(1, down));
  const between = across === 0 && down === 0 ? 0 : rows;
  const products = rows * across + window.height * down;
  const productUs = pipeline.antialias ? FIXED_PRODUCT_US : PLAIN_PRODUCT_US;
  return pipeline.channels * window.width * (BETWEEN_US * between + productUs * products);
}

/** Source pixels that one output is made of, along one side. */
function taps({ filter, antialias }: ImagePipeline, source: number, resized: number): number {
  if (source === resized) return 0;
  const stretch = antialias ? Math.max(1, source / resized) : 1;
  return Math.min(source, Math.ceil(2 * SUPPORT[filter] * stretch));
}
