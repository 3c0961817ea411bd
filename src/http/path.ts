/** Request paths: one canonical form for routing and everything that judges a path. */

import { GatewayError, invalid } from '../core/error.ts';
import { MODEL_PATH, NOT_OFFERED, ROUTES, type RouteName } from './routes.ts';

/** What a path asks for. */
export interface Route {
  /** `notOffered`: one of Triton's that we do not have. `none`: nobody's. */
  readonly name: RouteName | 'notOffered' | 'none';
  readonly model: string;
  /** null where the path names none. */
  readonly version: string | null;
}

/** Longest path that is looked at: three bytes for each of a name and a version, and more. Stops echoes and look-ups of novels. */
export const MOST_PATH_BYTES = 2048;

const NONE: Route = { name: 'none', model: '', version: null };
const ELSEWHERE: Route = { name: 'notOffered', model: '', version: null };

const SERVED = Object.entries(ROUTES).map(([name, { path }]) => [path, name as RouteName] as const);
const REFUSED = NOT_OFFERED.map((path) => [path, 'notOffered'] as const);
const ALL: readonly (readonly [string, Route['name']])[] = [...SERVED, ...REFUSED, ['/v2/', 'server']];

const FIXED = new Map(ALL.filter(([path]) => !path.startsWith(MODEL_PATH)));

/** What may follow the model, and its version where the path names one. */
const ACTIONS = new Map(
  ALL.filter(([path]) => path.startsWith(MODEL_PATH)).map(([path, name]) => [path.slice(MODEL_PATH.length), name]),
);

const REFUSED_BELOW = NOT_OFFERED.filter((path) => path.endsWith('/'));

/**
 * The route of a raw path.
 * @throws {GatewayError} INVALID_ARGUMENT where its percent-encoding is broken; URI_TOO_LONG
 */
export function parsePath(path: string): Route {
  if (path.length > MOST_PATH_BYTES) {
    throw new GatewayError('URI_TOO_LONG', 'the path is too long', { limit: 'pathBytes' });
  }
  const fixed = FIXED.get(path);
  if (fixed !== undefined) return { name: fixed, model: '', version: null };
  if (REFUSED_BELOW.some((prefix) => path.startsWith(prefix))) return ELSEWHERE;
  if (!path.startsWith('/v2/models/')) return NONE;
  const parts = path.slice('/v2/models/'.length).split('/').map(decode);
  const model = parts[0] as string;
  if (model === '') return NONE;
  const versioned = parts[1] === 'versions' && parts.length > 2;
  const rest = parts.slice(versioned ? 3 : 1);
  const name = ACTIONS.get(rest.map((part) => `/${part}`).join(''));
  return name === undefined ? NONE : { name, model, version: versioned ? (parts[2] as string) : null };
}

function decode(segment: string): string {
  try {
    return segment.includes('%') ? decodeURIComponent(segment) : segment;
  } catch {
    throw invalid('the path has broken percent-encoding');
  }
}
