/** The words of images: how a picture becomes a row of a model's input, and what the model's answer is turned into. */

/** Most classes or boxes that are answered to one picture: bounds the work that one request can ask for. */
export const MOST_ANSWERS = 1000;

/** Largest value of a decoded pixel. */
export const WHITE = 255;

/** How the picture is brought to the size of the tensor. */
export type ResizeMode = 'stretch' | 'cover' | 'contain' | 'shortest-side';

/** How pixels between pixels are computed: Pillow's filters (`area` is its BOX). */
export type ResizeFilter = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos3' | 'area';

/** Order of the colours in the tensor. */
export type ImageColor = 'RGB' | 'BGR' | 'GRAY';

/** Order of the dimensions behind the batch one. */
export type ImageLayout = 'NCHW' | 'NHWC';

/** Element types that an image can be written in. */
export type ImageDatatype = 'FP32' | 'FP16' | 'UINT8';

/** Whether what is drawn is the darker or the lighter part. */
export type Polarity = 'dark-on-light' | 'light-on-dark';

/** Which boxes a detector answers: YOLOv5's `[rows, 5 + classes]` or YOLOv8's `[4 + classes, rows]`. */
export type BoxLayout = 'yolov5' | 'yolov8';

/** `preprocess` of a model.yaml, presets and defaults filled in. */
export interface ImageDeclaration {
  /** Name of the model's input that takes the images. */
  readonly input: string;
  readonly resize: {
    /** Pixels of the tensor; null = what the model's input says. */
    readonly width: number | null;
    readonly height: number | null;
    readonly mode: ResizeMode;
    /** Pixels of the shorter side before the crop, for `shortest-side`; null = the larger of width and height. */
    readonly shortestSide: number | null;
    readonly filter: ResizeFilter;
    /** Whether a picture that shrinks is smoothed, as Pillow does. */
    readonly antialias: boolean;
    /** Value of every channel where the picture does not reach, 0..255, as the model sees it. */
    readonly pad: number;
  };
  readonly crop: 'center' | 'none';
  readonly color: ImageColor;
  readonly layout: ImageLayout;
  /** A pixel of 0..255 becomes `(pixel * scale - mean[c]) / std[c]`; one mean and std per channel, in the order of `color`. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly datatype: ImageDatatype;
  readonly orientation: 'exif' | 'ignore';
  /** What the model was trained on, and what pictures are unless a request says otherwise; null = it does not matter. */
  readonly polarity: { readonly model: Polarity; readonly pictures: Polarity } | null;
  /** false = a JPEG may be decoded at a smaller size, which is faster and gives slightly other pixels. */
  readonly exact: boolean;
}

/** Classes of one output: an activation over each row, and what of it is answered. */
export interface ClassesDeclaration {
  readonly kind: 'classes';
  readonly activation: 'none' | 'softmax' | 'sigmoid';
  /** Most classes answered for an image, best first; where it has fewer, all. Not read with `argmax`. */
  readonly topK: number;
  /** Whether only the number of the best class is answered. */
  readonly argmax: boolean;
  /** Least value, behind the activation, of a class that is answered; null = any. */
  readonly threshold: number | null;
}

/** The best classes as they are: what is answered of classes about which nothing is said. */
export const BEST_CLASSES: ClassesDeclaration = Object.freeze({
  kind: 'classes',
  activation: 'none',
  topK: 5,
  argmax: false,
  threshold: null,
});

/** Boxes of one output, decoded and freed of those that overlap a better one. */
export interface BoxesDeclaration {
  readonly kind: 'boxes';
  readonly layout: BoxLayout;
  /** What the score of a box must be above, 0..1; compared as float32s. */
  readonly scoreThreshold: number;
  /** Overlap (intersection over union) beyond which the box with the lower score is dropped, 0..1. */
  readonly iouThreshold: number;
  readonly maxDetections: number;
  /** Whether boxes of different classes drop each other too. */
  readonly classAgnostic: boolean;
}

/** What is done with one output of the model in the answer to an image. */
export type OutputDeclaration = ClassesDeclaration | BoxesDeclaration;
