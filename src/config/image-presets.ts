/** Named pipelines: what families of models are trained on. Each key can be stated anew beside `preset`. */

import type { ImageDeclaration } from '../core/image.ts';

/** What a preset or the defaults say; what hangs on other keys (crop, scale of UINT8) is filled in later. */
export interface ImagePreset
  extends Pick<ImageDeclaration, 'color' | 'layout' | 'datatype' | 'orientation' | 'polarity'> {
  readonly resize: ImageDeclaration['resize'];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What stands where neither a key nor a preset says anything: `Resize((h, w))` and `ToTensor()` of torchvision. */
export const IMAGE_DEFAULTS: ImagePreset = {
  resize: {
    width: null,
    height: null,
    mode: 'stretch',
    shortestSide: null,
    filter: 'bilinear',
    antialias: true,
    pad: 0,
  },
  color: 'RGB',
  layout: 'NCHW',
  datatype: 'FP32',
  orientation: 'exif',
  polarity: null,
  mean: [0],
  std: [1],
};

/** Every preset by name. */
export const IMAGE_PRESETS = {
  /** torchvision's classifiers: Resize(256), CenterCrop(224), ToTensor, Normalize. */
  imagenet: {
    ...IMAGE_DEFAULTS,
    resize: { ...IMAGE_DEFAULTS.resize, width: 224, height: 224, mode: 'shortest-side', shortestSide: 256 },
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  /** PyTorch's MNIST example: gray 28x28, light strokes on black, ToTensor, Normalize. */
  mnist: {
    ...IMAGE_DEFAULTS,
    resize: { ...IMAGE_DEFAULTS.resize, width: 28, height: 28 },
    color: 'GRAY',
    mean: [0.1307],
    std: [0.3081],
    polarity: { model: 'light-on-dark', pictures: 'light-on-dark' },
  },
  /** ultralytics' LetterBox((640, 640), auto=False): OpenCV's INTER_LINEAR, gray 114 beside the picture, pixels of 0..1. */
  'yolo-letterbox': {
    ...IMAGE_DEFAULTS,
    resize: { ...IMAGE_DEFAULTS.resize, width: 640, height: 640, mode: 'contain', antialias: false, pad: 114 },
  },
} as const satisfies Readonly<Record<string, ImagePreset>>;
