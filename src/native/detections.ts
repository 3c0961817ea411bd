/** Boxes out of a YOLO head, by names instead of places. What the kernel does is said in native/kernels/detections.h. */

import type { Binding } from './binding.ts';
import { DETECT_OPTIONS_LENGTH, DetectPlace } from './image-words.ts';

/** How the head lies in memory: `yolov5` is [boxes, 5 + classes] with objectness, `yolov8` [4 + classes, boxes]. */
export type DetectionLayout = 'yolov5' | 'yolov8';

/** What counts as a detection: the model's. */
export interface DetectionRules {
  /**
   * A score must be above it: class, times objectness where there is one. It is rounded to float32, as torch rounds what a tensor of
   * them is compared with: 0.1 is not above 0.1.
   */
  readonly scoreThreshold: number;
  /** A box goes whose intersection over union with a better one is above it, both as doubles: there is nothing to round. */
  readonly iouThreshold: number;
  /** 0..1000. */
  readonly maxDetections: number;
  /** Whether boxes of different classes suppress each other. */
  readonly acrossClasses: boolean;
}

/** How the image was fitted into the model's input: input = image * scale + padding. */
export interface Letterbox {
  readonly scale: number;
  readonly padX: number;
  readonly padY: number;
  /** Pixels of the image, to which boxes are clipped. */
  readonly width: number;
  readonly height: number;
}

/** A head in memory: float32, `offset` in bytes, aligned to 4 in memory. */
export interface DetectionHead {
  readonly memory: Uint8Array;
  readonly offset: number;
  readonly layout: DetectionLayout;
  readonly boxes: number;
  readonly classes: number;
}

/**
 * Writes the detections of one image to `target`: rows of x1, y1, x2, y2 (pixels of the image), score and class as
 * float32, best first, equal scores in the head's order.
 * @param target room for `maxDetections` rows of 24 bytes from `targetOffset`. @returns how many rows
 * @throws RangeError for memory or rules out of range
 */
export function detect(
  binding: Binding,
  head: DetectionHead,
  rules: DetectionRules,
  letterbox: Letterbox,
  target: Uint8Array,
  targetOffset: number,
): number {
  const options = new Float64Array(DETECT_OPTIONS_LENGTH);
  options[DetectPlace.SCORE_THRESHOLD] = Math.fround(rules.scoreThreshold);
  options[DetectPlace.OVERLAP_THRESHOLD] = rules.iouThreshold;
  options[DetectPlace.MOST] = rules.maxDetections;
  options[DetectPlace.ACROSS_CLASSES] = rules.acrossClasses ? 1 : 0;
  options[DetectPlace.SCALE] = letterbox.scale;
  options[DetectPlace.PAD_X] = letterbox.padX;
  options[DetectPlace.PAD_Y] = letterbox.padY;
  options[DetectPlace.WIDTH] = letterbox.width;
  options[DetectPlace.HEIGHT] = letterbox.height;
  const layout = head.layout === 'yolov5' ? 0 : 1;
  return binding.detect(head.memory, head.offset, layout, head.boxes, head.classes, options, target, targetOffset);
}
