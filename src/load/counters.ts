/** A server's own counters (Open Inference statistics extension, as Triton has it), and what a load added to them. */

import { ask, objectOf } from './ask.ts';
import type { ServerFigures } from './figures.ts';

const NS_PER_US = 1000;
/** Most versions and batch sizes that are read: more is no honest answer. */
const MAX_VERSIONS = 1000;
const MAX_BATCH_SIZES = 65_536;

/** Cumulative counts and nanoseconds since the server began, of one version or of all of a model together. */
export interface Counters {
  readonly inferences: number;
  readonly executions: number;
  readonly queued: Total;
  readonly computed: Total;
  /** Rows of a batch to how many of that size ran. */
  readonly batches: ReadonlyMap<number, number>;
}

interface Total {
  readonly count: number;
  readonly ns: number;
}

const NOTHING: Counters = {
  inferences: 0,
  executions: 0,
  queued: { count: 0, ns: 0 },
  computed: { count: 0, ns: 0 },
  batches: new Map(),
};

/**
 * The counters of a model; null where the server has none, or says them in another form.
 * @param model URL of the model's routes (`.../v2/models/M[/versions/V]`)
 * @throws {LoadError} unreachable
 */
export async function readCounters(model: URL, token: string | null): Promise<Counters | null> {
  const { status, json } = await ask(new URL(`${model.pathname}/stats`, model), token);
  const versions = status === 200 ? objectOf(json)?.model_stats : undefined;
  if (!Array.isArray(versions) || versions.length > MAX_VERSIONS) return null;
  let sum = NOTHING;
  for (const version of versions) {
    const counters = versionCounters(version);
    if (counters === null) return null;
    sum = added(sum, counters);
  }
  return sum;
}

/** What came between; null where one is missing, or the server began anew in between. */
export function difference(before: Counters | null, after: Counters | null): ServerFigures | null {
  if (before === null || after === null) return null;
  const inferences = after.inferences - before.inferences;
  const executions = after.executions - before.executions;
  const queueUs = meanUs(before.queued, after.queued);
  const computeUs = meanUs(before.computed, after.computed);
  const batches = [...after.batches]
    .map(([rows, count]) => [rows, count - (before.batches.get(rows) ?? 0)] as const)
    .filter(([, count]) => count !== 0)
    .sort(([a], [b]) => a - b);
  const backwards = inferences < 0 || executions < 0 || queueUs < 0 || computeUs < 0;
  if (backwards || batches.some(([, count]) => count < 0)) return null;
  const batchRows = executions === 0 ? 0 : inferences / executions;
  return { inferences, executions, batchRows, queueUs, computeUs, batches };
}

/** -1 where they ran backwards. */
function meanUs(before: Total, after: Total): number {
  const count = after.count - before.count;
  const ns = after.ns - before.ns;
  if (count < 0 || ns < 0) return -1;
  return count === 0 ? 0 : ns / count / NS_PER_US;
}

function versionCounters(value: unknown): Counters | null {
  const version = objectOf(value);
  const stats = objectOf(version?.inference_stats);
  if (version === null || stats === null) return null;
  const inferences = countOf(version.inference_count);
  const executions = countOf(version.execution_count);
  const queued = totalOf(stats.queue);
  const computed = totalOf(stats.compute_infer);
  if (inferences < 0 || executions < 0 || queued === null || computed === null) return null;
  return { inferences, executions, queued, computed, batches: batchesOf(version.batch_stats) };
}

function batchesOf(value: unknown): Map<number, number> {
  const batches = new Map<number, number>();
  if (!Array.isArray(value)) return batches;
  for (const item of value.slice(0, MAX_BATCH_SIZES)) {
    const rows = countOf(objectOf(item)?.batch_size);
    const ran = totalOf(objectOf(item)?.compute_infer);
    if (rows > 0 && ran !== null) batches.set(rows, (batches.get(rows) ?? 0) + ran.count);
  }
  return batches;
}

function totalOf(value: unknown): Total | null {
  const count = countOf(objectOf(value)?.count);
  const ns = countOf(objectOf(value)?.ns);
  return count < 0 || ns < 0 ? null : { count, ns };
}

/** Triton says counts as numbers, and servers that print protobuf's JSON say 64-bit ones as strings; -1 for neither. */
function countOf(value: unknown): number {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? number : -1;
}

function added(a: Counters, b: Counters): Counters {
  const batches = new Map(a.batches);
  for (const [rows, count] of b.batches) batches.set(rows, (batches.get(rows) ?? 0) + count);
  return {
    inferences: a.inferences + b.inferences,
    executions: a.executions + b.executions,
    queued: { count: a.queued.count + b.queued.count, ns: a.queued.ns + b.queued.ns },
    computed: { count: a.computed.count + b.computed.count, ns: a.computed.ns + b.computed.ns },
    batches,
  };
}
