/** Which version answers: pure functions over a snapshot. No state, no I/O. */

import { GatewayError, instanceLost } from '../core/error.ts';
import type { Model, ModelVersion, Snapshot } from '../core/model.ts';

/**
 * The model of that name.
 * @throws {GatewayError} MODEL_NOT_FOUND
 */
export function findModel(snapshot: Snapshot, name: string): Model {
  const model = snapshot.models.get(name);
  if (model === undefined) throw new GatewayError('MODEL_NOT_FOUND', `unknown model '${clip(name)}'`);
  return model;
}

/**
 * The version asked for, in whatever state; without one the highest READY version, else the highest.
 * @throws {GatewayError} MODEL_NOT_FOUND
 */
export function findVersion(snapshot: Snapshot, name: string, version: string | null): ModelVersion {
  const model = findModel(snapshot, name);
  const found =
    version === null
      ? (model.versions.findLast((v) => v.state === 'READY') ?? model.versions.at(-1))
      : model.versions.find((v) => v.version === version);
  if (found === undefined) {
    throw new GatewayError('MODEL_NOT_FOUND', `model '${clip(name)}' has no version '${clip(version ?? '')}'`);
  }
  return found;
}

/**
 * The version that answers an inference request.
 * @throws {GatewayError} MODEL_NOT_FOUND, MODEL_NOT_READY or INSTANCE_LOST where it exists and cannot serve now.
 */
export function resolve(snapshot: Snapshot, name: string, version: string | null): ModelVersion {
  const found = findVersion(snapshot, name, version);
  if (found.state === 'READY') return found;
  const why = found.reason === '' ? found.state.toLowerCase() : found.reason;
  if (found.state === 'LOST') throw instanceLost(name);
  throw new GatewayError('MODEL_NOT_READY', `model '${name}' version ${found.version} is not ready: ${why}`);
}

/** Whether the gateway may be called ready: settled, and at least one model (all of them when strict) READY. */
export function isReady(snapshot: Snapshot, strict: boolean): boolean {
  if (!snapshot.settled) return false;
  const versions = [...snapshot.models.values()].flatMap((model) => model.versions);
  const serving = versions.filter((v) => v.state === 'READY').length;
  return serving > 0 && (!strict || serving === versions.length);
}

function clip(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}
