/**
 * Profiles and learned curves kept between starts: one small JSON file per model, ONNX Runtime, CPU and session options.
 * Nothing of it is needed: what cannot be read or makes no sense is measured again, what cannot be written is left.
 */

import { createHash, type Hash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { LEAST_US, MOST_US } from '../batching/curve.ts';
import type { SessionOptions } from '../core/instance.ts';
import type { Placement } from '../core/model.ts';
import type { CurvePoint } from '../core/scheduling.ts';
import type { ProfilePoint } from './profile.ts';

/** Counts up when the files mean something else. */
const FORMAT = 1;

/** Bounds of what is read: a file is in nobody's hands but the operator's, and may be damaged all the same. */
const MOST_BYTES = 1024 * 1024;
const MOST_POINTS = 5000;

/**
 * Most files of the folder: every new model, ONNX Runtime, CPU and option leaves another one, and nobody comes back for the
 * one before it. The oldest go.
 */
const MOST_FILES = 1000;

/** Names of what is written here, and of what a process that died had not finished; no other file is touched. */
const OWN_FILE = /^[0-9a-f]{64}\.json(\.[0-9a-f-]{36})?$/;

/** What is kept of one model on one machine. */
export interface KeptProfile {
  readonly points: readonly ProfilePoint[];
  /** The curve that was learned in service and where; null where none was. */
  readonly learned: { readonly placement: Placement; readonly points: readonly CurvePoint[] } | null;
}

/** A folder of profiles. */
export class ProfileStore {
  readonly #folder: string | null;
  readonly #runtime: string;
  readonly #onUnkept: (error: unknown) => void;

  /**
   * @param stateDir folder for what is kept between starts; empty = nothing is
   * @param runtime version of ONNX Runtime
   * @param onUnkept told of what could not be written
   */
  constructor(stateDir: string, runtime: string, onUnkept: (error: unknown) => void) {
    this.#folder = stateDir === '' ? null : join(stateDir, 'profiles');
    this.#runtime = runtime;
    this.#onUnkept = onUnkept;
  }

  /**
   * What a profile up to so many rows is kept under; empty where nothing is.
   * @param path of the model file; weights that lie beside it are part of the model, so every file of its folder counts
   * @throws where one of them cannot be read
   */
  async key(path: string, options: SessionOptions, mostRows: number): Promise<string> {
    if (this.#folder === null) return '';
    const hash = createHash('sha256');
    await hashFolder(hash, dirname(path));
    const cpu = cpus()[0]?.model ?? '';
    hash.update(JSON.stringify([FORMAT, this.#runtime, cpu, mostRows, sorted(options)]));
    return hash.digest('hex');
  }

  /** What was kept, or null where there is none, or none that makes sense. */
  async read(key: string): Promise<KeptProfile | null> {
    if (this.#folder === null || key === '') return null;
    try {
      return parse(await readBounded(join(this.#folder, `${key}.json`)));
    } catch {
      return null;
    }
  }

  /** Keeps it, whole or not at all, and lets the oldest go where there are too many. Never fails. */
  async write(key: string, kept: KeptProfile): Promise<void> {
    if (this.#folder === null || key === '') return;
    const path = join(this.#folder, `${key}.json`);
    // Process numbers are not enough: two containers with one folder have the same ones.
    const unfinished = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.#folder, { recursive: true });
      const file = await open(unfinished, 'wx', 0o644);
      try {
        await file.writeFile(JSON.stringify({ format: FORMAT, ...kept }));
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
      await prune(this.#folder);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      this.#onUnkept(error);
    }
  }
}

/** Names, lengths and contents of the files below a folder. */
async function hashFolder(hash: Hash, folder: string): Promise<void> {
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    const found = await stat(path);
    if (!found.isFile()) continue;
    hash.update(JSON.stringify([name, found.size]));
    for await (const chunk of createReadStream(path, { highWaterMark: MOST_BYTES })) hash.update(chunk as Buffer);
  }
}

async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => OWN_FILE.test(name));
  if (names.length <= MOST_FILES) return;
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      // Another process may have let it go meanwhile.
      return { path, writtenMs: (await stat(path).catch(() => null))?.mtimeMs ?? 0 };
    }),
  );
  const old = files.sort((a, b) => b.writtenMs - a.writtenMs).slice(MOST_FILES);
  for (const { path } of old) await rm(path, { force: true });
}

async function readBounded(path: string): Promise<string> {
  // A pipe in its place would wait for a writer, and the start with it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > MOST_BYTES) throw new TypeError('no profile');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parse(text: string): KeptProfile | null {
  const found = JSON.parse(text);
  if (found?.format !== FORMAT || !arePoints(found.points, ['us', 'runUs'])) return null;
  const { points, learned } = found;
  const sound = isPlacement(learned?.placement) && arePoints(learned.points, ['us']);
  return { points, learned: sound ? learned : null };
}

function isPlacement(value: unknown): value is Placement {
  return value === 'inline' || value === 'worker';
}

/** At least one, rows ascending, times that a batch can take. */
function arePoints(value: unknown, times: readonly string[]): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_POINTS) return false;
  return value.every((point, i) => {
    const before = i === 0 ? 0 : value[i - 1].rows;
    return Number.isInteger(point?.rows) && point.rows > before && times.every((name) => isTime(point[name]));
  });
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= LEAST_US && value <= MOST_US;
}

/** Options in an order that does not hang on the file they were written in. */
function sorted(options: SessionOptions): unknown {
  const extra = Object.entries(options.extra).sort(([a], [b]) => (a < b ? -1 : 1));
  return [options.executionProviders, options.intraOpThreads, options.graphOptimization, extra];
}
