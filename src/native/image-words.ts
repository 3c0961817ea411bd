/**
 * The words of images in the contract with the addon (`binding.ts`): places in the arrays of numbers that its calls take and fill,
 * and what the numbers mean. `native/calls/image.cc`, `image_header.cc` and `scores.cc` have the same order.
 */

/** What `imageHeader` found. */
export const ImageStatus = { OK: 0, UNKNOWN: 1, MALFORMED: 2 } as const;

/** Places in the Float64Array that `imageHeader` fills; `image-header.ts` gives them names and sentences. */
export const ImagePlace = {
  STATUS: 0,
  /** 0 none of the three, 1 JPEG, 2 PNG, 3 WebP. */
  FORMAT: 1,
  WIDTH: 2,
  HEIGHT: 3,
  CHANNELS: 4,
  BITS: 5,
  /** 0 gray, 1 RGB, 2 palette, 3 CMYK. */
  COLOUR: 6,
  FRAMES: 7,
  ORIENTATION: 8,
  /** 1 where bytes are missing at the end. */
  TRUNCATED: 9,
  /** Index in `ImageFault` of image_header.h, the byte where it was noticed, and the bound that was passed (0: it is none). */
  FAULT: 10,
  FAULT_OFFSET: 11,
  FAULT_BOUND: 12,
  /** 0 rows, 1 scans, 2 interlaced, 3 lossy, 4 lossless. */
  CODING: 13,
  /** Bytes of a lossless WebP's stream, and groups of prefix codes in it. */
  PACKED: 14,
  GROUPS: 15,
} as const;

/** Numbers that an image's header needs room for. */
export const IMAGE_RESULT_LENGTH = 16;

/** Places in the Float64Array of options that `detect` takes; `detections.ts` says what they mean. */
export const DetectPlace = {
  SCORE_THRESHOLD: 0,
  OVERLAP_THRESHOLD: 1,
  MOST: 2,
  ACROSS_CLASSES: 3,
  SCALE: 4,
  PAD_X: 5,
  PAD_Y: 6,
  WIDTH: 7,
  HEIGHT: 8,
} as const;

/** Numbers that the options of `detect` are. */
export const DETECT_OPTIONS_LENGTH = 9;

/** Numbers of one detection. */
export const DETECTION_WIDTH = 6;

/** Most detections of one image (`kMostDetections`). */
export const MOST_DETECTIONS = 1_000;

/** Best boxes by score that take part in suppression (`kMostCandidates`). */
export const MOST_CANDIDATES = 30_000;

/** Places in the Int32Array that says what `imageToTensor` does. Sizes and places are in pixels. */
export const Image = {
  /** The source: packed rows of `CHANNELS` bytes a pixel, sides of 1..65535. */
  WIDTH: 0,
  HEIGHT: 1,
  /** 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. Alpha is left out before anything else is done. */
  CHANNELS: 2,
  /** What the source is resampled to, sides of 1..2^24. A side that keeps its size is not resampled. */
  RESIZED_WIDTH: 3,
  RESIZED_HEIGHT: 4,
  /** One of `ImageFilter`. */
  FILTER: 5,
  /** 1: the filter widens with the scale, as in Pillow. 0: as `torch.nn.functional.interpolate`; bilinear and bicubic only. */
  ANTIALIAS: 6,
  /** The window of the resampled image that is computed; must lie in it. */
  CROP_LEFT: 7,
  CROP_TOP: 8,
  CROP_WIDTH: 9,
  CROP_HEIGHT: 10,
  /** The tensor, sides of 1..65535, and where the window's upper left pixel lies in it. The rest is padding. */
  TENSOR_WIDTH: 11,
  TENSOR_HEIGHT: 12,
  AT_LEFT: 13,
  AT_TOP: 14,
  /** One of `ImageColour`, `ImageLayout`, `ImageElement`. */
  COLOUR: 15,
  LAYOUT: 16,
  ELEMENT: 17,
  /** 1: without vector units. The bytes are the same; for tests. */
  PLAIN: 18,
} as const;

/** Numbers in that array. */
export const IMAGE_LENGTH = 19;

/** Places in the Float64Array beside it. */
export const ImageFloat = {
  /** Three factors, by channel of the tensor in its own order (BGR: blue first); gray has the first one only. */
  SCALE: 0,
  /** Three summands: element = pixel * scale + shift, in float32, each operation rounded. */
  SHIFT: 3,
  /** A pixel's value in 0..255 for what is around the window; scaled and shifted like the others. */
  PAD: 6,
} as const;

/** Numbers in that array. */
export const IMAGE_FLOAT_LENGTH = 7;

/** `Image.FILTER`: Pillow's NEAREST, BILINEAR, BICUBIC (a = -0.5), LANCZOS and BOX. */
export const ImageFilter = { NEAREST: 0, BILINEAR: 1, BICUBIC: 2, LANCZOS3: 3, AREA: 4 } as const;
/** `Image.COLOUR`. A gray source fills three channels alike; gray of a coloured one is Pillow's `convert('L')`. */
export const ImageColour = { RGB: 0, BGR: 1, GRAY: 2 } as const;
/** `Image.LAYOUT`. */
export const ImageLayout = { NCHW: 0, NHWC: 1 } as const;
/** `Image.ELEMENT`, little-endian. FP16 is the float32 rounded to nearest even; UINT8 likewise, within 0..255. */
export const ImageElement = { FP32: 0, FP16: 1, UINT8: 2 } as const;
