/** Every setting of the gateway: its type, its safe default, and what it is for. README's table is made equal to this. */

import { availableParallelism } from 'node:os';
import { z } from 'zod';

const MIB = 1024 * 1024;
const whole = (least: number, most: number) => z.int().min(least).max(most);
const bytes = (fallback: number, most = 64 * 1024 * MIB) => whole(1024, most).default(fallback);
const port = (fallback: number) => whole(0, 65_535).default(fallback);

const limits = z.strictObject({
  bodyBytes: bytes(64 * MIB, 2048 * MIB).describe(
    'Largest request body, bytes; stops one caller from taking all memory',
  ),
  bodyStallS: whole(1, 8)
    .default(5)
    .describe('Seconds over which the speed of a body is judged; stops clients that hold memory and send nothing'),
  bodyBytesPerS: whole(1, 1024 * MIB)
    .default(16 * 1024)
    .describe('Least speed of a body over those seconds, bytes per second; slower is answered 408'),
  bodyTimeS: whole(1, 86_400)
    .default(300)
    .describe('Longest time from the headers to the last byte of a body, seconds; stops bodies that never end'),
  gatherBytes: bytes(256 * MIB).describe(
    'Memory for all bodies that come in pieces or packed and must be whole to be read, or have no place in the arena yet; ' +
      'stops many half-sent ones at once',
  ),
  jsonDepth: whole(2, 1000).default(100).describe('Deepest nesting of a JSON body; stops stack exhaustion'),
  headerBytes: bytes(64 * 1024, 1024 * 1024).describe('Largest request line and headers together, bytes'),
  connections: whole(1, 1_000_000).default(10_000).describe('Most open connections of the inference listener'),
  queueRows: whole(0, 1_000_000_000)
    .default(4096)
    .describe(
      'Rows that may wait per model version beyond what free instances take; stops a flood from becoming latency',
    ),
  queueBytes: bytes(256 * MIB).describe('Bytes of input that may wait per model version'),
  arenaBytes: bytes(512 * MIB, 4095 * MIB).describe('Memory for all tensors in flight, bytes, shared by all models'),
  imagePixels: whole(1, 2 ** 31)
    .default(64 * MIB)
    .describe('Most pixels of a picture, by its header; stops small files that decode to vast ones'),
  // Readers of headers go no further (kMostChunks of image_reader.h).
  imageFrames: whole(1, 10_000)
    .default(1)
    .describe('Most frames of a picture; of an animation that is let in the first one is taken'),
  imageBytes: bytes(256 * MIB).describe(
    'Most bytes of a picture as pixels (width x height x channels, twice that for 16 bits), and memory for all that are decoded at once: more wait',
  ),
  imageQueueBytes: bytes(256 * MIB).describe('Bytes of encoded pictures that may wait to be decoded'),
});

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Least severity that is logged'),
  format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto: pretty on a terminal, JSON otherwise'),
  sampleEvery: whole(0, 1_000_000_000)
    .default(1000)
    .describe('One of so many successful requests is logged; 0 = none. Refused, failed and slow ones always are'),
  slowMs: whole(0, 3_600_000)
    .default(1000)
    .describe('A successful request that takes longer is always logged, milliseconds; 0 = none is'),
});

/** The schema of the whole configuration. */
export const configSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address of the inference listener'),
  port: port(8000).describe('Port of the inference listener; 0 = any free one'),
  adminHost: z.string().min(1).default('127.0.0.1').describe('Address of the admin listener (health, metrics, admin)'),
  adminPort: port(8002).describe('Port of the admin listener; 0 = any free one'),
  models: z.string().min(1).default('models').describe('Folder of the models'),
  stateDir: z
    .string()
    .default('var')
    .describe('Folder for what is kept between starts (profiles of models); empty = nothing is'),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Host names that POST and /admin accept besides IP literals and localhost'),
  allowedOrigins: z
    .array(z.string().min(1))
    .default([])
    .describe('Origins that POST and /admin accept besides the own one'),
  basePath: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'a path like /inference, without a slash at the end')
    .default('')
    .describe('Path in front of every route'),
  strictReadiness: z.boolean().default(false).describe('Ready only when every startup model is READY, not just one'),
  drainTimeoutS: whole(0, 3600).default(30).describe('Time to finish accepted requests after SIGTERM, seconds'),
  workers: whole(1, 256)
    .default(() => availableParallelism())
    .meta({ description: 'Worker threads; each runs one batch at a time', defaultText: 'number of cores' }),
  limits: limits.prefault({}),
  log: log.prefault({}),
});

type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** The effective configuration: complete and deeply frozen. */
export type Config = Frozen<z.infer<typeof configSchema>>;

/** What kind of text a setting takes from the environment or a flag. */
export type SettingKind = 'number' | 'boolean' | 'list' | 'text';

/** One setting, as a person meets it. */
export interface Setting {
  readonly path: readonly string[];
  /** In the file, `limits.bodyBytes`. */
  readonly key: string;
  readonly env: string;
  readonly flag: string;
  /** As text. */
  readonly default: string;
  readonly description: string;
  readonly kind: SettingKind;
}

/** Every setting, in the schema's order. */
export function describeConfig(): readonly Setting[] {
  return settingsOf(configSchema, []);
}

/** Keys that may stand in the mapping at `path`; empty where there is no such mapping. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const settings = describeConfig().filter(({ path: own }) => path.every((key, i) => own[i] === key));
  return [...new Set(settings.flatMap(({ path: own }) => own.slice(path.length, path.length + 1)))];
}

function settingsOf(schema: z.ZodObject, parents: readonly string[]): readonly Setting[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const path = [...parents, name];
    if (field instanceof z.ZodPrefault) return settingsOf(field.unwrap() as z.ZodObject, path);
    if (field instanceof z.ZodDefault) return [settingOf(path, field)];
    throw new TypeError(`${path.join('.')} has no default`);
  });
}

function settingOf(path: readonly string[], field: z.ZodDefault): Setting {
  const words = path.flatMap((part) => part.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' '));
  const meta = field.meta();
  return {
    path,
    key: path.join('.'),
    env: `PENSTOCK_${words.join('_').toUpperCase()}`,
    flag: `--${words.join('-')}`,
    default: (meta?.defaultText as string | undefined) ?? JSON.stringify(field.def.defaultValue),
    description: meta?.description ?? '',
    kind: kindOf(field.unwrap()),
  };
}

function kindOf(field: unknown): SettingKind {
  if (field instanceof z.ZodNumber) return 'number';
  if (field instanceof z.ZodBoolean) return 'boolean';
  return field instanceof z.ZodArray ? 'list' : 'text';
}
