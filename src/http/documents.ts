/** The JSON documents of the protocol's control routes: pure functions of the snapshot. */

import type { Datatype } from '../core/datatype.ts';
import { GatewayError, invalid } from '../core/error.ts';
import type { ModelVersion, ServedFacts, Snapshot } from '../core/model.ts';
import type { TensorSpec } from '../core/tensor.ts';

/** Triton's name of the platform: clients show it and decide nothing by it. */
const PLATFORM = 'onnxruntime_onnx';

/** What is offered, and nothing else. */
const EXTENSIONS = ['binary_tensor_data', 'classification', 'parameters', 'model_configuration', 'statistics'];

/** `GET /v2`. */
export function serverMetadata(version: string): unknown {
  return { name: 'penstock', version, extensions: EXTENSIONS };
}

/** `GET /v2/models`: the names. */
export function modelList(snapshot: Snapshot): unknown {
  return { models: [...snapshot.models.keys()] };
}

/**
 * `GET /v2/models/M`.
 * @throws {GatewayError} MODEL_NOT_READY where its interface is not known
 */
export function modelMetadata(snapshot: Snapshot, version: ModelVersion): unknown {
  const { signature } = facts(version);
  const siblings = snapshot.models.get(version.model)?.versions ?? [];
  return {
    name: version.model,
    versions: siblings.filter((v) => v.state === 'READY').map((v) => v.version),
    platform: PLATFORM,
    inputs: signature.inputs.map(metadataTensor),
    outputs: signature.outputs.map(metadataTensor),
  };
}

/**
 * `GET /v2/models/M/config`, in Triton's form; ours are in `parameters`.
 * @throws {GatewayError} MODEL_NOT_READY
 */
export function modelConfig(version: ModelVersion): unknown {
  const known = facts(version);
  const { signature, maxBatchSize } = known;
  return {
    name: version.model,
    platform: PLATFORM,
    backend: 'onnxruntime',
    max_batch_size: maxBatchSize,
    input: signature.inputs.map((spec) => configTensor(spec, maxBatchSize > 0)),
    output: signature.outputs.map((spec) => configTensor(spec, maxBatchSize > 0)),
    instance_group: [{ name: version.model, kind: kindOf(known), count: known.instances }],
    ...(maxBatchSize > 0 ? { dynamic_batching: {} } : {}),
    model_transaction_policy: { decoupled: false },
    response_cache: { enable: false },
    parameters: {
      placement: { string_value: known.placement },
      execution_provider: { string_value: known.provider },
      batch_rows: { string_value: String(known.batchRows) },
      measured_rows: { string_value: String(known.measuredRows) },
      measured_us: { string_value: String(known.measuredUs) },
      instances_min: { string_value: String(known.instanceRange.min) },
      instances_max: { string_value: String(known.instanceRange.max) },
      intra_op_threads: { string_value: String(known.intraOpThreads) },
    },
  };
}

/**
 * `POST /v2/repository/index`.
 * @param body the request's JSON; empty is `{}`.
 * @throws {GatewayError} INVALID_ARGUMENT
 */
export function repositoryIndex(snapshot: Snapshot, body: string): unknown {
  const onlyReady = readIndexRequest(body);
  const versions = [...snapshot.models.values()].flatMap((model) => model.versions);
  return versions.filter((v) => !onlyReady || v.state === 'READY').map(indexItem);
}

function readIndexRequest(body: string): boolean {
  if (body.trim() === '') return false;
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch {
    throw invalid('the body is not valid JSON');
  }
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw invalid('the body must be a JSON object');
  }
  const ready = (request as Record<string, unknown>).ready ?? false;
  if (typeof ready !== 'boolean') throw invalid("'ready' must be true or false");
  return ready;
}

function indexItem(version: ModelVersion): unknown {
  const item = { name: version.model, version: version.version, state: indexState(version) };
  return version.reason === '' ? item : { ...item, reason: version.reason };
}

function indexState(version: ModelVersion): string {
  if (version.state === 'READY' || version.state === 'LOADING') return version.state;
  return version.state === 'DRAINING' ? 'UNLOADING' : 'UNAVAILABLE';
}

function facts(version: ModelVersion): ServedFacts {
  if (version.facts !== null) return version.facts;
  const why = version.reason === '' ? version.state.toLowerCase() : version.reason;
  throw new GatewayError('MODEL_NOT_READY', `model '${version.model}' is not ready: ${why}`);
}

function metadataTensor(spec: TensorSpec): unknown {
  return { name: spec.name, datatype: spec.datatype.name, shape: spec.shape };
}

function configTensor(spec: TensorSpec, batched: boolean): unknown {
  const dims = batched ? spec.shape.slice(1) : spec.shape;
  return { name: spec.name, data_type: configType(spec.datatype.name), dims };
}

function configType(name: Datatype): string {
  return name === 'BYTES' ? 'TYPE_STRING' : `TYPE_${name}`;
}

function kindOf(known: ServedFacts): string {
  return known.provider === 'cuda' ? 'KIND_GPU' : 'KIND_CPU';
}
