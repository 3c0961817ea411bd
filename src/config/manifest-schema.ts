/** manifest.json: what never changes of a model version. Signature and files are strict; lineage and metrics are free. */

import { z } from 'zod';
import { DATATYPES, datatypeOf } from '../core/datatype.ts';
import type { Signature } from '../core/tensor.ts';
import { parseSource } from './document.ts';
import { ConfigError } from './error.ts';
import { deepFreeze } from './load.ts';
import { describeIssues } from './mistakes.ts';

const datatypeNames = DATATYPES.map((row) => row.name).join(', ');

const tensor = z.strictObject({
  name: z.string().min(1),
  datatype: z.string().transform((name, context) => {
    const row = datatypeOf(name);
    if (row !== undefined) return row;
    context.addIssue({ code: 'custom', message: `one of ${datatypeNames}` });
    return z.NEVER;
  }),
  shape: z.array(z.int().min(-1)),
});

const signature = z.strictObject({ inputs: z.array(tensor), outputs: z.array(tensor).min(1) });

const file = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits'),
  bytes: z.int().min(0),
});

const filePath = z
  .string()
  .regex(/^[^/\\\0][^\\\0]*$/)
  .refine((path) => !path.split('/').includes('..'));

const manifestSchema = z.looseObject({
  model: z.string().min(1),
  version: z
    .union([z.string().regex(/^[1-9]\d{0,18}$/, 'a whole number from 1'), z.int().min(1)], 'a whole number from 1')
    .transform(String),
  signature,
  files: z.record(filePath, file),
  lineage: z.unknown().optional(),
  metrics: z.unknown().optional(),
});

/** A version's manifest. Keys beyond these are kept as they are. */
export interface Manifest {
  readonly model: string;
  /** Decimal digits, as the folder is called. */
  readonly version: string;
  readonly signature: Signature;
  /** Path inside the version's folder to digest (lower-case hexadecimal) and size. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
  readonly lineage?: unknown;
  readonly metrics?: unknown;
}

/**
 * Checks and freezes a manifest.
 * @param name of the file, for messages only
 * @throws {ConfigError} with every mistake at once
 */
export function parseManifest(text: string, name: string): Manifest {
  const document = parseSource(text, name);
  const checked = manifestSchema.safeParse(document.value);
  if (checked.success) return deepFreeze(checked.data);
  throw new ConfigError(
    describeIssues(checked.error.issues, document.value, (path) => document.locate(path), knownKeys),
  );
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path[0] === 'files') return Object.keys(file.shape);
  return path.length === 1 ? Object.keys(signature.shape) : Object.keys(tensor.shape);
}
