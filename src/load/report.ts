/**
 * A report of loads as a file: written whole or not at all, after every run, so that what was measured outlives whatever
 * ends the rest; and read back strictly.
 */

import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { LoadError, oneLine, reasonOf } from './error.ts';
import type { Distribution, LoadFigures, Loop, Quantiles, Refusal, ServerFigures } from './figures.ts';
import { count, flag, list, number, object, oneOf, orNull, pair, type Reader, ReadingError, text } from './reading.ts';

/** Name and version of the document's form. */
export const REPORT_FORMAT = 'penstock-bench/1';
/** Largest report that is read, and most runs in one. */
export const REPORT_BYTES = 64 * 1024 * 1024;
const MAX_RUNS = 10_000;
/** Most points of a distribution, codes, and sizes of batches. */
const MAX_POINTS = 10_000;
const MAX_CODES = 1000;
const MAX_BATCH_SIZES = 65_536;

/** The highest rate that held the deadline at p99. */
export interface Capacity {
  /** Requests per second. */
  readonly rate: number;
  readonly heldDeadlineMs: number;
  /** What kept it from being higher: the server, the generator, or that no higher rate was tried. */
  readonly limitedBy: 'deadline' | 'generator' | 'search';
}

/** Goodput after a burst, window by window. */
export interface Recovery {
  /** Requests per second of the burst, and of what followed it. */
  readonly burstRate: number;
  readonly rate: number;
  readonly windowS: number;
  /** Goodput of each window, requests per second; the first begins where the burst ended. */
  readonly goodput: readonly number[];
  /** Seconds from the end of the burst until goodput was back; null: not while it was watched. */
  readonly recoveredS: number | null;
}

/** Where a load was made. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
}

/** Everything that a load or several brought, with what is needed to make them again. */
export interface Report {
  readonly format: typeof REPORT_FORMAT;
  /** Whether every run that was asked for is in it. */
  readonly complete: boolean;
  /** ISO 8601. */
  readonly made: string;
  readonly kind: 'single' | 'ramp' | 'overload';
  /** As it was typed. Holds no token: that comes from the environment. */
  readonly command: string;
  readonly url: string;
  readonly model: string;
  /** Empty where the server chose. */
  readonly version: string;
  readonly seed: number;
  readonly machine: Machine;
  readonly generator: { readonly version: string; readonly commit: string };
  readonly server: { readonly name: string; readonly version: string };
  readonly runs: readonly LoadFigures[];
  readonly capacity: Capacity | null;
  readonly recovery: Recovery | null;
}

/** This machine. */
export function thisMachine(): Machine {
  const cpu = cpus()[0]?.model.trim() ?? '';
  const platform = `${process.platform} ${process.arch}`;
  return { cpu, cores: availableParallelism(), node: process.versions.node, platform };
}

/**
 * Writes a report in place of the file, in one step: whoever reads it, at any time, reads a whole one. What is no regular
 * file (a pipe, a device) is written to directly.
 * @throws {LoadError} cannot-write; an earlier report in the file is left as it was
 */
export async function writeReport(file: string, report: Report): Promise<void> {
  await writeWhole(file, `${JSON.stringify(report)}\n`);
}

/**
 * Writes a text in place of the file, in one step.
 * @throws {LoadError} cannot-write
 */
export async function writeWhole(file: string, content: string): Promise<void> {
  try {
    const special = await stat(file).then(
      (found) => !found.isFile() && !found.isDirectory(),
      () => false,
    );
    if (special) await writeTo(file, 'w', content);
    else await replace(file, content);
  } catch (error) {
    throw new LoadError('cannot-write', `cannot write ${oneLine(file)}: ${reasonOf(error)}`);
  }
}

async function replace(file: string, content: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeTo(temporary, 'wx', content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeTo(file: string, flags: string, content: string): Promise<void> {
  const handle = await open(file, flags, 0o644);
  try {
    await handle.writeFile(content);
    if (flags === 'wx') await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads a report.
 * @throws {LoadError} bad-file, with what is wrong and where
 */
export async function readReport(file: string): Promise<Report> {
  const shown = oneLine(file);
  try {
    const { size } = await stat(file);
    if (size > REPORT_BYTES) throw new LoadError('bad-file', `${shown} has ${size} bytes, more than ${REPORT_BYTES}`);
    return readDocument(JSON.parse(await readFile(file, 'utf8')), '');
  } catch (error) {
    if (error instanceof LoadError) throw error;
    if (error instanceof ReadingError)
      throw new LoadError('bad-file', `${shown} is no report: ${oneLine(error.message)}`);
    if (error instanceof SyntaxError) throw new LoadError('bad-file', `${shown} is no JSON: ${oneLine(error.message)}`);
    throw new LoadError('bad-file', `cannot read ${shown}: ${reasonOf(error)}`);
  }
}

const amount = number(0);
const share = number(0, 1);
const TIMES = {
  mean: amount,
  min: amount,
  p50: amount,
  p90: amount,
  p95: amount,
  p99: amount,
  p999: amount,
  max: amount,
};
const quantiles = object<Quantiles>({ count, ...TIMES });

const loop: Reader<Loop> = (value, at) => {
  const closed = typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'closed';
  return closed ? closedLoop(value, at) : openLoop(value, at);
};
const closedLoop = object<Extract<Loop, { kind: 'closed' }>>({ kind: oneOf('closed'), concurrency: count });
const openLoop = object<Extract<Loop, { kind: 'open' }>>({
  kind: oneOf('open'),
  rate: amount,
  arrivals: oneOf('poisson', 'uniform', 'bursty'),
});

const run = object<LoadFigures>({
  loop,
  connections: count,
  durationS: amount,
  deadlineMs: orNull(amount),
  offered: amount,
  achieved: amount,
  goodput: amount,
  sent: count,
  ok: count,
  late: count,
  refused: list(
    object<Refusal>({ code: text(), status: count, count, timeToRefuse: quantiles, retryAfter: count }),
    MAX_CODES,
  ),
  errors: object({ connect: count, reset: count, timeout: count, malformed: count }),
  unanswered: count,
  latency: object<Distribution>({ count, ...TIMES, points: list(pair(share, amount), MAX_POINTS) }),
  wait: quantiles,
  firstByte: orNull(quantiles),
  generator: object({ lag: quantiles, cpuUsPerRequest: amount, busy: share, void: text() }),
  server: orNull(
    object<ServerFigures>({
      inferences: count,
      executions: count,
      batchRows: amount,
      queueUs: amount,
      computeUs: amount,
      batches: list(pair(count, count), MAX_BATCH_SIZES),
    }),
  ),
});

const readDocument = object<Report>({
  format: oneOf(REPORT_FORMAT),
  complete: flag,
  made: text(),
  kind: oneOf('single', 'ramp', 'overload'),
  command: text(),
  url: text(),
  model: text(),
  version: text(),
  seed: number(),
  machine: object<Machine>({ cpu: text(), cores: count, node: text(), platform: text() }),
  generator: object({ version: text(), commit: text() }),
  server: object({ name: text(), version: text() }),
  runs: list(run, MAX_RUNS),
  capacity: orNull(
    object<Capacity>({
      rate: amount,
      heldDeadlineMs: amount,
      limitedBy: oneOf('deadline', 'generator', 'search'),
    }),
  ),
  recovery: orNull(
    object<Recovery>({
      burstRate: amount,
      rate: amount,
      windowS: amount,
      goodput: list(amount, MAX_POINTS),
      recoveredS: orNull(amount),
    }),
  ),
});
