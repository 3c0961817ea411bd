/** model.yaml: what the operator says of one model, checked as strictly as the configuration itself. */

import { z } from 'zod';
import type { ModelPolicy } from '../core/model.ts';
import { parseSource } from './document.ts';
import { ConfigError } from './error.ts';
import { preprocessKeys, preprocessSchema } from './image-schema.ts';
import { deepFreeze } from './load.ts';
import { describeIssues } from './mistakes.ts';
import { postprocessKeys, postprocessSchema } from './output-schema.ts';

const provider = z.enum(['cpu', 'cuda']);
const providerEntry = z
  .preprocess(
    (entry) => (typeof entry === 'string' ? { name: entry } : entry),
    z.strictObject({ name: provider, deviceId: z.int().min(0).default(0) }),
  )
  .describe('cpu, cuda, or { name: cuda, deviceId: 1 }');

const scalar = z.union([z.string(), z.number(), z.boolean()], 'text, a number, true or false');

const session = z.strictObject({
  executionProviders: z
    .array(providerEntry)
    .min(1)
    .default([{ name: 'cpu', deviceId: 0 }]),
  intraOpThreads: z.int().min(0).max(1024).nullable().default(null),
  graphOptimization: z.enum(['disabled', 'basic', 'extended', 'all']).default('all'),
  extra: z.record(z.string(), z.union([scalar, z.record(z.string(), z.unknown())])).default({}),
});

const labelFile = z
  .string()
  .regex(/^[^/\\\0][^\\\0]*$/, 'a file inside the folder of the model')
  .refine((path) => !path.split('/').includes('..'), 'a file inside the folder of the model');

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const INSTANCES = 'a number of at least 1, or { min: 1, max: 4 } with min not above max';

const instanceRange = z.strictObject({ min: z.int().min(1).default(1), max: z.int().min(1).nullable().default(null) });

/** A number is that many, neither more nor less. */
const instances = z
  .preprocess(
    (value, context) => {
      if (Number.isSafeInteger(value) && (value as number) > 0) return { min: value, max: value };
      if (isMapping(value)) return value;
      context.addIssue({ code: 'custom', message: INSTANCES });
      return z.NEVER;
    },
    instanceRange.refine(({ min, max }) => max === null || max >= min, INSTANCES),
  )
  .default({ min: 1, max: null });

/** An hour: what takes longer is no request. */
const MOST_TARGET_MS = 3_600_000;

const targetMs = z.custom<number>(
  (value) => typeof value === 'number' && value > 0 && value <= MOST_TARGET_MS,
  `a number of milliseconds above 0 and at most ${MOST_TARGET_MS}`,
);

const target = z.strictObject({ p99Ms: targetMs });

const slo = z.custom(isMapping, 'a mapping like { p99Ms: 50 }').pipe(target);

const model = z.strictObject({
  maxBatchRows: z.int().min(0).nullable().default(null),
  instances,
  slo: slo.nullable().default(null),
  queueRows: z.int().min(0).nullable().default(null),
  queueBytes: z.int().min(0).nullable().default(null),
  session: session.prefault({}),
  labels: z.record(z.string().min(1), labelFile).default({}),
  preprocess: preprocessSchema.nullable().default(null),
  postprocess: postprocessSchema.default({}),
});

/** What is answered to an image needs images. */
const modelSchema = model.refine(({ preprocess, postprocess }) => preprocess !== null || isEmpty(postprocess), {
  path: ['postprocess'],
  error: 'preprocess beside it: it says what is answered to an image',
});

function isEmpty(mapping: object): boolean {
  return Object.keys(mapping).length === 0;
}

/** The mappings inside it whose keys are known. */
const INNER: Readonly<Record<string, z.ZodObject>> = { instances: instanceRange, slo: target, session };

/**
 * The policy that a model.yaml states, defaults filled in, deeply frozen. An empty text gives all defaults.
 * @param file for messages only
 * @throws {ConfigError} with every mistake at once
 */
export function parseModelPolicy(text: string, file: string): ModelPolicy {
  const document = parseSource(text, file);
  const raw = document.value ?? {};
  const checked = modelSchema.safeParse(raw);
  if (checked.success) return deepFreeze(checked.data);
  throw new ConfigError(describeIssues(checked.error.issues, raw, (path) => document.locate(path), knownKeys));
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(model.shape);
  if (path[0] === 'preprocess') return preprocessKeys(path.slice(1));
  if (path[0] === 'postprocess') return postprocessKeys(path.slice(1));
  if (path.length === 1) return Object.keys(INNER[String(path[0])]?.shape ?? {});
  return ['name', 'deviceId'];
}
