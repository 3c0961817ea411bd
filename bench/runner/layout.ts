/** Which cores a server and the generator of an open loop have, and how many instances serve. */

import { availableParallelism } from 'node:os';

/** Cores as taskset takes them. */
export interface Layout {
  readonly instances: number;
  readonly server: string;
  readonly load: string;
}

/**
 * `apart`: the generator has the last core for itself, the server the others, and as many instances. `aside`: the same
 * instances, but the server may use every core, so that its front thread competes with the generator and not with them.
 * `shared`: both have every core, and there are as many instances: the generator, which turns instead of sleeping, takes a
 * good part of one.
 */
export const LAYOUTS = ['apart', 'aside', 'shared'] as const;

/** One of them. */
export type LayoutName = (typeof LAYOUTS)[number];

/** Unless said. */
export const DEFAULT_LAYOUT: LayoutName = 'apart';

/** Whether this is one. */
export function isLayout(name: string): name is LayoutName {
  return (LAYOUTS as readonly string[]).includes(name);
}

/** The layout of this name on this machine. */
export function layoutOf(name: LayoutName): Layout {
  const cores = availableParallelism();
  const last = Math.max(1, cores - 1);
  const all = `0-${cores - 1}`;
  const rest = last === 1 ? '0' : `0-${last - 1}`;
  switch (name) {
    case 'apart':
      return { instances: last, server: rest, load: String(cores - 1) };
    case 'aside':
      return { instances: last, server: all, load: String(cores - 1) };
    case 'shared':
      return { instances: cores, server: all, load: all };
  }
}
