/**
 * The models folder on disk: which models and versions there are, and what their files say. Reads, never writes, and never
 * follows a name that is not a plain one.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { type Manifest, parseManifest } from '../config/manifest-schema.ts';
import { parseModelPolicy } from '../config/model-schema.ts';
import type { ModelPolicy } from '../core/model.ts';

/** Names that can be served; `stats` would hide behind `/v2/models/stats`. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const RESERVED_NAMES: ReadonlySet<string> = new Set(['stats']);
const VERSION_NAME = /^[1-9][0-9]{0,9}$/;

/** Largest text file read (policy, manifest, labels). */
const MOST_TEXT_BYTES = 16 * 1024 * 1024;

/** A model's folder. */
export interface FoundModel {
  readonly name: string;
  /** Ascending. */
  readonly versions: readonly string[];
}

/** A version's files, read and checked. */
export interface FoundVersion {
  readonly path: string;
  readonly policy: ModelPolicy;
  readonly manifest: Manifest | null;
  /** Per output name, one label a class. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** Digest of names, sizes and times of the version's files and of model.yaml: another one, other files. */
  readonly files: string;
}

/** Why a version cannot be loaded, in words that may be shown to callers. */
export class UnloadableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UnloadableError';
  }
}

/** Models and versions below `root`, names in order. Folders whose names cannot be served are given to `onSkipped`. */
export async function scan(root: string, onSkipped: (name: string) => void): Promise<FoundModel[]> {
  const entries = await readdir(root, { withFileTypes: true });
  const found: FoundModel[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory()) continue;
    const folders = (await readdir(join(root, entry.name), { withFileTypes: true })).filter((e) => e.isDirectory());
    const versions = folders.map((e) => e.name).filter((name) => VERSION_NAME.test(name));
    if (versions.length === 0) continue;
    if (!MODEL_NAME.test(entry.name) || RESERVED_NAMES.has(entry.name)) onSkipped(entry.name);
    else found.push({ name: entry.name, versions: versions.sort((a, b) => Number(a) - Number(b)) });
  }
  return found;
}

/**
 * Reads and checks what stands beside a version's model file.
 * @throws {UnloadableError} missing or oversized files, a hash that differs, a policy or manifest that does not parse
 */
export async function readVersion(root: string, model: string, version: string): Promise<FoundVersion> {
  const folder = join(root, model);
  const policyText = await readText(join(folder, 'model.yaml'));
  const policy = parsed(() => parseModelPolicy(policyText ?? '', `${model}/model.yaml`));
  const path = join(folder, version, 'model.onnx');
  if ((await sizeOf(path)) < 0) throw new UnloadableError('model.onnx is missing');
  const manifestText = await readText(join(folder, version, 'manifest.json'));
  const manifest =
    manifestText === null ? null : parsed(() => parseManifest(manifestText, `${model}/${version}/manifest.json`));
  if (manifest !== null) await verifyFiles(join(folder, version), manifest);
  const labels = new Map<string, readonly string[]>();
  for (const [output, file] of Object.entries(policy.labels)) labels.set(output, await readLabels(folder, file));
  return { path, policy, manifest, labels, files: await fingerprint(folder, version) };
}

async function fingerprint(folder: string, version: string): Promise<string> {
  const names = await readdir(join(folder, version), { recursive: true });
  const paths = ['model.yaml', ...names.map((name) => join(version, name)).sort()];
  const hash = createHash('sha256');
  for (const path of paths) {
    const found = await stat(join(folder, path)).catch(() => null);
    hash.update(`${path}\0${found?.size ?? -1}\0${found?.mtimeMs ?? -1}\0`);
  }
  return hash.digest('hex');
}

async function verifyFiles(folder: string, manifest: Manifest): Promise<void> {
  for (const [name, expected] of Object.entries(manifest.files)) {
    const path = inside(folder, name);
    const size = await sizeOf(path);
    if (size < 0) throw new UnloadableError(`${name} is in the manifest and missing`);
    if (size !== expected.bytes) {
      throw new UnloadableError(`${name} has ${size} bytes, the manifest says ${expected.bytes}`);
    }
    if ((await sha256(path)) !== expected.sha256) throw new UnloadableError(`${name} is not the file of the manifest`);
  }
}

async function readLabels(folder: string, file: string): Promise<string[]> {
  const text = await readText(inside(folder, file));
  if (text === null) throw new UnloadableError(`the labels file ${file} is missing`);
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

/** `name` below `folder`. @throws {UnloadableError} where it leaves it */
function inside(folder: string, name: string): string {
  const plain = normalize(name);
  if (plain.startsWith('..') || plain.startsWith('/')) throw new UnloadableError(`${name} lies outside the model`);
  return join(folder, plain);
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UnloadableError(error instanceof Error ? error.message : String(error), error);
  }
}

async function readText(path: string): Promise<string | null> {
  const size = await sizeOf(path);
  if (size < 0) return null;
  if (size > MOST_TEXT_BYTES) throw new UnloadableError('a text file of the model is too large');
  return await readFile(path, 'utf8');
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : -1;
  } catch {
    return -1;
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
