/** `postprocess` of a model.yaml: per output, what of it is answered to an image. */

import { z } from 'zod';
import {
  BEST_CLASSES,
  type BoxesDeclaration,
  type ClassesDeclaration,
  MOST_ANSWERS,
  type OutputDeclaration,
} from '../core/image.ts';

/** What YOLOv5 and YOLOv8 themselves drop at. */
const IOU_THRESHOLDS: Readonly<Record<BoxesDeclaration['layout'], number>> = { yolov5: 0.45, yolov8: 0.7 };

const finite = z.custom<number>((value) => typeof value === 'number' && Number.isFinite(value), 'a number');

const share = z.custom<number>(
  (value) => typeof value === 'number' && value >= 0 && value <= 1,
  'a number of at least 0 and at most 1',
);

const boxes = z.strictObject({
  layout: z.enum(['yolov5', 'yolov8']),
  scoreThreshold: share.default(0.25),
  iouThreshold: share.optional(),
  maxDetections: z.int().min(1).max(MOST_ANSWERS).default(300),
  classAgnostic: z.boolean().default(false),
});

const output = z.strictObject({
  activation: z.enum(['none', 'softmax', 'sigmoid']).optional(),
  topK: z.int().min(1).max(MOST_ANSWERS).optional(),
  argmax: z.boolean().optional(),
  threshold: finite.optional(),
  boxes: boxes.optional(),
});

type Stated = z.output<typeof output>;

/** What the key `postprocess` takes: a declaration by the name of its output. */
export const postprocessSchema = z.record(
  z.string().min(1),
  output.transform((stated, issues): OutputDeclaration => {
    return stated.boxes === undefined ? classesOf(stated, issues) : boxesOf(stated, stated.boxes, issues);
  }),
);

/** The keys known at a path below `postprocess`. */
export function postprocessKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 1) return Object.keys(output.shape);
  return path.length === 2 ? Object.keys(boxes.shape) : [];
}

function classesOf(stated: Stated, issues: z.RefinementCtx): ClassesDeclaration {
  const { kind, activation: none, topK: most } = BEST_CLASSES;
  const { activation = none, topK = most, argmax = false, threshold = null } = stated;
  for (const key of argmax ? (['topK', 'threshold'] as const) : []) {
    if (stated[key] !== undefined) told(issues, key, 'no such key beside argmax, which answers one class');
  }
  if (activation !== 'none' && threshold !== null && (threshold < 0 || threshold > 1)) {
    told(issues, 'threshold', `at least 0 and at most 1 behind ${activation}`);
  }
  return { kind, activation, topK, argmax, threshold };
}

function boxesOf(stated: Stated, declared: z.output<typeof boxes>, issues: z.RefinementCtx): BoxesDeclaration {
  for (const key of ['activation', 'topK', 'argmax', 'threshold'] as const) {
    if (stated[key] !== undefined) told(issues, key, 'no such key beside boxes, which has keys of its own');
  }
  return { kind: 'boxes', ...declared, iouThreshold: declared.iouThreshold ?? IOU_THRESHOLDS[declared.layout] };
}

function told(issues: z.RefinementCtx, key: string, message: string): void {
  issues.addIssue({ code: 'custom', path: [key], message });
}
