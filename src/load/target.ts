/**
 * Asks an Open Inference server what it is and what its model takes, before a load: nothing here is on the road of a load.
 * What it says is checked, since a load is built from it.
 */

import { type DatatypeInfo, datatypeOf } from '../core/datatype.ts';
import { ask, objectOf, type Reply, sentenceOf } from './ask.ts';
import { readCounters } from './counters.ts';
import { LoadError, oneLine } from './error.ts';
import type { Origin } from './figures.ts';

/** Most inputs or outputs of a model, and most dimensions of one, that are believed. */
const MAX_TENSORS = 1000;
const MAX_DIMENSIONS = 32;

/** One input of a model. */
export interface TargetInput {
  readonly name: string;
  readonly datatype: DatatypeInfo;
  /** -1 where variable; the batch dimension is in it. */
  readonly shape: readonly number[];
}

/** One output of a model. */
export interface TargetOutput {
  readonly name: string;
  readonly datatype: string;
}

/** Where a load goes, and what is known of it. */
export interface Target {
  readonly origin: Origin;
  readonly server: { readonly name: string; readonly version: string };
  readonly model: string;
  /** The version asked for; null leaves it to the server. */
  readonly version: string | null;
  /** Path of the model's routes, without a slash at its end: `/v2/models/M[/versions/V]`. */
  readonly path: string;
  readonly inputs: readonly TargetInput[];
  readonly outputs: readonly TargetOutput[];
  /** Of the configuration; null where the server shows none (MLServer). */
  readonly maxBatchSize: number | null;
  /** Whether it counts (Open Inference statistics extension). */
  readonly statistics: boolean;
}

/**
 * Asks a server for everything that a load needs to know.
 * @param base where the server is: `http://HOST[:PORT][/PREFIX]`. @param token for servers that want one
 * @throws {LoadError} with one line that says what is wrong
 */
export async function describeServer(
  base: URL,
  model: string,
  version: string | null,
  token: string | null,
): Promise<Target> {
  const root = rootOf(base);
  const at = `${base.host}${root.pathname}`;
  const server = serverFacts(await ask(new URL(root), token), at);
  const path = `${root.pathname}/models/${encodeURIComponent(model)}${version === null ? '' : `/versions/${encodeURIComponent(version)}`}`;
  const shown = version === null ? `'${oneLine(model)}'` : `'${oneLine(model)}' version ${oneLine(version)}`;
  const tensors = modelTensors(await ask(new URL(path, root), token), shown);
  await mustBeReady(new URL(`${path}/ready`, root), token, shown);
  return {
    origin: { host: base.hostname.replace(/^\[|\]$/g, ''), port: Number(base.port || 80) },
    server,
    model,
    version,
    path,
    ...tensors,
    maxBatchSize: maxBatchSizeOf(await ask(new URL(`${path}/config`, root), token)),
    statistics: (await readCounters(new URL(path, root), token)) !== null,
  };
}

/** `.../v2` below the base. */
function rootOf(base: URL): URL {
  if (base.protocol !== 'http:') {
    throw new LoadError('unsuitable', `'${base.protocol}//' cannot be loaded: only http:// URLs`);
  }
  if (base.username !== '' || base.password !== '') {
    throw new LoadError('unsuitable', 'the URL holds a user name or a password: bearer tokens only');
  }
  return new URL(`${base.pathname.replace(/\/+$/, '')}/v2`, base.origin);
}

function serverFacts(reply: Reply, at: string): Target['server'] {
  mustNotBeDenied(reply, at);
  const facts = objectOf(reply.json);
  if (reply.status !== 200 || typeof facts?.name !== 'string') {
    throw new LoadError(
      'not-open-inference',
      `${at} answers ${reply.status} and no server metadata: no Open Inference server`,
    );
  }
  return { name: oneLine(facts.name), version: typeof facts.version === 'string' ? oneLine(facts.version) : '' };
}

function mustNotBeDenied(reply: Reply, what: string): void {
  if (reply.status !== 401 && reply.status !== 403) return;
  throw new LoadError('denied', `${what}: the server answers ${reply.status} ${sentenceOf(reply)}`.trimEnd());
}

function modelTensors(reply: Reply, shown: string): Pick<Target, 'inputs' | 'outputs'> {
  mustNotBeDenied(reply, `model ${shown}`);
  const why = sentenceOf(reply);
  // Triton answers 400 for models that it does not know, others 404.
  if (reply.status === 404 || reply.status === 400) {
    throw new LoadError('unknown-model', `the server has no model ${shown}${why === '' ? '' : `: ${why}`}`);
  }
  if (reply.status !== 200) {
    throw new LoadError('not-ready', `model ${shown} is not ready: ${why === '' ? `HTTP ${reply.status}` : why}`);
  }
  const facts = objectOf(reply.json);
  if (facts === null) throw new LoadError('not-open-inference', `the metadata of model ${shown} is no JSON object`);
  return {
    inputs: tensorList(facts.inputs, `inputs of model ${shown}`).map((tensor, i) => inputOf(tensor, i, shown)),
    outputs: tensorList(facts.outputs, `outputs of model ${shown}`).map(outputOf),
  };
}

/** MLServer may leave both lists out. */
function tensorList(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_TENSORS) {
    throw new LoadError('not-open-inference', `the ${what} are no list of at most ${MAX_TENSORS} tensors`);
  }
  return value;
}

function inputOf(value: unknown, index: number, shown: string): TargetInput {
  const tensor = objectOf(value);
  const { name, datatype, shape } = tensor ?? {};
  const what = `input ${typeof name === 'string' ? `'${oneLine(name)}'` : index} of model ${shown}`;
  if (typeof name !== 'string' || typeof datatype !== 'string' || !isShape(shape)) {
    throw new LoadError('not-open-inference', `${what} is no tensor with name, datatype and shape`);
  }
  const known = datatypeOf(datatype);
  if (known === undefined) {
    throw new LoadError(
      'unsuitable',
      `${what} has the datatype '${oneLine(datatype)}', which the protocol does not know`,
    );
  }
  return { name, datatype: known, shape };
}

function isShape(value: unknown): value is readonly number[] {
  if (!Array.isArray(value) || value.length > MAX_DIMENSIONS) return false;
  return value.every((size) => Number.isSafeInteger(size) && size >= -1);
}

function outputOf(value: unknown): TargetOutput {
  const { name, datatype } = objectOf(value) ?? {};
  return { name: typeof name === 'string' ? name : '', datatype: typeof datatype === 'string' ? datatype : '' };
}

async function mustBeReady(url: URL, token: string | null, shown: string): Promise<void> {
  const reply = await ask(url, token);
  if (reply.status === 200) return;
  const why = sentenceOf(reply);
  throw new LoadError('not-ready', `model ${shown} is not ready: ${why === '' ? `HTTP ${reply.status}` : why}`);
}

function maxBatchSizeOf(reply: Reply): number | null {
  const size = reply.status === 200 ? objectOf(reply.json)?.max_batch_size : undefined;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : null;
}
