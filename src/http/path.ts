/** Request paths: one canonical form for routing and everything that judges a path. */

import { GatewayError, invalid } from '../core/error.ts';

/** What a path asks for. */
export interface Route {
  readonly name: RouteName;
  readonly model: string;
  /** null where the path names none. */
  readonly version: string | null;
}

/** Every route there is. */
export type RouteName =
  | 'server'
  | 'live'
  | 'ready'
  | 'models'
  | 'repositoryIndex'
  | 'model'
  | 'modelReady'
  | 'modelConfig'
  | 'infer'
  | 'systemSharedMemory'
  | 'cudaSharedMemory'
  | 'metrics'
  | 'none';

/** Longest path that is looked at: three bytes for each of a name and a version, and more. Stops echoes and look-ups of novels. */
export const MOST_PATH_BYTES = 2048;

const NONE: Route = { name: 'none', model: '', version: null };

const FIXED: Readonly<Record<string, RouteName>> = {
  '/v2': 'server',
  '/v2/': 'server',
  '/v2/health/live': 'live',
  '/v2/health/ready': 'ready',
  '/v2/models': 'models',
  '/v2/repository/index': 'repositoryIndex',
  '/v2/systemsharedmemory/status': 'systemSharedMemory',
  '/v2/cudasharedmemory/status': 'cudaSharedMemory',
  '/metrics': 'metrics',
};

const ACTIONS: Readonly<Record<string, RouteName>> = {
  '': 'model',
  ready: 'modelReady',
  config: 'modelConfig',
  infer: 'infer',
};

/**
 * The route of a raw path.
 * @throws {GatewayError} INVALID_ARGUMENT where its percent-encoding is broken; URI_TOO_LONG
 */
export function parsePath(path: string): Route {
  if (path.length > MOST_PATH_BYTES) throw new GatewayError('URI_TOO_LONG', 'the path is too long');
  const fixed = FIXED[path];
  if (fixed !== undefined) return { name: fixed, model: '', version: null };
  if (!path.startsWith('/v2/models/')) return NONE;
  const parts = path.slice('/v2/models/'.length).split('/').map(decode);
  const model = parts[0] as string;
  if (model === '') return NONE;
  const versioned = parts[1] === 'versions' && parts.length > 2;
  const rest = parts.slice(versioned ? 3 : 1);
  const action = rest.length === 0 ? '' : rest.length === 1 && rest[0] !== '' ? (rest[0] as string) : null;
  const name = action === null || !Object.hasOwn(ACTIONS, action) ? undefined : ACTIONS[action];
  return name === undefined ? NONE : { name, model, version: versioned ? (parts[2] as string) : null };
}

function decode(segment: string): string {
  try {
    return segment.includes('%') ? decodeURIComponent(segment) : segment;
  } catch {
    throw invalid('the path has broken percent-encoding');
  }
}
