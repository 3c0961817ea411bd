/** File, environment and flags to one frozen Config; flags win over the environment, that over the file. */

import { readFileSync } from 'node:fs';
import { parseSource, type SourceDocument } from './document.ts';
import { ConfigError } from './error.ts';
import { describeIssues } from './mistakes.ts';
import { type Config, configSchema, describeConfig, keysAt, type Setting } from './schema.ts';
import { SUPERVISION_VARIABLE } from './supervision.ts';

/** Holds the bearer token of `penstock bench`: an argument would stand in the list of processes. */
export const TOKEN_VARIABLE = 'PENSTOCK_TOKEN';

const DEFAULT_FILE = 'penstock.yaml';
const FILE_FLAG = '--config';
const FILE_VARIABLE = 'PENSTOCK_CONFIG';

/** Variables of ours that are no settings. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([FILE_VARIABLE, SUPERVISION_VARIABLE, TOKEN_VARIABLE]);

/** Where a configuration comes from. */
export interface ConfigSources {
  /** Arguments behind the command. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface Override {
  readonly setting: Setting;
  /** The flag or variable it came by. */
  readonly origin: string;
  readonly text: string;
}

/**
 * Reads every source and checks all of it.
 * @throws {ConfigError} with every mistake at once
 */
export function loadConfig(sources: ConfigSources): Config {
  const mistakes: string[] = [];
  const settings = describeConfig();
  const flags = readFlags(sources.args, settings, mistakes);
  const overrides = [...readEnvironment(sources.env, settings, mistakes), ...flags.overrides];
  const document = readFile(flags.file ?? sources.env[FILE_VARIABLE], mistakes);
  const origins = new Map(overrides.map((override) => [override.setting.key, override.origin]));
  const raw = apply(document?.value ?? {}, overrides);
  const checked = configSchema.safeParse(raw);
  if (!checked.success) {
    const locate = (path: readonly PropertyKey[]) => originOf(path, origins) ?? document?.locate(path) ?? DEFAULT_FILE;
    mistakes.push(...describeIssues(checked.error.issues, raw, locate, keysAt));
  }
  if (mistakes.length > 0 || !checked.success) throw new ConfigError(mistakes);
  return deepFreeze(checked.data);
}

/** Freezes a plain value with everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

function readFile(named: string | undefined, mistakes: string[]): SourceDocument | null {
  const file = named ?? DEFAULT_FILE;
  try {
    return parseSource(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof ConfigError) mistakes.push(...error.mistakes);
    else if (named !== undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') {
      mistakes.push(`${file}: cannot be read (${(error as Error).message})`);
    }
    return null;
  }
}

function readEnvironment(env: ConfigSources['env'], settings: readonly Setting[], mistakes: string[]): Override[] {
  return Object.keys(env).flatMap((name) => {
    const text = env[name];
    if (!name.startsWith('PENSTOCK_') || OTHER_VARIABLES.has(name) || text === undefined) return [];
    const setting = settings.find((candidate) => candidate.env === name);
    if (setting !== undefined) return [{ setting, origin: name, text }];
    mistakes.push(`${name}: unknown environment variable; every setting is listed by: penstock check --list`);
    return [];
  });
}

function readFlags(args: readonly string[], settings: readonly Setting[], mistakes: string[]) {
  const overrides: Override[] = [];
  const left = [...args];
  let file: string | undefined;
  while (left.length > 0) {
    const [flag, inline] = splitFlag(left.shift() as string);
    const setting = settings.find((candidate) => candidate.flag === flag);
    if (setting === undefined && flag !== FILE_FLAG) {
      mistakes.push(`${flag}: unknown flag; every setting is listed by: penstock check --list`);
      if (left[0] !== undefined && !left[0].startsWith('--')) left.shift();
      continue;
    }
    const text = inline ?? flagValue(left, setting);
    if (text === undefined) mistakes.push(`${flag}: expected a value, found nothing`);
    else if (setting === undefined) file = text;
    else overrides.push({ setting, origin: flag, text });
  }
  return { file, overrides };
}

function splitFlag(argument: string): [string, string | undefined] {
  const equals = argument.indexOf('=');
  return equals < 0 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
}

/** Takes the value that follows a flag; a boolean flag may stand alone. */
function flagValue(left: string[], setting: Setting | undefined): string | undefined {
  if (setting?.kind === 'boolean' && left[0] !== 'true' && left[0] !== 'false') return 'true';
  if (left[0]?.startsWith('--')) return undefined;
  return left.shift();
}

/** The file's value with the overrides laid over it; the file's own objects stay as they are. */
function apply(value: unknown, overrides: readonly Override[]): unknown {
  if (overrides.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const root = { ...value } as Record<string, unknown>;
  for (const { setting, text } of overrides) {
    const [first, second] = setting.path;
    if (second === undefined) root[first] = convert(setting, text);
    else root[first] = { ...(root[first] as object | undefined), [second]: convert(setting, text) };
  }
  return root;
}

/** Text as the setting's type; what does not convert stays text, so that the schema says what is wrong with it. */
function convert(setting: Setting, text: string): unknown {
  if (setting.kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (setting.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (setting.kind === 'list') return text === '' ? [] : text.split(',').map((part) => part.trim());
  return text;
}

function originOf(path: readonly PropertyKey[], origins: ReadonlyMap<string, string>): string | undefined {
  return origins.get(path.map(String).join('.')) ?? origins.get(path.slice(0, -1).map(String).join('.'));
}
