/** How a model's output holds boxes, by the family that the model is of, and what their answers are called. */

import type { BoxLayout } from '../core/image.ts';

/** Values of a box before its classes: centre, size and, for YOLOv5, whether there is anything. */
const BOX_VALUES: Readonly<Record<BoxLayout, number>> = { yolov5: 5, yolov8: 4 };

/** How many boxes of how many classes a row of the output has; -1 where that is open. */
export interface BoxForm {
  readonly boxes: number;
  readonly classes: number;
}

/** The form of an output of `shape`, the first dimension being the batch; null where it has none, or no classes. */
export function boxForm(layout: BoxLayout, shape: readonly number[]): BoxForm | null {
  if (shape.length !== 3) return null;
  const [, first, second] = shape as readonly [number, number, number];
  const [boxes, length] = layout === 'yolov5' ? [first, second] : [second, first];
  if (length < 0) return { boxes, classes: -1 };
  return length > BOX_VALUES[layout] ? { boxes, classes: length - BOX_VALUES[layout] } : null;
}

/** Numbers of one row. */
export function boxNumbers(layout: BoxLayout, { boxes, classes }: BoxForm): number {
  return boxes * (BOX_VALUES[layout] + classes);
}

/** The form in words. */
export function boxFormText(layout: BoxLayout): string {
  const values = BOX_VALUES[layout];
  return layout === 'yolov5' ? `[batch, boxes, ${values} + classes]` : `[batch, ${values} + classes, boxes]`;
}

/** Names of what is answered beside the boxes of an output. */
export function besideBoxes(name: string): { readonly count: string; readonly labels: string } {
  return { count: `${name}_count`, labels: `${name}_labels` };
}
